//! What the tests of sequences and compositions share: actions that play their parts.

use serde_json::{Value, json};

use super::*;
use crate::entity::{Binding, FullName, Package, Parameter};

/// What the actions of these tests do, by their name.
pub(super) fn play(body: &str) -> (u16, String, Duration) {
    let body: Value = serde_json::from_str(body).unwrap();
    let value = &body["value"];
    let name = body["action_name"].as_str().unwrap();
    let name = name.rsplit('/').next().unwrap();
    let mut pause = Duration::ZERO;
    let answer = match name {
        "increment" => {
            let mut more = value.clone();
            more["n"] = json!(value["n"].as_f64().unwrap() + 1.0);
            more
        }
        "list" => json!([1, value["n"]]),
        "wrap" => json!({"wrapped": value}),
        "fail" => json!({"error": "broken"}),
        "forever" => json!({"action": "f"}),
        name if name.starts_with("conductor") => conduct(value),
        "slow" => {
            pause = Duration::from_millis(value["sleep"].as_u64().unwrap_or(300));
            value.clone()
        }
        _ => value.clone(),
    };
    (200, answer.to_string(), pause)
}

/// A conductor that says what is in its input: the first of `plan`, with the rest as state. The
/// text `input` makes it end with all that it was given, as does an empty plan if that is no error.
fn conduct(value: &Value) -> Value {
    let mut plan = value["plan"].as_array().cloned().unwrap_or_default();
    if plan.is_empty() && value.get("error").is_some() {
        return json!({"error": value["error"]});
    }
    if plan.is_empty() || plan[0] == "input" {
        return json!({"params": value});
    }
    let mut wish = plan.remove(0);
    if wish.get("state").is_none() && wish.get("action").is_some() {
        wish["state"] = json!({"plan": plan});
    }
    wish
}

impl Bench {
    /// Makes an action that [`play`] knows.
    pub(super) fn action(&self, path: &str) -> Action {
        self.put(named(path))
    }

    /// Makes an action that takes as long as it is told.
    pub(super) fn slow(&self) {
        let mut slow = named("slow");
        slow.limits.timeout = 60_000;
        self.put(slow);
    }

    /// Waits until the store knows that an action runs inside another.
    pub(super) async fn noted(&self, path: &str) {
        let noted = || {
            let pending = self.store.pending().unwrap();
            let mut documents = pending
                .iter()
                .map(|(.., text)| String::from_utf8_lossy(text));
            documents.any(|text| text.contains(&format!(r#""action":"{path}""#)))
        };
        while !noted() {
            Timer::after(Duration::from_millis(5)).await;
        }
    }

    /// [`Bench::noted`], and that the records of those are stored that ran before it: so many have
    /// none then. They wait for their logs, which may come later than what follows them begins.
    pub(super) async fn noted_alone(&self, path: &str, pending: usize) {
        self.noted(path).await;
        while self.store.pending().unwrap().len() > pending {
            Timer::after(Duration::from_millis(5)).await;
        }
    }

    /// Makes a sequence of actions, which need not be there.
    pub(super) fn sequence(&self, path: &str, components: &[&str]) -> Action {
        self.put(sequence(path, components))
    }

    pub(super) fn put(&self, action: Action) -> Action {
        let code = crate::store::CodeChange::Set(b"code".to_vec());
        let catalog = &self.invoker.inner.catalog;
        self.run(catalog.create_action(action, code)).unwrap()
    }

    /// Calls an action of guest as guest, by `name` or `package/name`.
    pub(super) fn call_of(&self, name: &str, payload: &Value, wait: Option<Duration>) -> Call {
        self.call_path(&format!("guest/{name}"), payload, wait)
    }

    /// Calls any action as guest, by `ns/[package/]name`.
    pub(super) fn call_path(&self, path: &str, payload: &Value, wait: Option<Duration>) -> Call {
        let identity = self.store.key_of_namespace("guest").unwrap().unwrap();
        let name: FullName = path.parse().unwrap();
        let catalog = &self.invoker.inner.catalog;
        let resolved = catalog.resolve_name(&identity, &name).unwrap();
        let payload = RawValue::from_string(payload.to_string()).unwrap();
        Call::new(identity, resolved, Some(payload), "tid".into(), wait)
    }

    /// Invokes an action of guest and waits for its record.
    pub(super) fn record_of(&self, name: &str, payload: &Value) -> Value {
        let answered = self.finished(self.call_of(name, payload, WAIT));
        let record = self.record(answered.id);
        let answered: Value = serde_json::from_slice(&answered.full_record()).unwrap();
        if annotation(&record, "kind") == "sequence" {
            assert_eq!(answered, record, "the answer is the record");
        }
        record
    }

    /// The records of the direct children of a sequence or composition, in order.
    pub(super) fn children(&self, record: &Value) -> Vec<Value> {
        let logs = record["logs"].as_array().unwrap();
        logs.iter()
            .map(|id| self.record(id.as_str().unwrap().parse().unwrap()))
            .collect()
    }
}

pub(super) fn named(path: &str) -> Action {
    let (namespace, name) = path.rsplit_once('/').unwrap_or(("guest", path));
    Action {
        namespace: namespace.into(),
        ..action(name)
    }
}

pub(super) fn sequence(path: &str, components: &[&str]) -> Action {
    let components = components
        .iter()
        .map(|name| name.parse().unwrap())
        .collect();
    Action {
        exec: Exec::Sequence { components },
        parameters: parameters(&json!({"_actions": ["/guest/increment"]})),
        ..named(path)
    }
}

pub(super) fn parameters(values: &Value) -> Parameters {
    let values = values.as_object().unwrap().iter();
    let values = values.map(|(key, value)| Parameter {
        key: key.clone(),
        value: RawValue::from_string(value.to_string()).unwrap(),
        init: false,
    });
    Parameters(values.collect())
}

pub(super) fn annotation<'a>(record: &'a Value, key: &str) -> &'a Value {
    let all = record["annotations"].as_array().unwrap();
    let found = all.iter().find(|annotation| annotation["key"] == key);
    found.map_or(&Value::Null, |annotation| &annotation["value"])
}

/// The names of some records.
pub(super) fn names(records: &[Value]) -> Vec<&str> {
    let names = records
        .iter()
        .map(|record| record["name"].as_str().unwrap());
    names.collect()
}

pub(super) fn package(path: &str, binding: Option<&str>, values: &Value) -> Package {
    let (namespace, name) = path.split_once('/').unwrap();
    let binding = binding.map(|path| {
        let (namespace, name) = path.split_once('/').unwrap();
        Binding {
            namespace: namespace.into(),
            name: name.into(),
        }
    });
    Package {
        namespace: namespace.into(),
        name: name.into(),
        binding,
        parameters: parameters(values),
        version: "0.0.1".into(),
        publish: false,
        annotations: Parameters::default(),
        updated: 1,
        revision: 0,
    }
}
