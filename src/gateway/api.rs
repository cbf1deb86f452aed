//! One API: its document, its paths, and which operation a request means.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::json;
use serde_json::value::RawValue;

use super::object::Object;
use super::operation::{Backend, NewOperation, Operation};
use super::path_item::{PathItem, parsed};
use super::template::{self, Template};
use super::{GatewayError, Verb};
use crate::entity::{Secret, json};

/// Most paths of an API. A request is compared with each.
const MOST_PATHS: usize = 1000;

/// An API of a namespace.
#[derive(Clone, Debug)]
pub struct Api {
    /// The namespace that has it.
    pub namespace: String,
    /// What all its paths begin with; without a slash at its end, unless it is all of it.
    pub base_path: String,
    /// Name, for people.
    title: String,
    /// All of the document but its paths.
    members: Object,
    paths: Vec<PathItem>,
    /// Revision in the store.
    pub(super) revision: u64,
}

/// What a path of a request leads to.
#[derive(Debug)]
pub struct Match<'a> {
    item: &'a PathItem,
    /// Names and values of the path's parameters.
    pub parameters: Vec<(String, String)>,
}

impl Api {
    /// An API without operations.
    pub(super) fn new(
        namespace: &str,
        base_path: &str,
        title: Option<&str>,
    ) -> Result<Self, GatewayError> {
        let base_path = template::base_path(base_path)?;
        let title = title.filter(|title| !title.is_empty());
        let title = title.unwrap_or(&base_path).to_owned();
        let mut members = Object::default();
        members.set("swagger", "2.0");
        members.set("info", &json!({"title": title, "version": "1.0.0"}));
        members.set("basePath", &base_path);
        Ok(Api {
            namespace: namespace.to_owned(),
            base_path,
            title,
            members,
            paths: Vec::new(),
            revision: 0,
        })
    }

    /// Reads a Swagger document.
    pub(super) fn read(namespace: &str, mut members: Object) -> Result<Self, GatewayError> {
        #[derive(Deserialize)]
        struct Info {
            title: Option<String>,
        }
        let missing = |name| GatewayError::invalid(format!("swagger is missing the {name} field."));
        let base_path = members.get("basePath").ok_or_else(|| missing("basePath"))?;
        let base_path = template::base_path(&parsed::<String>(base_path, "basePath")?)?;
        let paths = members.take("paths").ok_or_else(|| missing("paths"))?;
        let info = members.get("info").ok_or_else(|| missing("info"))?;
        let title = parsed::<Info>(info, "info")?.title;
        members.set("basePath", &base_path);
        let paths = parsed::<Object>(&paths, "paths")?
            .into_members()
            .map(|(path, item)| {
                PathItem::read(&path, parsed(&item, &path)?, namespace)
                    .map_err(|error| GatewayError::invalid(format!("in path '{path}': {error}")))
            })
            .collect::<Result<Vec<_>, _>>()?;
        check_number(paths.len())?;
        Ok(Api {
            namespace: namespace.to_owned(),
            title: title.unwrap_or_else(|| base_path.clone()),
            base_path,
            members,
            paths,
            revision: 0,
        })
    }

    /// Name, for people.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Whether it has no operation any more.
    pub(super) fn is_empty(&self) -> bool {
        self.paths.iter().all(|item| item.operations.is_empty())
    }

    /// Adds an operation, or puts it in the place of the one of its path and method.
    pub(super) fn add(&mut self, new: &NewOperation) -> Result<(), GatewayError> {
        let template = Template::parse(&new.path)?;
        let operation = Operation::new(new, &template);
        let found = self
            .paths
            .iter_mut()
            .find(|item| item.template.text() == new.path);
        let Some(item) = found else {
            check_number(self.paths.len() + 1)?;
            self.paths
                .push(PathItem::new(template, new.verb, operation));
            return Ok(());
        };
        match item
            .operations
            .iter_mut()
            .find(|(verb, _)| *verb == new.verb)
        {
            Some((_, old)) => *old = operation,
            None => item.operations.push((new.verb, operation)),
        }
        Ok(())
    }

    /// Removes an operation of a path, or all of them.
    ///
    /// # Errors
    /// [`GatewayError::Missing`]
    pub(super) fn remove(&mut self, path: &str, verb: Option<Verb>) -> Result<(), GatewayError> {
        let at = self
            .paths
            .iter()
            .position(|item| item.template.text() == path)
            .ok_or_else(|| GatewayError::Missing(format!("path '{path}'")))?;
        let operations = &mut self.paths[at].operations;
        if let Some(verb) = verb {
            let before = operations.len();
            operations.retain(|(known, _)| *known != verb);
            if operations.len() == before {
                let what = format!("operation '{verb}' of path '{path}'");
                return Err(GatewayError::Missing(what));
            }
        }
        if verb.is_none() || operations.is_empty() {
            self.paths.remove(at);
        }
        Ok(())
    }

