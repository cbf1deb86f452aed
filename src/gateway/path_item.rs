//! What one path of an API has: operations, and what a document says about it besides.

use serde::{Deserialize, Serialize, Serializer};
use serde_json::json;
use serde_json::value::RawValue;

use super::object::Object;
use super::operation::Operation;
use super::template::Template;
use super::{GatewayError, Verb};

/// A path of an API.
#[derive(Clone, Debug)]
pub(super) struct PathItem {
    pub(super) template: Template,
    /// What is not an operation, such as `parameters`.
    others: Object,
    pub(super) operations: Vec<(Verb, Operation)>,
}

impl PathItem {
    /// A path with its first operation.
    pub(super) fn new(template: Template, verb: Verb, operation: Operation) -> Self {
        let mut others = Object::default();
        let parameters: Vec<_> = template.parameters().map(parameter).collect();
        if !parameters.is_empty() {
            others.set("parameters", &parameters);
        }
        PathItem {
            template,
            others,
            operations: vec![(verb, operation)],
        }
    }

    /// Reads what a document has of a path. `namespace` is the API's.
    pub(super) fn read(path: &str, members: Object, namespace: &str) -> Result<Self, GatewayError> {
        let mut item = PathItem {
            template: Template::parse(path)?,
            others: Object::default(),
            operations: Vec::new(),
        };
        for (name, value) in members.into_members() {
            // Swagger writes methods in lower case; everything else is not an operation.
            let Some(verb) = name.parse::<Verb>().ok().filter(|verb| verb.key() == name) else {
                item.others.add(name, value);
                continue;
            };
            let operation = parsed(&value, &name)
                .and_then(|members| Operation::read(members, namespace))
                .map_err(|error| {
                    GatewayError::invalid(format!("in operation '{verb}': {error}"))
                })?;
            item.operations.push((verb, operation));
        }
        Ok(item)
    }
}

/// How a document describes a parameter of a path.
fn parameter(name: &str) -> serde_json::Value {
    json!({
        "name": name,
        "in": "path",
        "description": format!("Default description for '{name}'"),
        "required": true,
        "type": "string",
    })
}

impl Serialize for PathItem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = self.others.clone();
        for (verb, operation) in &self.operations {
            members.set(verb.key(), operation);
        }
        members.serialize(serializer)
    }
}

/// Reads a part of a document; `what` names it if it is malformed.
pub(super) fn parsed<'a, T: Deserialize<'a>>(
    json: &'a RawValue,
    what: &str,
) -> Result<T, GatewayError> {
    serde_json::from_str(json.get())
        .map_err(|error| GatewayError::invalid(format!("'{what}' is malformed: {error}")))
}
