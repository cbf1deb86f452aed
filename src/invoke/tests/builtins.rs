//! Built-in actions run like any other, without a sandbox.

use serde_json::{Value, json};

use super::play::{annotation, named, names, package, parameters, play};
use super::*;

impl Bench {
    /// Calls a built-in action as guest.
    fn call_built_in(&self, name: &str, payload: &Value, wait: Option<Duration>) -> Call {
        self.call_path(&format!("whisk.system/{name}"), payload, wait)
    }
}

#[test]
fn a_record_like_any_other() {
    let bench = Bench::new(play);
    let call = bench.call_built_in("samples/helloWorld", &json!({"payload": "me"}), WAIT);
    let answered = bench.finished(call);
    let record = bench.record(answered.id);
    assert_eq!(record["response"]["status"], "success");
    assert_eq!(record["namespace"], "guest");
    assert_eq!(
        annotation(&record, "path"),
        "whisk.system/samples/helloWorld"
    );
    assert!(annotation(&record, "waitTime").is_u64());
    assert_eq!(annotation(&record, "timeout"), &json!(false));
    assert_eq!(annotation(&record, "initTime"), &Value::Null);
    let logs = record["logs"].as_array().unwrap();
    assert_eq!(logs.len(), 1, "{record}");
    assert!(logs[0].as_str().unwrap().contains(" stdout: "), "{record}");
    assert_eq!(bench.engine.started.load(Ordering::SeqCst), 0);
    assert_eq!(bench.invoker.in_flight("guest"), 0);
}

#[test]
fn non_blocking_and_after_a_restart() {
    let bench = Bench::new(play);
    let call = bench.call_built_in("utils/echo", &json!({"n": 1}), None);
    let again = ActivationId::random();
    let document = pending::invocation(&call, None);
    bench.run(bench.store.accept(again, document)).unwrap();
    let Ok(Outcome::Accepted(id)) = bench.run(bench.invoker.invoke(call)) else {
        panic!("it does not block");
    };
    assert_eq!(bench.record(id)["response"]["result"], json!({"n": 1}));
    let recovered = bench.run(bench.invoker.recover()).unwrap();
    assert_eq!(recovered, Recovered { run: 1, closed: 0 });
    assert_eq!(bench.record(again)["response"]["result"], json!({"n": 1}));
}

#[test]
fn in_sequences_and_compositions_and_through_bindings() {
    let bench = Bench::new(play);
    bench.action("increment");
    let catalog = &bench.invoker.inner.catalog;
    let mut bound = parameters(&json!({"m": 5}));
    bound.0[0].init = true;
    let mut binding = package("guest/b", Some("whisk.system/utils"), &json!({}));
    binding.parameters = bound;
    bench.run(catalog.create(binding)).unwrap();
    bench.sequence(
        "s",
        &["whisk.system/utils/echo", "guest/increment", "guest/b/echo"],
    );
    let record = bench.record_of("s", &json!({"n": 1}));
    assert_eq!(record["response"]["result"], json!({"n": 2.0, "m": 5}));
    let children = bench.children(&record);
    assert_eq!(names(&children), ["echo", "increment", "echo"]);
    assert_eq!(annotation(&children[0], "causedBy"), "sequence");
    assert_eq!(annotation(&children[2], "binding"), "guest/b");

    bench.put(Action {
        annotations: parameters(&json!({"conductor": true})),
        ..named("conductor")
    });
    let step = json!({"action": "/whisk.system/utils/echo", "params": {"a": 1}});
    let plan = json!({"plan": [step, "input"]});
    let record = bench.record_of("conductor", &plan);
    assert_eq!(record["response"]["result"]["a"], 1);
}

#[test]
fn a_result_that_is_too_large() {
    let bench = Bench::with(play, |settings| settings.max_response = 20);
    let payload = json!({"long": "0123456789 0123456789"});
    let call = bench.call_built_in("utils/echo", &payload, WAIT);
    let activation = bench.finished(call);
    assert_eq!(activation.response.status, Status::ApplicationError);
    let text = activation.response.result.as_ref().unwrap().get();
    let error = "exceeded the allowed length: 32 > 20 bytes. The truncated response was:";
    assert!(text.contains(error), "{text}");
}
