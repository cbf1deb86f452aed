//! Checklist 11.9: sequences at run time.

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

    /// Makes a sequence of actions, which need not be there.
    pub(super) fn sequence(&self, path: &str, components: &[&str]) -> Action {
        self.put(sequence(path, components))
    }

    pub(super) fn put(&self, action: Action) -> Action {
        let code = crate::store::CodeChange::Set(b"code".to_vec());
        let catalog = &self.invoker.inner.catalog;
        self.run(catalog.create_action(action, code)).unwrap()
    }

    /// Calls an action of guest, by `name` or `package/name`.
    pub(super) fn call_of(&self, name: &str, payload: &Value, wait: Option<Duration>) -> Call {
        let identity = self.store.key_of_namespace("guest").unwrap().unwrap();
        let name: FullName = format!("guest/{name}").parse().unwrap();
        let catalog = &self.invoker.inner.catalog;
        let resolved = catalog.resolve_name(&identity, &name).unwrap();
        let payload = RawValue::from_string(payload.to_string()).unwrap();
        Call::new(
            Arc::new(identity),
            resolved,
            Some(payload),
            "tid".into(),
            wait,
        )
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

#[test]
fn each_component_gets_the_result_of_the_one_before() {
    // 11.9-223, 11.9-224, 11.9-225
    let bench = Bench::new(play);
    let mut large = named("increment");
    large.limits.memory = 512;
    bench.put(large);
    bench.action("wrap");
    bench.sequence("s", &["guest/increment", "guest/increment", "guest/wrap"]);
    let record = bench.record_of("s", &json!({"n": 1}));
    assert_eq!(record["response"]["status"], "success");
    assert_eq!(record["response"]["result"], json!({"wrapped": {"n": 3.0}}));
    assert_eq!(record["cause"], Value::Null);
    for (key, value) in [
        ("kind", json!("sequence")),
        ("topmost", json!(true)),
        ("path", json!("guest/s")),
        ("causedBy", Value::Null),
        ("initTime", Value::Null),
        ("timeout", Value::Null),
        ("conductor", Value::Null),
        (
            "limits",
            json!({"timeout": 1000, "memory": 512, "logs": 10, "concurrency": 1}),
        ),
    ] {
        assert_eq!(annotation(&record, key), &value, "{key}: {record}");
    }
    assert!(annotation(&record, "waitTime").is_u64(), "{record}");

    let children = bench.children(&record);
    assert_eq!(names(&children), ["increment", "increment", "wrap"]);
    let sum = |record: &Value| record["duration"].as_u64().unwrap();
    assert_eq!(sum(&record), children.iter().map(sum).sum::<u64>());
    for child in &children {
        assert_eq!(child["cause"], record["activationId"]);
        assert_eq!(annotation(child, "causedBy"), "sequence");
        assert_eq!(annotation(child, "topmost"), &Value::Null);
        assert_eq!(
            child["logs"].as_array().unwrap().len(),
            1,
            "its own: {child}"
        );
    }
    assert!(bench.store.pending().unwrap().is_empty());
}

#[test]
fn nested() {
    // 11.9-226
    let bench = Bench::new(play);
    bench.action("increment");
    bench.sequence("x", &["guest/increment"]);
    bench.sequence("s", &["guest/increment", "guest/x", "guest/increment"]);
    let outer = bench.record_of("s", &json!({"n": 0}));
    assert_eq!(outer["response"]["result"]["n"], 3.0);
    let children = bench.children(&outer);
    assert_eq!(names(&children), ["increment", "x", "increment"]);
    let inner = &children[1];
    assert_eq!(inner["cause"], outer["activationId"]);
    assert_eq!(annotation(inner, "topmost"), &json!(false));
    assert_eq!(annotation(inner, "causedBy"), "sequence");
    let innermost = bench.children(inner);
    assert_eq!(names(&innermost), ["increment"]);
    assert_eq!(innermost[0]["cause"], inner["activationId"]);
}

#[test]
fn an_error_stops_it() {
    // 11.9-227
    let bench = Bench::new(play);
    for name in ["increment", "fail"] {
        bench.action(name);
    }
    bench.sequence("x", &["guest/fail", "guest/increment"]);
    bench.sequence("s", &["guest/increment", "guest/x", "guest/increment"]);
    let record = bench.record_of("s", &json!({"n": 0}));
    assert_eq!(record["response"]["status"], "application error");
    assert_eq!(record["response"]["result"], json!({"error": "broken"}));
    let children = bench.children(&record);
    assert_eq!(names(&children), ["increment", "x"]);
    assert_eq!(names(&bench.children(&children[1])), ["fail"]);
}

#[test]
fn an_error_in_the_payload_does_not() {
    // 11.9-228
    let bench = Bench::new(play);
    bench.action("wrap");
    bench.sequence("s", &["guest/wrap"]);
    let record = bench.record_of("s", &json!({"error": "mine"}));
    assert_eq!(record["response"]["success"], true);
    let result = json!({"wrapped": {"error": "mine"}});
    assert_eq!(record["response"]["result"], result);
}

#[test]
fn a_component_that_takes_too_long() {
    // 11.9-229
    let bench = Bench::new(play);
    bench.action("slow");
    bench.action("increment");
    bench.sequence("s", &["guest/slow", "guest/increment"]);
    // Its result must come before its sequence gives it up.
    let mut call = bench.call_of("s", &json!({"sleep": 1500}), WAIT);
    call.transaction_id = "tid".into();
    let record = bench.finished(call);
    let text = record.response.result.as_ref().unwrap().get();
    assert_eq!(record.response.status, Status::DeveloperError, "{text}");
    assert_eq!(
        text,
        r#"{"error":"The action exceeded its time limits of 1000 milliseconds."}"#
    );
}

#[test]
fn a_component_without_a_result_goes_on_alone() {
    let bench = Bench::with(play, |settings| settings.component_grace = Duration::ZERO);
    let mut quick = named("increment");
    quick.limits.timeout = 100;
    bench.put(quick);
    bench.slow();
    bench.sequence("s", &["guest/increment", "guest/increment"]);
    // The only two places are taken for longer than the component may take.
    bench.run(async {
        for _ in 0..2 {
            let call = bench.call_of("slow", &json!({"sleep": 2000}), None);
            bench.invoker.invoke(call).await.unwrap();
        }
        while bench.engine.started.load(Ordering::SeqCst) < 2 {
            Timer::after(Duration::from_millis(5)).await;
        }
    });
    let record = bench.record_of("s", &json!({"n": 0}));
    let child = record["logs"][0].as_str().unwrap();
    assert_eq!(record["response"]["status"], "whisk internal error");
    assert_eq!(
        record["response"]["result"]["error"],
        format!("Timeout reached when retrieving activation {child} for sequence component.")
    );
    assert_eq!(annotation(&record, "limits"), &Value::Null);
    // Nobody waits for the child any more, but it is not lost.
    let pending = bench.store.pending().unwrap();
    let child: ActivationId = child.parse().unwrap();
    assert!(pending.iter().any(|(id, ..)| *id == child));
    let child = bench.record(child);
    assert_eq!(child["cause"], record["activationId"]);
    assert_eq!(child["response"]["result"]["n"], 1.0);
}

#[test]
fn a_component_that_is_gone() {
    // 11.9-230
    let bench = Bench::new(play);
    bench.action("increment");
    bench.sequence("s", &["guest/increment", "guest/gone", "guest/increment"]);
    bench.sequence("t", &["guest/p/gone"]);
    bench.sequence("u", &["other/gone"]);
    let record = bench.record_of("s", &json!({"n": 0}));
    assert_eq!(names(&bench.children(&record)), ["increment"]);
    for record in [
        record,
        bench.record_of("t", &json!({})),
        bench.record_of("u", &json!({})),
    ] {
        assert_eq!(record["response"]["status"], "application error");
        assert_eq!(
            record["response"]["result"]["error"],
            "Sequence component does not exist."
        );
    }
}

#[test]
fn an_inner_sequence_that_has_grown() {
    // 11.9-231: the limit of these tests is 4.
    let bench = Bench::new(play);
    bench.action("echo");
    let x = bench.sequence("x", &["guest/echo"]);
    bench.sequence("s", &["guest/echo", "guest/x", "guest/echo"]);
    let record = bench.record_of("s", &json!({}));
    assert_eq!(record["response"]["status"], "success");

    let exec = sequence("x", &["guest/echo"; 4]).exec;
    let catalog = &bench.invoker.inner.catalog;
    let grown = Action { exec, ..x };
    let written = catalog.update_action(grown, crate::store::CodeChange::Keep);
    bench.run(written).unwrap();
    let record = bench.record_of("s", &json!({}));
    let children = bench.children(&record);
    assert_eq!(names(&children), ["echo", "x"]);
    assert_eq!(names(&bench.children(&children[1])), ["echo"; 3]);
    for record in [&record, &children[1]] {
        assert_eq!(record["response"]["status"], "application error");
        assert_eq!(
            record["response"]["result"]["error"],
            "Too many actions in the sequence."
        );
    }
}

#[test]
fn a_sequence_that_has_come_to_contain_itself_ends() {
    let bench = Bench::new(play);
    bench.action("echo");
    bench.sequence("s", &["guest/s"]);
    bench.sequence("t", &["guest/echo", "guest/t", "guest/t"]);
    for (name, most) in [("s", within::MOST_NESTED), ("t", 3)] {
        let record = bench.record_of(name, &json!({}));
        assert_eq!(
            record["response"]["result"]["error"],
            "Too many actions in the sequence."
        );
        let mut depth = 0;
        let mut deepest = record;
        loop {
            let mut children = bench.children(&deepest);
            let Some(child) = children.pop_if(|child| child["name"] == name) else {
                break;
            };
            deepest = child;
            depth += 1;
        }
        assert_eq!(depth, most, "{name}");
    }
    assert_eq!(bench.invoker.inner.flights.total(), 0);
}

#[test]
fn parameters_of_packages_and_bindings() {
    // 11.9-232, 11.7-179, 11.7-193
    let bench = Bench::new(play);
    let catalog = &bench.invoker.inner.catalog;
    for package in [
        package(
            "guest/p",
            None,
            &json!({"a": "package", "b": "package", "c": "package"}),
        ),
        package(
            "guest/b",
            Some("guest/p"),
            &json!({"b": "binding", "c": "binding"}),
        ),
    ] {
        bench.run(catalog.create(package)).unwrap();
    }
    bench.put(Action {
        parameters: parameters(&json!({"c": "action", "d": "action"})),
        ..named("guest/p/wrap")
    });
    bench.sequence("guest/p/s", &["guest/b/wrap"]);
    bench.action("wrap");
    bench.sequence("guest/p/t", &["guest/wrap"]);

    let record = bench.record_of("p/s", &json!({"d": "payload"}));
    let merged = json!({"a": "package", "b": "binding", "c": "action", "d": "payload"});
    assert_eq!(record["response"]["result"]["wrapped"], merged);
    assert_eq!(annotation(&record, "path"), "guest/p/s");
    let child = &bench.children(&record)[0];
    assert_eq!(annotation(child, "path"), "guest/p/wrap");
    assert_eq!(annotation(child, "binding"), "guest/b");

    // Neither the sequence's own package nor `_actions` reach a component.
    let record = bench.record_of("b/t", &json!({}));
    assert_eq!(record["response"]["result"], json!({"wrapped": {}}));
    assert_eq!(annotation(&record, "binding"), "guest/b");
    assert_eq!(annotation(&record, "path"), "guest/p/t");
}

#[test]
fn an_array_is_the_whole_argument_of_the_next() {
    // 11.9-233
    let bench = Bench::new(play);
    bench.action("list");
    bench.put(Action {
        parameters: parameters(&json!({"default": 1})),
        ..named("wrap")
    });
    bench.sequence("s", &["guest/list", "guest/wrap"]);
    bench.sequence("t", &["guest/list"]);
    let record = bench.record_of("s", &json!({"n": 2}));
    assert_eq!(record["response"]["result"], json!({"wrapped": [1, 2]}));
    let record = bench.record_of("t", &json!({"n": 2}));
    assert_eq!(record["response"]["result"], json!([1, 2]));
}

#[test]
fn only_what_runs_counts_as_in_flight() {
    let bench = Bench::new(play);
    bench.action("slow");
    bench.sequence("x", &["guest/slow"]);
    bench.sequence("s", &["guest/x"]);
    let call = bench.call_of("s", &json!({}), None);
    bench.run(async {
        bench.invoker.invoke(call).await.unwrap();
        while bench.invoker.in_flight("guest") != 1 {
            Timer::after(Duration::from_millis(5)).await;
        }
    });
    assert_eq!(bench.invoker.inner.flights.total(), 3);
    bench.run(bench.invoker.inner.flights.none());
    assert_eq!(bench.invoker.in_flight("guest"), 0);
}

#[test]
fn a_caller_who_stops_waiting_gets_the_id_of_the_sequence() {
    // 11.9-235
    let bench = Bench::new(play);
    bench.action("slow");
    bench.sequence("s", &["guest/slow", "guest/slow"]);
    let call = bench.call_of("s", &json!({"sleep": 500}), Some(Duration::from_millis(20)));
    let Ok(Outcome::Accepted(id)) = bench.run(bench.invoker.invoke(call)) else {
        panic!("it is not finished");
    };
    let pending = bench.store.pending().unwrap();
    assert_eq!(pending.len(), 1, "a component has no document of its own");
    assert_eq!(
        (pending[0].0, pending[0].1),
        (id, crate::store::Progress::Started)
    );
    let record = bench.record(id);
    assert_eq!(record["response"]["status"], "success");
    assert_eq!(record["logs"].as_array().unwrap().len(), 2);
}

#[test]
fn a_stop_lets_it_end() {
    let bench = Bench::new(play);
    bench.action("slow");
    bench.sequence("s", &["guest/slow", "guest/slow"]);
    let call = bench.call_of("s", &json!({"sleep": 100}), None);
    let Ok(Outcome::Accepted(id)) = bench.run(bench.invoker.invoke(call)) else {
        panic!("it does not block");
    };
    bench.run(bench.invoker.drain(Duration::from_secs(10)));
    let stored = bench.store.activation("guest", id).unwrap();
    let (head, tail) = stored.expect("its record is stored before the end");
    let record = crate::entity::record(&head, &tail).unwrap();
    let record: Value = serde_json::from_slice(&record).unwrap();
    assert_eq!(record["response"]["status"], "success", "{record}");
}

#[test]
fn a_restart_closes_what_ran_with_what_ran_in_it() {
    let bench = Bench::new(play);
    bench.action("increment");
    bench.slow();
    bench.sequence("x", &["guest/increment", "guest/slow"]);
    bench.sequence("s", &["guest/increment", "guest/x"]);
    let running = bench.call_of("s", &json!({"n": 0, "sleep": 30_000}), None);
    let waiting = bench.call_of("s", &json!({"n": 0}), None);
    let waited = ActivationId::random();
    let id = bench.run(async {
        let Ok(Outcome::Accepted(id)) = bench.invoker.invoke(running).await else {
            panic!("it does not block");
        };
        let document = pending::invocation(&waiting, None);
        bench.store.accept(waited, document).await.unwrap();
        bench.noted("guest/slow").await;
        id
    });
    drop(waiting);
    let bench = bench.restarted(play);
    let recovered = bench.run(bench.invoker.recover()).unwrap();
    // The sequence, the one in it, and what ran in that.
    assert_eq!(recovered, Recovered { run: 1, closed: 3 });
    let outer = bench.record(id);
    let children = bench.children(&outer);
    assert_eq!(names(&children), ["increment", "x"]);
    assert_eq!(children[0]["response"]["status"], "success");
    let innermost = bench.children(&children[1]);
    assert_eq!(names(&innermost), ["increment", "slow"]);
    assert_eq!(innermost[0]["response"]["status"], "success");
    for closed in [&outer, &children[1], &innermost[1]] {
        assert_eq!(closed["response"]["status"], "whisk internal error");
        let error = closed["response"]["result"]["error"].as_str().unwrap();
        assert!(
            error.contains("stopped while this activation was running"),
            "{error}"
        );
    }
    assert_eq!(annotation(&outer, "kind"), "sequence");
    assert_eq!(annotation(&outer, "topmost"), &json!(true));
    assert_eq!(children[1]["cause"], outer["activationId"]);
    assert_eq!(innermost[1]["cause"], children[1]["activationId"]);
    assert_eq!(outer["duration"], children[0]["duration"]);

    let again = bench.record(waited);
    assert_eq!(again["response"]["status"], "success", "{again}");
    assert_eq!(again["logs"].as_array().unwrap().len(), 2);
    assert!(bench.store.pending().unwrap().is_empty());
}

#[test]
fn an_action_that_was_changed_keeps_what_it_inherits() {
    let bench = Bench::new(play);
    let catalog = bench.invoker.inner.catalog.clone();
    bench
        .run(catalog.create(package("guest/p", None, &json!({"a": 1}))))
        .unwrap();
    let first = bench.action("guest/p/wrap");
    let call = bench.call_of("p/wrap", &json!({}), WAIT);
    let changed = Action {
        version: "0.0.2".into(),
        ..first
    };
    let code = crate::store::CodeChange::Set(b"newer".to_vec());
    bench.run(catalog.update_action(changed, code)).unwrap();
    let activation = bench.finished(call);
    let result = activation.response.result.as_ref().unwrap().get();
    assert_eq!(result, r#"{"wrapped":{"a":1}}"#);
}
