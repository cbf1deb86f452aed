//! Sequences and compositions with the real daemon: waits, stops and crashes.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::{Answer, Client};
use crate::daemon::Setup;

const INCREMENT: &str = "const main = a => ({...a, n: a.n + 1})";
const SLOW: &str = "function main(a) {
  return new Promise(resolve => setTimeout(() => resolve(a), a.milliseconds))
}";
/// Calls what `steps` names, one after another.
const CONDUCTOR: &str = "function main(a) {
  const {steps, ...rest} = a
  const [action, ...state] = steps
  return action ? {action, params: rest, state: {steps: state}} : {params: rest}
}";

/// Makes the actions of these tests.
fn prepare(client: &Client) {
    client.action("increment", "quickjs:1", INCREMENT, json!({}));
    client.action("slow", "quickjs:1", SLOW, json!({}));
    let conductor = json!({
        "exec": {"kind": "quickjs:1", "code": CONDUCTOR},
        "annotations": [{"key": "conductor", "value": true}],
    });
    let answer = client.put("actions/conductor", &conductor);
    assert_eq!(answer.status, 200, "{answer}");
}

fn sequence(client: &Client, name: &str, components: &[&str]) -> Answer {
    let components: Vec<String> = components.iter().map(|name| format!("/_/{name}")).collect();
    let body = json!({"exec": {"kind": "sequence", "components": components}});
    let answer = client.put(&format!("actions/{name}?overwrite=true"), &body);
    assert_eq!(answer.status, 200, "{answer}");
    answer
}

fn annotation<'a>(record: &'a Value, key: &str) -> &'a Value {
    let all = record["annotations"].as_array().expect("annotations");
    let found = all.iter().find(|annotation| annotation["key"] == key);
    found.map_or(&Value::Null, |annotation| &annotation["value"])
}

/// The records of what ran directly in a sequence or composition.
fn children(client: &Client, record: &Value) -> Vec<Value> {
    let logs = record["logs"].as_array().expect("ids");
    logs.iter()
        .map(|id| client.activation(id.as_str().expect("an id")))
        .collect()
}

fn names(records: &[Value]) -> Vec<&str> {
    records
        .iter()
        .map(|record| record["name"].as_str().expect("a name"))
        .collect()
}

/// Waits until some activations of an action have ended.
fn wait_for(client: &Client, name: &str, count: usize) -> Vec<Value> {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let listed = client.get(&format!("activations?docs=true&name={name}"));
        let listed = listed.json().as_array().expect("a list").clone();
        if listed.len() >= count {
            return listed;
        }
        assert!(Instant::now() < deadline, "{count} of {name}: {listed:?}");
        thread::sleep(Duration::from_millis(50));
    }
}

fn expect_closed(record: &Value) {
    let response = &record["response"];
    assert_eq!(response["status"], "whisk internal error", "{record}");
    let error = response["result"]["error"].as_str().expect("a reason");
    assert!(
        error.contains("stopped while this activation was running"),
        "{error}"
    );
}

#[test]
fn a_sequence_and_its_records() {
    // 11.9-223, 11.9-224, 11.9-225, 11.9-226
    let owl = Setup::new().start();
    let client = owl.client();
    prepare(&client);
    sequence(&client, "inner", &["increment", "increment"]);
    sequence(&client, "outer", &["inner", "increment"]);
    let answer = client.invoke("outer", &json!({"n": 1}));
    assert_eq!(answer.expect_success(), json!({"n": 4}));
    let record = client.activation(answer.json()["activationId"].as_str().expect("an id"));
    assert_eq!(record, answer.json());
    assert_eq!(annotation(&record, "topmost"), true);
    let inside = children(&client, &record);
    assert_eq!(names(&inside), ["inner", "increment"]);
    assert_eq!(annotation(&inside[0], "topmost"), false);
    let innermost = children(&client, &inside[0]);
    assert_eq!(innermost[0]["cause"], inside[0]["activationId"]);
    assert_eq!(annotation(&innermost[0], "causedBy"), "sequence");
    let durations = inside.iter().map(|child| child["duration"].as_u64());
    let sum: Option<u64> = durations.sum();
    assert_eq!(record["duration"].as_u64(), sum);
}

#[test]
fn a_component_that_does_not_get_ready_in_time() {
    // 11.9-229
    let owl = Setup::new().start();
    let client = owl.client();
    prepare(&client);
    let code = "while (true) {}";
    client.action("endless", "quickjs:1", code, json!({"timeout": 200}));
    sequence(&client, "s", &["increment", "endless", "increment"]);
    let record = client.invoke("s", &json!({"n": 1})).expect_failure(
        502,
        "action developer error",
        &json!("The action exceeded its time limits of 200 milliseconds during initialization."),
    );
    assert_eq!(names(&children(&client, &record)), ["increment", "endless"]);
}

#[test]
fn a_component_that_is_deleted_meanwhile() {
    // 11.9-230
    let owl = Setup::new().start();
    let client = owl.client();
    prepare(&client);
    client.action("gone", "quickjs:1", INCREMENT, json!({}));
    sequence(&client, "s", &["slow", "gone"]);
    let id = client.fire("s", &json!({"milliseconds": 1000}));
    assert_eq!(client.delete("actions/gone").status, 200);
    let record = client.activation(&id);
    assert_eq!(record["response"]["status"], "application error");
    let error = &record["response"]["result"]["error"];
    assert_eq!(error, "Sequence component does not exist.");
    assert_eq!(names(&children(&client, &record)), ["slow"]);
}

