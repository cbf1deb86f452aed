//! Triggers, rules and feeds (reference sections 2.4, 2.5, 3.5, 3.6, 11.5 and 11.6).

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use surf::http::Method;

use crate::client::{Answer, Client, GUEST, as_json};
use crate::daemon::Setup;

const ECHO: &str = "function main(a) { return a }";

/// Creates a trigger and rules on it, each with its action.
fn rules(client: &Client, trigger: &str, rules: &[(&str, &str)]) {
    created(client.put(&format!("triggers/{trigger}"), &json!({})));
    for (rule, action) in rules {
        let body = json!({"trigger": format!("/_/{trigger}"), "action": format!("/_/{action}")});
        created(client.put(&format!("rules/{rule}"), &body));
    }
}

fn created(answer: Answer) -> Value {
    assert_eq!(answer.status, 200, "{answer}");
    answer.json()
}

fn set_status(client: &Client, rule: &str, status: &str) {
    let answer = client.post(&format!("rules/{rule}"), &json!({"status": status}));
    assert_eq!((answer.status, &answer.body[..]), (200, &b"OK"[..]));
}

/// Fires a trigger that has an active rule; gives the id of its activation.
fn fire(client: &Client, trigger: &str, payload: &Value) -> String {
    let answer = client.post(&format!("triggers/{trigger}"), payload);
    assert_eq!(answer.status, 202, "{answer}");
    let id = answer.json()["activationId"].as_str().unwrap().to_string();
    assert_eq!(answer.header("x-openwhisk-activation-id"), Some(&*id));
    id
}

/// The entries of the log of a fired trigger.
fn entries(client: &Client, id: &str) -> Vec<Value> {
    let record = client.activation(id);
    let logs = record["logs"].as_array().expect("logs").iter();
    logs.map(|entry| serde_json::from_str(entry.as_str().expect("a text")).expect("JSON"))
        .collect()
}

/// The result of the action that a rule has invoked.
fn result_of(client: &Client, entry: &Value) -> Value {
    assert_eq!(entry["success"], true, "{entry}");
    let id = entry["activationId"].as_str().expect("an id");
    client.activation(id)["response"]["result"].clone()
}

#[test]
fn a_fired_trigger_invokes_the_actions_of_its_rules() {
    let owl = Setup::new().start();
    let client = owl.client();
    client.action("echo", "quickjs:1", ECHO, json!({}));
    rules(&client, "t", &[("on", "echo"), ("off", "echo")]);
    let parameters = json!({"parameters": [{"key": "place", "value": "Rome"},
        {"key": "n", "value": 0}]});
    created(client.put("triggers/t?overwrite=true", &parameters));
    set_status(&client, "off", "inactive");

    let payload = br#"{"n": 1.50, "text": "a \"b\""}"#.to_vec();
    let answer = client.send(
        Method::Post,
        "triggers/t",
        &[("X-Custom", "some")],
        Some(("application/json", payload)),
    );
    // 11.5-133
    assert_eq!(answer.status, 202, "{answer}");
    let id = answer.json()["activationId"].as_str().unwrap().to_string();
    // 11.5-134
    let record = client.activation(&id);
    assert_eq!(record["name"], "t");
    assert_eq!(record["subject"], "guest");
    assert_eq!(record["annotations"], json!([]));
    assert_eq!(
        record["response"],
        json!({"status": "success", "success": true,
            "result": {"n": 1.5, "text": "a \"b\""}})
    );
    assert!(record.get("end").is_none() && record.get("duration").is_none());
    let summary = &client.get("activations?name=t").json()[0];
    assert_eq!(summary["activationId"], *id);
    for absent in ["end", "duration", "statusCode"] {
        assert!(summary.get(absent).is_none(), "{summary}");
    }
    // 11.5-135, 11.5-137
    let entries = entries(&client, &id);
    let [off, on] = entries.as_slice() else {
        panic!("one entry for each rule: {entries:?}");
    };
    assert_eq!(
        off["error"],
        "Rule 'guest/off' is inactive, action 'guest/echo' was not activated."
    );
    assert_eq!(
        (&off["statusCode"], &off["success"]),
        (&json!(1), &json!(false))
    );
    assert_eq!(
        (&on["rule"], &on["action"]),
        (&json!("guest/on"), &json!("guest/echo"))
    );
    // 11.5-138
    let mut result = result_of(&client, on);
    let headers = result["__ow_headers"].take();
    assert_eq!(headers["x-custom"], "some");
    assert!(headers["host"].is_string());
    for kept_back in ["authorization", "content-type", "content-length"] {
        assert!(headers.get(kept_back).is_none(), "{headers}");
    }
    assert_eq!(
        result,
        json!({"place": "Rome", "n": 1.5, "text": "a \"b\"", "__ow_headers": null})
    );
}

