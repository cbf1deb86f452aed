//! Actions of the master run on the gateway, with the link and without it.

use serde_json::{Value, json};

use super::Both;
use crate::client::{Answer, Client};
use crate::daemon::Setup;

/// A gateway that compares a copy whenever it is used.
fn careful() -> Setup {
    Setup::new().env("OWL_REVALIDATE", "0")
}

const ECHO: &str = "function main(a) { return { said: a.said, from: 'echo' } }";

/// Expects that an answer was given without the master.
fn offline(answer: &Answer) {
    assert_eq!(answer.status, 200, "{answer}");
    assert!(answer.header("X-Owl-Offline").is_some(), "{answer}");
}

fn result(answer: &Answer) -> Value {
    answer.expect_success()
}

/// How many activations a server has of its own.
fn activations(client: &Client) -> Value {
    client.get("activations?count=true").json()["activations"].clone()
}

#[test]
fn an_action_is_fetched_once_and_runs_here() {
    let both = Both::start(Setup::new());
    let (gateway, master) = both.clients();
    gateway.action("echo", "quickjs:1", ECHO, json!({}));
    assert_eq!(master.get("actions/echo").status, 200);
    let answer = gateway.invoke("echo", &json!({"said": 1}));
    assert_eq!(result(&answer), json!({"said": 1, "from": "echo"}));
    assert_eq!(answer.header("X-Owl-Offline"), None);
    assert_eq!(activations(&master), json!(0));
    let id = answer.json()["activationId"].as_str().unwrap().to_string();
    assert_eq!(gateway.activation(&id)["name"], "echo");
    // Byte for byte the master's document.
    assert_eq!(
        gateway.get("actions/echo").json(),
        master.get("actions/echo").json()
    );
    assert_eq!(
        gateway.get("actions/none").error(404),
        "The requested resource does not exist."
    );
    assert_eq!(gateway.invoke("none", &json!({})).status, 404);
}

#[test]
fn what_is_known_runs_without_the_link_and_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let setup = || careful().data_dir(folder.path());
    let mut both = Both::start(setup());
    let (gateway, master) = both.clients();
    master.action("echo", "quickjs:1", ECHO, json!({}));
    master.action("unused", "quickjs:1", ECHO, json!({}));
    let parts = json!({"exec": {"kind": "sequence", "components": ["/_/echo", "/_/p/inner"]}});
    assert_eq!(
        master
            .put(
                "packages/p",
                &json!({"parameters": [{"key": "k", "value": 7}]})
            )
            .status,
        200
    );
    let inner = "function main(a) { return { k: a.k, said: a.said } }";
    master.action("p/inner", "quickjs:1", inner, json!({}));
    assert_eq!(master.put("actions/both", &parts).status, 200);
    let bound = json!({"binding": {"namespace": "_", "name": "p"}});
    assert_eq!(master.put("packages/b", &bound).status, 200);
    let calls = || {
        [
            ("echo", json!({"said": 2, "from": "echo"})),
            ("both", json!({"said": 2, "k": 7})),
            ("b/inner", json!({"said": 2, "k": 7})),
        ]
    };
    for (action, expected) in calls() {
        let answer = gateway.invoke(action, &json!({"said": 2}));
        assert_eq!(result(&answer), expected, "{action}");
        assert_eq!(answer.header("X-Owl-Offline"), None, "{action}");
    }
    both.link.cut();
    for (action, expected) in calls() {
        let answer = gateway.invoke(action, &json!({"said": 2}));
        offline(&answer);
        assert_eq!(result(&answer), expected, "{action}");
    }
    // Nobody here knows whether there is such an action.
    for unknown in ["unused", "nowhere"] {
        let answer = gateway.invoke(unknown, &json!({}));
        assert_eq!(answer.status, 503, "{answer}");
        assert!(answer.header("X-Owl-Offline").is_some());
    }
    let stopped = std::mem::replace(
        &mut both.gateway,
        // While the old one has the store.
        Setup::new().start(),
    );
    stopped.kill();
    both.gateway = setup().env("OWL_NEXT_OPENWHISK", both.link.url()).start();
    let gateway = both.gateway.client();
    for (action, expected) in calls() {
        let answer = gateway.invoke(action, &json!({"said": 2}));
        offline(&answer);
        assert_eq!(result(&answer), expected, "{action}");
    }
    offline(&gateway.get("actions/echo"));
    offline(&gateway.get("packages/p"));
}

#[test]
fn a_change_at_the_master_is_seen() {
    let both = Both::start(careful());
    let (gateway, master) = both.clients();
    let code = |text: &str| format!("function main() {{ return {{ text: '{text}' }} }}");
    master.action("a", "quickjs:1", &code("old"), json!({}));
    assert_eq!(result(&gateway.invoke("a", &json!({})))["text"], "old");
    master.action("a", "quickjs:1", &code("new"), json!({}));
    assert_eq!(gateway.get("actions/a").json()["version"], "0.0.2");
    assert_eq!(result(&gateway.invoke("a", &json!({})))["text"], "new");
    // And at once what changes through the gateway.
    gateway.action("a", "quickjs:1", &code("newest"), json!({}));
    assert_eq!(result(&gateway.invoke("a", &json!({})))["text"], "newest");
    assert_eq!(gateway.delete("actions/a").status, 200);
    assert_eq!(gateway.invoke("a", &json!({})).status, 404);
    assert_eq!(master.get("actions/a").status, 404);
}

#[test]
fn a_key_is_the_masters_to_accept() {
    let both = Both::start(Setup::new());
    let (gateway, master) = both.clients();
    master.action("echo", "quickjs:1", ECHO, json!({}));
    let wrong = format!(
        "{}:{}",
        "8d6c32a3-0f0c-4b55-9b0e-111111111111",
        "x".repeat(64)
    );
    let stranger = both.gateway.client_with(Some(&wrong));
    assert_eq!(stranger.get("actions/echo").status, 401);
    assert_eq!(gateway.get("actions/echo").status, 200);
    // What is here is not theirs either.
    assert_eq!(stranger.invoke("echo", &json!({})).status, 401);
}

#[test]
fn a_web_action_runs_here_once_its_owner_is_known() {
    let both = Both::start(Setup::new());
    let (gateway, master) = both.clients();
    let body = json!({
        "exec": {"kind": "quickjs:1", "code": "function main(a) { return { body: a.x } }"},
        "annotations": [{"key": "web-export", "value": true}],
    });
    assert_eq!(master.put("actions/w", &body).status, 200);
    let nobody = both.gateway.client_with(None);
    let path = "/api/v1/web/guest/default/w.http?x=y";
    let ran = || {
        let answer = nobody.get(path);
        assert_eq!((answer.status, &*answer.body), (200, &b"y"[..]));
        let id = answer.header("X-Openwhisk-Activation-Id").unwrap();
        id.to_string()
    };
    // Nobody of that namespace has been here: the master runs it.
    let id = ran();
    assert_eq!(master.activation(&id)["name"], "w");
    assert_eq!(gateway.get("limits").status, 200);
    let id = ran();
    assert_eq!(gateway.activation(&id)["name"], "w");
    assert_eq!(master.get(&format!("activations/{id}")).status, 404);
    both.link.cut();
    ran();
    let missing = nobody.get("/api/v1/web/guest/default/none");
    assert_eq!(missing.status, 503, "{missing}");
}