#[test]
fn a_caller_who_waits_for_less_than_the_whole_sequence() {
    // 11.9-235
    let owl = Setup::new().start();
    let client = owl.client();
    prepare(&client);
    sequence(&client, "s", &["slow", "slow"]);
    let answer = client.post(
        "actions/s?blocking=true&timeout=300",
        &json!({"milliseconds": 500}),
    );
    assert_eq!(answer.status, 202, "{answer}");
    let id = answer.json()["activationId"]
        .as_str()
        .expect("an id")
        .to_string();
    assert_eq!(
        answer.header("x-openwhisk-activation-id"),
        Some(id.as_str())
    );
    let record = client.activation(&id);
    assert_eq!(record["response"]["status"], "success");
    assert_eq!(names(&children(&client, &record)), ["slow", "slow"]);
}

#[test]
fn what_runs_inside_is_closed_with_what_it_runs_in_when_the_power_goes() {
    let store = tempfile::tempdir().expect("a folder");
    let owl = Setup::new().data_dir(store.path()).start();
    let client = owl.client();
    prepare(&client);
    sequence(&client, "inner", &["increment", "slow"]);
    sequence(&client, "outer", &["increment", "inner", "increment"]);
    let arguments = json!({"n": 1, "milliseconds": 60_000, "steps": ["outer"]});
    // Nobody waits for one, somebody waits for another, and the third is a composition.
    let fired = client.fire("outer", &arguments);
    let conducted = client.fire("conductor", &arguments);
    let waiting = thread::spawn({
        let client = owl.client();
        // There will be no answer.
        let arguments = json!({"n": 5, "milliseconds": 60_000});
        move || client.invoke("outer", &arguments).status
    });
    wait_for(&client, "increment", 6);
    thread::sleep(Duration::from_millis(300));
    owl.kill();
    assert!(waiting.join().is_err(), "the connection was cut");

    let owl = Setup::new().data_dir(store.path()).start();
    let client = owl.client();
    let outer = wait_for(&client, "outer", 3);
    assert_eq!(outer.len(), 3);
    for outer in &outer {
        expect_closed(outer);
        assert_eq!(annotation(outer, "kind"), "sequence");
        let inside = children(&client, outer);
        assert_eq!(names(&inside), ["increment", "inner"]);
        assert_eq!(inside[0]["response"]["status"], "success");
        expect_closed(&inside[1]);
        assert_eq!(inside[1]["cause"], outer["activationId"]);
        let innermost = children(&client, &inside[1]);
        assert_eq!(names(&innermost), ["increment", "slow"]);
        expect_closed(&innermost[1]);
    }
    let record = client.activation(&fired);
    assert_eq!(annotation(&record, "topmost"), true);
    let record = client.activation(&conducted);
    expect_closed(&record);
    assert_eq!(annotation(&record, "conductor"), true);
    let inside = children(&client, &record);
    assert_eq!(names(&inside), ["conductor", "outer"]);
    assert_eq!(annotation(&inside[1], "topmost"), false);
    client.expect_alive();
}

#[test]
fn a_stop_lets_a_sequence_end_that_ends_in_time() {
    let store = tempfile::tempdir().expect("a folder");
    let owl = Setup::new().data_dir(store.path()).start();
    let client = owl.client();
    prepare(&client);
    sequence(&client, "s", &["slow", "slow"]);
    let id = client.fire("s", &json!({"milliseconds": 700}));
    thread::sleep(Duration::from_millis(300));
    let (status, log) = owl.terminate();
    assert_eq!(status.code(), Some(0), "{log}");

    let owl = Setup::new().data_dir(store.path()).start();
    let client = owl.client();
    let record = client.get(&format!("activations/{id}"));
    assert_eq!(record.status, 200, "stored before the end: {record}");
    let record = record.json();
    assert_eq!(record["response"]["status"], "success", "{record}");
    assert_eq!(names(&children(&client, &record)), ["slow", "slow"]);
}

#[test]
fn a_stop_does_not_wait_for_a_sequence_that_takes_longer() {
    let store = tempfile::tempdir().expect("a folder");
    let owl = Setup::new()
        .env("OWL_DRAIN_TIMEOUT", "1")
        .data_dir(store.path())
        .start();
    let client = owl.client();
    prepare(&client);
    sequence(&client, "s", &["slow", "increment"]);
    let id = client.fire("s", &json!({"milliseconds": 60_000, "n": 1}));
    thread::sleep(Duration::from_millis(300));
    let (_, log) = owl.terminate();
    let owl = Setup::new().data_dir(store.path()).start();
    let client = owl.client();
    let record = client.activation(&id);
    assert_eq!(record["response"]["success"], false, "{record} {log}");
    let inside = children(&client, &record);
    assert_eq!(names(&inside), ["slow"], "nothing runs after it");
    assert_eq!(inside[0]["response"]["success"], false, "{log}");
}