#[test]
fn a_trigger_without_an_active_rule_is_no_activation() {
    let owl = Setup::new().start();
    let client = owl.client();
    client.action("echo", "quickjs:1", ECHO, json!({}));
    rules(&client, "t", &[("r", "echo")]);
    set_status(&client, "r", "inactive");
    // 11.5-132
    let answer = client.post("triggers/t", &json!({"n": 1}));
    assert_eq!((answer.status, answer.body.len()), (204, 0));
    assert_eq!(answer.header("x-openwhisk-activation-id"), None);
    assert_eq!(client.delete("rules/r").status, 200);
    // 11.5-131
    assert_eq!(client.post("triggers/t", &json!({})).status, 204);
    assert_eq!(client.get("activations").json(), json!([]));
}

#[test]
fn what_a_rule_could_not_invoke_is_in_the_log() {
    let owl = Setup::new().env("OWL_INVOCATIONS_PER_MINUTE", "1").start();
    let client = owl.client();
    let closed = json!({"exec": {"kind": "quickjs:1", "code": ECHO},
        "parameters": [{"key": "n", "value": 1}],
        "annotations": [{"key": "final", "value": true}]});
    created(client.put("actions/closed", &closed));
    rules(&client, "t", &[("r", "closed")]);
    rules(&client, "u", &[("first", "closed"), ("second", "closed")]);
    let errors = |trigger| {
        let entries = entries(&client, &fire(&client, trigger, &json!({"n": 2})));
        let error = |entry: &Value| {
            assert_eq!(entry["statusCode"], 1, "{entry}");
            assert_eq!(entry["success"], false, "{entry}");
            entry["error"].as_str().expect("a text").to_string()
        };
        entries.iter().map(error).collect::<Vec<String>>()
    };
    assert_eq!(
        errors("t"),
        ["Request defines parameters that are not allowed (e.g., reserved properties)."]
    );
    // The first of these may be the first of another minute of the clock.
    let second = &errors("u")[1];
    assert!(
        second.starts_with("Too many requests in the last minute (count: "),
        "{second}"
    );
}

#[test]
fn a_rule_whose_action_is_gone() {
    let owl = Setup::new().start();
    let client = owl.client();
    client.action("echo", "quickjs:1", ECHO, json!({}));
    rules(&client, "t", &[("r", "echo")]);
    client.delete("actions/echo");
    // 11.5-136
    let entries = entries(&client, &fire(&client, "t", &json!({})));
    assert_eq!(
        entries,
        [
            json!({"rule": "guest/r", "action": "guest/echo", "statusCode": 1, "success": false,
            "error": "The requested resource does not exist."})
        ]
    );
}

#[test]
fn rules_on_packages_bindings_and_sequences() {
    let owl = Setup::new().start();
    let client = owl.client();
    let parameters = |value: &str| json!({"parameters": [{"key": "from", "value": value}]});
    created(client.put("packages/p", &parameters("package")));
    let mut binding = parameters("binding");
    binding["binding"] = json!({"namespace": "_", "name": "p"});
    created(client.put("packages/b", &binding));
    client.action("p/echo", "quickjs:1", ECHO, json!({}));
    let sequence = json!({"exec": {"kind": "sequence", "components": ["/_/p/echo", "/_/p/echo"]}});
    created(client.put("actions/s", &sequence));
    // 11.6-147
    rules(
        &client,
        "t",
        &[
            ("bound", "b/echo"),
            ("packaged", "p/echo"),
            ("sequence", "s"),
        ],
    );
    let shown = client.get("rules/bound").json();
    assert_eq!(shown["action"], json!({"path": "guest/b", "name": "echo"}));
    let entries = entries(&client, &fire(&client, "t", &json!({"n": 1})));
    let from = |at: usize| {
        let result = result_of(&client, &entries[at]);
        assert_eq!(result["n"], 1, "{result}");
        result["from"].clone()
    };
    assert_eq!(entries[0]["action"], "guest/b/echo");
    assert_eq!(
        (from(0), from(1), from(2)),
        (json!("binding"), json!("package"), json!("package"))
    );
    let id = entries[2]["activationId"].as_str().unwrap();
    assert_eq!(client.activation(id)["logs"].as_array().unwrap().len(), 2);
}