    /// What is left of it for a client that asks for a path, a method or both.
    pub(super) fn filtered(mut self, path: Option<&str>, verb: Option<Verb>) -> Self {
        self.paths
            .retain(|item| path.is_none_or(|path| item.template.text() == path));
        if let Some(verb) = verb {
            for item in &mut self.paths {
                item.operations.retain(|(known, _)| *known == verb);
            }
            self.paths.retain(|item| !item.operations.is_empty());
        }
        self
    }

    /// What a path leads to: the most exact of the paths that match. `path` is relative to the
    /// base path, in decoded segments.
    pub fn matched(&self, path: &[&str]) -> Option<Match<'_>> {
        let mut best: Option<Match<'_>> = None;
        for item in &self.paths {
            let Some(parameters) = item.template.matched(path) else {
                continue;
            };
            // Of two that are as exact, the first.
            if best
                .as_ref()
                .is_none_or(|best| item.template.exactness(&best.item.template).is_gt())
            {
                best = Some(Match { item, parameters });
            }
        }
        best
    }

    /// The Swagger document, as clients get it.
    pub fn document(&self) -> Box<RawValue> {
        let mut document = self.members.clone();
        document.set("paths", &Paths(&self.paths));
        serde_json::value::to_raw_value(&document).expect("texts and JSON values make JSON")
    }

    /// What is stored.
    pub(super) fn stored(&self) -> Vec<u8> {
        let secure_keys = self.paths.iter().flat_map(|item| {
            item.operations.iter().filter_map(|(verb, operation)| {
                Some(SecureKey {
                    path: item.template.text().to_owned(),
                    operation: verb.key().to_owned(),
                    key: operation.secure_key.as_ref()?.expose().to_owned(),
                })
            })
        });
        let stored = Stored {
            namespace: self.namespace.clone(),
            apidoc: self.document(),
            secure_keys: secure_keys.collect(),
        };
        serde_json::to_vec(&stored).expect("texts and JSON values make JSON")
    }

    /// Reads what is stored; none if it cannot be read.
    pub(super) fn from_stored(document: &[u8], revision: u64) -> Option<Self> {
        let stored: Stored = json::stored(document)?;
        let members = serde_json::from_str(stored.apidoc.get()).ok()?;
        let mut api = Self::read(&stored.namespace, members).ok()?;
        let mut keys = BTreeMap::new();
        for secure in stored.secure_keys {
            keys.insert((secure.path, secure.operation), secure.key);
        }
        for item in &mut api.paths {
            for (verb, operation) in &mut item.operations {
                let place = (item.template.text().to_owned(), verb.key().to_owned());
                operation.secure_key = keys.remove(&place).map(Secret::new);
            }
        }
        api.revision = revision;
        Some(api)
    }
}

impl Match<'_> {
    /// Where a method leads, and what the web action wants in `X-Require-Whisk-Auth`. `HEAD` is
    /// answered as `GET` where it has no operation of its own.
    pub fn operation(&self, verb: Verb) -> Option<(&Backend, Option<&Secret>)> {
        let of = |wanted| {
            let found = self
                .item
                .operations
                .iter()
                .find(|(known, _)| *known == wanted);
            found.map(|(_, operation)| (&operation.backend, operation.secure_key.as_ref()))
        };
        match verb {
            Verb::Head => of(Verb::Head).or_else(|| of(Verb::Get)),
            verb => of(verb),
        }
    }

    /// The methods that the path has, in the order of their names.
    pub fn methods(&self) -> Vec<&'static str> {
        let answered = |verb: &Verb| *verb == Verb::Options || self.operation(*verb).is_some();
        let verbs = Verb::ALL.into_iter().filter(answered);
        verbs.map(Verb::method).collect()
    }
}

fn check_number(paths: usize) -> Result<(), GatewayError> {
    if paths > MOST_PATHS {
        return Err(GatewayError::invalid(format!(
            "an API cannot have more than {MOST_PATHS} paths: divide it into several"
        )));
    }
    Ok(())
}

/// The member `paths` of a document.
struct Paths<'a>(&'a [PathItem]);

impl Serialize for Paths<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|item| (item.template.text(), item)))
    }
}

/// An API in the store.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    namespace: String,
    apidoc: Box<RawValue>,
    secure_keys: Vec<SecureKey>,
}

#[derive(Serialize, Deserialize)]
struct SecureKey {
    path: String,
    operation: String,
    key: String,
}

#[cfg(test)]
#[path = "api_tests.rs"]
mod tests;
