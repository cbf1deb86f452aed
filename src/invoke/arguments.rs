//! What an action is given: default parameters under the payload (reference section 4.3), and
//! the bodies of `/init` and `/run` (sections 7.2 and 7.3).

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use serde::Serialize;
use serde_json::value::RawValue;

use crate::entity::{Action, ActivationId, Identity, Members, Parameters, push_string};

/// Members of a payload that are found as quickly without an index.
const FEW: usize = 32;

/// Arguments and init parameters of one run.
pub(super) struct Arguments<'a> {
    /// The JSON object or array that is the action's argument; the payload itself where nothing is
    /// merged into it.
    value: Cow<'a, str>,
    /// Init parameters: names and values as texts.
    init: Vec<(String, String)>,
}

impl<'a> Arguments<'a> {
    /// Merges the payload (an object, or nothing) over the parameters, at the top level only.
    /// Values stay exactly as they were written. An array, which only another action's result can
    /// be, is the whole argument.
    ///
    /// # Errors
    /// The payload is neither a JSON object nor an array.
    pub(super) fn merge(
        parameters: &Parameters,
        payload: Option<&'a RawValue>,
    ) -> serde_json::Result<Self> {
        if parameters.0.is_empty() || payload.is_some_and(|p| p.get().starts_with('[')) {
            return Ok(Arguments {
                value: Cow::Borrowed(payload.map_or("{}", RawValue::get)),
                init: Vec::new(),
            });
        }
        let payload = match payload {
            Some(payload) => Members::of(payload)?,
            None => Members::default(),
        };
        let mut value = String::from("{");
        let mut push = |name: &str, text: &str| {
            if value.len() > 1 {
                value.push(',');
            }
            push_string(&mut value, name);
            value.push(':');
            value.push_str(text);
        };
        // Nothing stops either side from having tens of thousands of names: comparing all of them
        // with all others would stop everything else for long.
        let index: Option<HashMap<&str, &RawValue>> = (payload.0.len() > FEW).then(|| {
            let members = payload.0.iter();
            members.map(|(name, text)| (&**name, *text)).collect()
        });
        let found = |name: &str| match &index {
            Some(index) => index.get(name).copied(),
            None => payload.get(name),
        };
        let init_names: HashSet<&str> = parameters
            .0
            .iter()
            .filter(|parameter| parameter.init)
            .map(|parameter| parameter.key.as_str())
            .collect();
        let mut init = Vec::new();
        for parameter in &parameters.0 {
            let given = found(&parameter.key);
            if parameter.init {
                // The key decides where it goes, whoever gives the value.
                let value = given.unwrap_or(&parameter.value);
                init.push((parameter.key.clone(), environment_text(value)));
            } else if given.is_none() {
                push(&parameter.key, parameter.value.get());
            }
        }
        for (name, text) in &payload.0 {
            if !init_names.contains(&**name) {
                push(name, text.get());
            }
        }
        value.push('}');
        Ok(Arguments {
            value: Cow::Owned(value),
            init,
        })
    }

    /// The arguments as the payload of another call, without init parameters.
    ///
    /// # Errors
    /// They are not JSON, which nothing makes them.
    pub(super) fn into_payload(self) -> serde_json::Result<Box<RawValue>> {
        RawValue::from_string(self.value.into_owned())
    }
}

impl From<Arguments<'_>> for Box<RawValue> {
    /// The argument, without what goes to the environment.
    fn from(arguments: Arguments<'_>) -> Self {
        RawValue::from_string(arguments.value.into_owned()).expect("merged objects are valid JSON")
    }
}

/// An environment variable's text of a JSON value: strings as they are, null empty, the rest as
/// compact JSON (reference section 7.2).
fn environment_text(value: &RawValue) -> String {
    match serde_json::from_str(value.get()) {
        Ok(serde_json::Value::String(text)) => text,
        Ok(serde_json::Value::Null) => String::new(),
        // `to_string` is compact; numbers and booleans are themselves.
        Ok(other) => other.to_string(),
        Err(_) => value.get().to_string(),
    }
}

/// What one run is about, for both bodies.
pub(super) struct Run<'a> {
    /// The action.
    pub(super) action: &'a Action,
    /// Who invokes it.
    pub(super) identity: &'a Identity,
    /// Id of the activation.
    pub(super) id: ActivationId,
    /// Transaction id of the request.
    pub(super) transaction_id: &'a str,
    /// The arguments.
    pub(super) arguments: &'a Arguments<'a>,
}

impl Run<'_> {
    /// `/ns/[package/]name` of the action.
    fn action_name(&self) -> String {
        let action = self.action;
        ["", &action.namespace, &action.name].join("/")
    }

    /// `uuid:key` of the invoker, if the action may have it.
    fn api_key(&self) -> Option<String> {
        let key = || format!("{}:{}", self.identity.uuid, self.identity.key.expose());
        self.action.provides_api_key().then(key)
    }

    /// The body of `/init` with the action's code. `deadline` is in milliseconds since 1970.
    pub(super) fn init_body(&self, code: Option<&str>, deadline: u64) -> String {
        #[derive(Serialize)]
        struct Value<'a> {
            name: &'a str,
            main: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            code: Option<&'a str>,
            binary: bool,
            env: serde_json::Map<String, serde_json::Value>,
        }
        #[derive(Serialize)]
        struct Init<'a> {
            value: Value<'a>,
        }

        let mut env = serde_json::Map::new();
        let mut set = |name: &str, value: String| {
            env.insert(name.to_string(), serde_json::Value::String(value));
        };
        for (name, value) in &self.arguments.init {
            set(name, value.clone());
        }
        set("__OW_NAMESPACE", self.identity.namespace.clone());
        set("__OW_ACTION_NAME", self.action_name());
        set("__OW_ACTION_VERSION", self.action.version.to_string());
        set("__OW_ACTIVATION_ID", self.id.to_string());
        set("__OW_TRANSACTION_ID", self.transaction_id.to_string());
        set("__OW_DEADLINE", deadline.to_string());
        if let Some(key) = self.api_key() {
            set("__OW_API_KEY", key);
        }
        let exec = &self.action.exec;
        let value = Value {
            name: &self.action.name,
            main: exec.main().unwrap_or("main"),
            code,
            binary: exec.binary(),
            env,
        };
        serde_json::to_string(&Init { value }).expect("texts are always valid JSON")
    }

    /// The body of `/run`. `deadline` is in milliseconds since 1970.
    pub(super) fn run_body(&self, deadline: u64) -> String {
        let value = &self.arguments.value;
        let mut body = String::with_capacity(value.len() + 512);
        body.push_str("{\"value\":");
        body.push_str(value);
        let mut member = |name: &str, text: &str| {
            body.push_str(",\"");
            body.push_str(name);
            body.push_str("\":");
            push_string(&mut body, text);
        };
        member("namespace", &self.identity.namespace);
        member("action_name", &self.action_name());
        member("action_version", &self.action.version.to_string());
        member("activation_id", &self.id.to_string());
        member("transaction_id", self.transaction_id);
        member("deadline", &deadline.to_string());
        if let Some(key) = self.api_key() {
            member("api_key", &key);
        }
        body.push('}');
        body
    }
}

#[cfg(test)]
#[path = "arguments_tests.rs"]
mod tests;
