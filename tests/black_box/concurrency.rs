//! Several activations at the same time in one sandbox.

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::client::Client;
use crate::daemon::{Daemon, Setup};
use crate::docker::manifest;

const NODE: &str = "nodejs:node-proxy";

/// Tells which sandbox it runs in and how many have run there at the same time. `want` is how many
/// it waits for, `rest` the milliseconds that it takes then.
const CODE: &str = "
    const instance = Math.random().toString()
    const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))
    let running = 0, most = 0
    async function main ({ name, want = 1, rest = 0, forever }) {
      most = Math.max(most, ++running)
      console.log('here is', name)
      if (forever) await new Promise(() => {})
      while (most < want) await sleep(5)
      await sleep(rest)
      running--
      return { instance, most, env: process.env.__OW_ALLOW_CONCURRENT ?? '' }
    }";

fn start(capacity: &str) -> Daemon {
    Setup::with_docker()
        .env("OWL_RUNTIMES", manifest())
        .env("OWL_HOST_CAPACITY", capacity)
        .env("OWL_ACTION_CONCURRENCY", "4")
        .start()
}

/// What calls give that are made at the same time.
fn at_the_same_time(client: &Client, action: &str, calls: &[Value]) -> Vec<Value> {
    thread::scope(|scope| {
        let calls = calls.iter();
        let calls: Vec<_> = calls
            .map(|arguments| scope.spawn(move || client.invoke(action, arguments).json()))
            .collect();
        let answers = calls
            .into_iter()
            .map(|call| call.join().expect("it is made"));
        answers.collect()
    })
}

fn result(answer: &Value) -> &Value {
    assert_eq!(answer["response"]["status"], "success", "{answer}");
    &answer["response"]["result"]
}

fn instances(answers: &[Value]) -> BTreeSet<&str> {
    let results = answers.iter().map(result);
    let instances = results.map(|result| result["instance"].as_str().expect("a text"));
    instances.collect()
}

fn lines(client: &Client, answer: &Value) -> Vec<String> {
    let record = client.activation(answer["activationId"].as_str().expect("an id"));
    let lines = record["logs"].as_array().expect("a list").iter();
    let lines = lines.map(|line| line.as_str().expect("a text")[31..].to_owned());
    lines.collect()
}

#[test]
fn as_many_as_the_limit_says_run_at_the_same_time_in_one_container() {
    let owl = start("3");
    let client = owl.client();
    let limits = json!({"concurrency": 3});
    client.action("shared", NODE, CODE, limits);
    let alone = client.invoke("shared", &json!({"name": "one"})).json();
    assert_eq!(result(&alone)["env"], "true");
    assert_eq!(lines(&client, &alone), ["stdout: here is one"]);

    // Each ends only when all three are there.
    let three: Vec<Value> = ["a", "b", "c"]
        .map(|name| json!({"name": name, "want": 3}))
        .into();
    let answers = at_the_same_time(&client, "shared", &three);
    let mut all = answers.clone();
    all.push(alone);
    assert_eq!(instances(&all).len(), 1, "{all:?}");
    for (answer, name) in answers.iter().zip(["a", "b", "c"]) {
        let lines = lines(&client, answer);
        let own = format!("stdout: here is {name}");
        assert!(lines.contains(&own), "{lines:?}");
        let last = lines.last().expect("there are some");
        assert!(last.contains("ran in the same container at the same time"));
    }

    // There are never more, however many there are to be run.
    let many = vec![json!({"name": "many", "rest": 300}); 9];
    let answers = at_the_same_time(&client, "shared", &many);
    assert!(instances(&answers).len() > 1);
    for answer in &answers {
        assert!(result(answer)["most"].as_u64() <= Some(3), "{answer}");
    }
    let sent = json!({"exec": {"kind": NODE, "code": CODE}, "limits": {"concurrency": 5}});
    let message = "concurrency 5 exceeds allowed threshold of 4";
    client.put("actions/more", &sent).expect_error(400, message);
}

#[test]
fn a_run_that_takes_too_long_takes_no_other_along() {
    let owl = start("3");
    let client = owl.client();
    let limits = json!({"concurrency": 2, "timeout": 4_000});
    client.action("shared", NODE, CODE, limits);
    let first = client.invoke("shared", &json!({"name": "first"})).json();
    let (late, other) = thread::scope(|scope| {
        let late = scope.spawn(|| client.invoke("shared", &json!({"forever": true})).json());
        // Until long after the other has been given up.
        thread::sleep(Duration::from_secs(2));
        let other = client.invoke("shared", &json!({"name": "other", "rest": 3_500}));
        (late.join().expect("it is made"), other.json())
    });
    let error = late["response"]["result"]["error"].as_str();
    let error = error.expect("an error");
    assert!(error.contains("exceeded its time limits"), "{error}");
    assert_eq!(instances(&[first.clone(), other]).len(), 1);
    let next = client.invoke("shared", &json!({"name": "next"})).json();
    assert_eq!(instances(&[first, next]).len(), 2, "it takes no more");
}

#[test]
fn where_a_runtime_takes_one_at_a_time_so_does_its_sandbox() {
    let owl = start("3");
    let client = owl.client();
    let code = "var runs = 0
        function main() { runs++; const until = Date.now() + 1000
            while (Date.now() < until); return { runs: runs } }";
    // The second image has OWL's own proxy in it, and the manifest says so.
    for kind in ["quickjs:1", "nodejs:20"] {
        let name = kind.replace(':', "-");
        client.action(&name, kind, code, json!({"concurrency": 4}));
        let answers = at_the_same_time(&client, &name, &[json!({}), json!({})]);
        for answer in &answers {
            assert_eq!(*result(answer), json!({"runs": 1}), "{kind}: {answer}");
            let spent = answer["duration"].as_u64().expect("a number");
            assert!(spent < 60_000, "{kind}: {spent}");
        }
    }
}