#[test]
fn many_clients_make_rules_on_one_trigger() {
    let owl = Setup::new().start();
    let client = owl.client();
    client.action("echo", "quickjs:1", ECHO, json!({}));
    rules(&client, "t", &[]);
    thread::scope(|scope| {
        for i in 0..16 {
            let client = owl.client();
            scope.spawn(move || {
                let body = json!({"trigger": "/_/t", "action": "/_/echo"});
                created(client.put(&format!("rules/r{i}"), &body));
                set_status(&client, &format!("r{i}"), "inactive");
                created(client.put("triggers/t?overwrite=true", &json!({})));
            });
        }
    });
    let trigger = client.get("triggers/t").json();
    assert_eq!(trigger["version"], "0.0.17");
    let rules = trigger["rules"].as_object().expect("rules");
    assert_eq!(rules.len(), 16);
    assert!(rules.values().all(|rule| rule["status"] == "inactive"));
}

/// A feed that takes notes of what it is asked, by answering it.
const FEED: &str = "function main(a) {
  if (!a.cron) throw new Error('cron is missing')
  return { did: a.lifecycleEvent, trigger: a.triggerName, key: a.authKey, cron: a.cron }
}";

#[test]
fn a_feed_as_clients_drive_it() {
    let owl = Setup::new().start();
    let client = owl.client();
    created(client.put("packages/events", &json!({})));
    let feed = json!({"exec": {"kind": "quickjs:1", "code": FEED},
        "annotations": [{"key": "feed", "value": true}]});
    created(client.put("actions/events/clock", &feed));
    assert_eq!(
        client.get("packages/events").json()["feeds"][0]["name"],
        "clock"
    );
    client.action("echo", "quickjs:1", ECHO, json!({}));
    let lifecycle = |event: &str, more: Value| {
        let mut body = json!({"lifecycleEvent": event, "triggerName": "/_/t", "authKey": GUEST});
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        client.post("actions/events/clock?blocking=true&result=false", &body)
    };
    let trigger =
        json!({"name": "t", "annotations": [{"key": "feed", "value": "/_/events/clock"}]});

    // The feed refuses: the client takes the trigger back.
    created(client.put("triggers/t?overwrite=false", &trigger));
    let refused = lifecycle("CREATE", json!({}));
    assert_eq!(refused.status, 502, "{refused}");
    assert_eq!(client.delete("triggers/t").status, 200);

    created(client.put("triggers/t?overwrite=false", &trigger));
    let cron = json!({"cron": "* * * * *"});
    let did = lifecycle("CREATE", cron.clone()).expect_success();
    assert_eq!(did["did"], "CREATE");
    let shown = client.get("triggers/t").json();
    assert_eq!(shown["annotations"][0]["value"], "/_/events/clock");
    assert_eq!(shown["parameters"], json!([]));
    created(client.put("rules/r", &json!({"trigger": "/_/t", "action": "/_/echo"})));
    // What the source of the events does, with what the feed was given.
    let source = owl.client_with(did["key"].as_str());
    let name = did["trigger"].as_str().unwrap().trim_start_matches("/_/");
    let id = fire(&source, name, &json!({"tick": 1}));
    assert_eq!(result_of(&client, &entries(&client, &id)[0])["tick"], 1);

    assert_eq!(lifecycle("DELETE", cron).expect_success()["did"], "DELETE");
    assert_eq!(client.delete("triggers/t").status, 200);
    assert_eq!(client.get("rules/r").json()["status"], "inactive");
}

const SLOW: &str = "function main(a) {
  return new Promise(resolve => setTimeout(() => resolve({}), 500))
}";

#[test]
fn a_power_cut_while_a_trigger_is_fired() {
    const RULES: usize = 40;
    let store = tempfile::tempdir().expect("a folder");
    let setup = || {
        Setup::new()
            .env("OWL_HOST_CAPACITY", "2")
            .data_dir(store.path())
    };
    let owl = setup().start();
    let client = owl.client();
    client.action("slow", "quickjs:1", SLOW, json!({}));
    let names: Vec<String> = (0..RULES).map(|i| format!("r{i}")).collect();
    let all: Vec<(&str, &str)> = names.iter().map(|name| (&**name, "slow")).collect();
    rules(&client, "t", &all);
    let id = fire(&client, "t", &json!({}));
    let (_, body) = as_json(&json!([]));
    wait_until("one has ended", || {
        client.get("activations?name=slow").body != body
    });
    owl.kill();

    let owl = setup().start();
    let client = owl.client();
    let entries = entries(&client, &id);
    assert_eq!(entries.len(), RULES);
    let invoked: Vec<&str> = entries
        .iter()
        .filter_map(|entry| entry["activationId"].as_str())
        .collect();
    for id in &invoked {
        client.activation(id);
    }
    assert!(!invoked.is_empty() && invoked.len() < RULES, "{entries:?}");
    for entry in entries.iter().filter(|entry| entry["success"] == false) {
        assert_eq!(entry["statusCode"], 3, "{entry}");
    }
    let count = client.get("activations?name=slow&count=true").json();
    assert_eq!(count["activations"], invoked.len(), "each ran once");
}

fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < deadline, "not so after a minute: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}
