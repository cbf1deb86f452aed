//! What only shows when packages, rules and sequences are there together (reference sections 3.5,
//! 3.6.3 and 5.2).

use serde_json::{Value, json};

use crate::client::Client;
use crate::daemon::{Daemon, Setup};

/// A daemon with the package `p`, its binding `b`, the action `p/echo` and the trigger `t`.
fn daemon() -> (Daemon, Client) {
    let owl = Setup::new().env("OWL_FIRES_PER_MINUTE", "1000").start();
    let client = owl.client();
    let own = json!([{"key": "from", "value": "binding"}]);
    let binding = json!({"binding": {"namespace": "_", "name": "p"}, "parameters": own});
    for (path, body) in [
        ("packages/p", json!({})),
        ("packages/b", binding),
        ("triggers/t", json!({})),
    ] {
        put(&client, path, &body);
    }
    client.action(
        "p/echo",
        "quickjs:1",
        "function main({ __ow_headers, ...rest }) { return rest }",
        json!({}),
    );
    (owl, client)
}

fn put(client: &Client, path: &str, body: &Value) {
    let answer = client.put(path, body);
    assert_eq!(answer.status, 200, "{path}: {answer}");
}

fn rule(client: &Client, name: &str, action: &str) {
    let body = json!({"trigger": "/_/t", "action": action});
    put(client, &format!("rules/{name}"), &body);
}

/// Fires the trigger: what its record says of each rule, by the rule's name.
fn fire(client: &Client, payload: &Value) -> impl Fn(&str) -> Value + use<> {
    let answer = client.post("triggers/t", payload);
    assert_eq!(answer.status, 202, "{answer}");
    let id = answer.json()["activationId"].clone();
    let record = client.activation(id.as_str().expect("an id"));
    let logs = record["logs"].as_array().expect("logs").clone();
    let outcomes: Vec<Value> = logs
        .iter()
        .map(|entry| serde_json::from_str(entry.as_str().expect("a text")).expect("JSON"))
        .collect();
    move |name| {
        let rule = format!("guest/{name}");
        let outcome = outcomes.iter().find(|outcome| outcome["rule"] == rule);
        outcome.expect("an outcome of the rule").clone()
    }
}

/// The record of the activation that an outcome names.
fn fired(client: &Client, outcome: &Value) -> Value {
    assert_eq!(outcome["success"], true, "{outcome}");
    client.activation(outcome["activationId"].as_str().expect("an id"))
}

#[test]
fn rules_run_sequences() {
    // 11.9-234
    let (_owl, client) = daemon();
    let exec = json!({"kind": "sequence", "components": ["/_/b/echo", "/_/p/echo"]});
    put(&client, "actions/both", &json!({ "exec": exec }));
    rule(&client, "chained", "/_/both");
    let outcome = fire(&client, &json!({"n": 1}));
    let record = fired(&client, &outcome("chained"));
    assert_eq!(
        record["response"]["result"],
        json!({"from": "binding", "n": 1})
    );
    assert_eq!(record["logs"].as_array().expect("components").len(), 2);
    let topmost = json!({"key": "topmost", "value": true});
    assert!(
        record["annotations"]
            .as_array()
            .expect("annotations")
            .contains(&topmost)
    );
}

#[test]
fn a_restart_keeps_all_of_them() {
    let store = tempfile::tempdir().expect("a folder");
    let start = || Setup::new().data_dir(store.path()).start();
    let owl = start();
    let client = owl.client();
    for (path, body) in [
        ("packages/p", json!({"publish": true})),
        ("triggers/t", json!({})),
    ] {
        put(&client, path, &body);
    }
    client.action(
        "p/a",
        "quickjs:1",
        "function main(a) { return a }",
        json!({}),
    );
    let exec = json!({"kind": "sequence", "components": ["/_/p/a"]});
    put(&client, "actions/s", &json!({ "exec": exec }));
    rule(&client, "r", "/_/s");
    let paths = [
        "packages/p",
        "actions/p/a",
        "actions/s",
        "triggers/t",
        "rules/r",
    ];
    let all = |client: &Client| paths.map(|path| client.get(path).json());
    let before = all(&client);
    let (status, log) = owl.terminate();
    assert!(status.success(), "{log}");
    let owl = start();
    assert_eq!(all(&owl.client()), before);
    let outcome = fire(&owl.client(), &json!({"after": true}));
    let record = fired(&owl.client(), &outcome("r"));
    assert_eq!(record["response"]["result"]["after"], true);
}
