//! Changes through the gateway, with the link and without it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Both;
use crate::client::Client;
use crate::daemon::Setup;

fn journaling() -> Setup {
    Setup::new()
        .env("OWL_REVALIDATE", "0")
        .env("OWL_OFFLINE_WRITES", "journal")
}

fn code(text: &str) -> Value {
    let code = format!("function main(a) {{ return {{ text: '{text}', by: a.by }} }}");
    json!({"exec": {"kind": "quickjs:1", "code": code}})
}

fn text(client: &Client, action: &str) -> Value {
    client.invoke(action, &json!({})).expect_success()["text"].clone()
}

/// Waits until the master has what a request is to find there.
fn until(what: &str, done: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < deadline, "not until now: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn the_masters_answer_is_what_the_client_gets() {
    let both = Both::start(Setup::new());
    let (gateway, master) = both.clients();
    let made = gateway.put("actions/a", &code("1"));
    assert_eq!(made.status, 200, "{made}");
    assert_eq!(made.header("X-Owl-Offline"), None);
    assert_eq!(
        master.get("actions/a").json()["updated"],
        made.json()["updated"]
    );
    // A refusal changes nothing.
    assert_eq!(
        gateway.put("actions/a", &code("2")).error(409),
        "resource already exists"
    );
    assert_eq!(text(&gateway, "a"), "1");
    assert_eq!(
        gateway.put("actions/a?overwrite=true", &code("3")).status,
        200
    );
    assert_eq!(text(&gateway, "a"), "3");
    assert_eq!(gateway.put("triggers/t", &json!({})).status, 200);
    let rule = json!({"trigger": "/_/t", "action": "/_/a"});
    assert_eq!(gateway.put("rules/r", &rule).json()["status"], "active");
    let off = gateway.post("rules/r", &json!({"status": "inactive"}));
    assert_eq!(off.status, 200, "{off}");
    assert_eq!(gateway.get("rules/r").json(), master.get("rules/r").json());
    assert_eq!(
        gateway.get("triggers/t").json(),
        master.get("triggers/t").json()
    );
    both.link.cut();
    assert_eq!(gateway.get("rules/r").json()["status"], "inactive");
    let refused = gateway.put("actions/b", &code("1"));
    assert!(refused.error(503).contains("was not made"), "{refused}");
    assert!(refused.header("X-Owl-Offline").is_some());
    assert_eq!(gateway.delete("actions/a").status, 503);
    assert_eq!(text(&gateway, "a"), "3");
}

#[test]
fn what_was_changed_without_the_link_comes_to_the_master() {
    let folder = tempfile::tempdir().unwrap();
    let setup = || journaling().data_dir(folder.path());
    let mut both = Both::start(setup());
    let (gateway, master) = both.clients();
    gateway.action(
        "old",
        "quickjs:1",
        "function main() { return { text: 'old' } }",
        json!({}),
    );
    assert_eq!(text(&gateway, "old"), "old");
    assert_eq!(master.put("actions/gone", &code("x")).status, 200);
    assert_eq!(gateway.get("actions/gone").status, 200);
    both.link.cut();
    let changed = gateway.put("actions/old?overwrite=true", &code("new"));
    assert_eq!(changed.status, 200, "{changed}");
    assert!(changed.header("X-Owl-Offline").is_some());
    assert_eq!(changed.json()["version"], "0.0.2");
    assert_eq!(text(&gateway, "old"), "new");
    assert_eq!(gateway.put("actions/made", &code("made")).status, 200);
    assert_eq!(text(&gateway, "made"), "made");
    assert_eq!(gateway.put("actions/made", &code("again")).status, 409);
    assert_eq!(gateway.delete("actions/gone").status, 200);
    assert_eq!(gateway.get("actions/gone").status, 404);
    // What is wrong is told at once, and is nobody's to replay.
    assert_eq!(
        gateway
            .put("actions/bad", &json!({"exec": {"kind": "none:1"}}))
            .status,
        400
    );
    let address = both.link.url();
    std::mem::replace(&mut both.gateway, Setup::new().start()).kill();
    both.gateway = setup().env("OWL_NEXT_OPENWHISK", address).start();
    let gateway = both.gateway.client();
    assert_eq!(text(&gateway, "made"), "made");
    assert_eq!(gateway.get("actions/gone").status, 404);

    both.link.restore();
    until("gone is deleted", || {
        master.get("actions/gone").status == 404
    });
    assert_eq!(text(&master, "old"), "new");
    assert_eq!(text(&master, "made"), "made");
    assert_eq!(master.get("actions/bad").status, 404);
    until("both agree", || {
        let answers = ["old", "made"].map(|name| {
            let path = format!("actions/{name}");
            let here = gateway.get(&path);
            here.header("X-Owl-Offline").is_none() && here.json() == master.get(&path).json()
        });
        answers == [true, true]
    });
    assert_eq!(gateway.get("actions").json(), master.get("actions").json());
}

#[test]
fn the_masters_version_wins() {
    let both = Both::start(journaling());
    let (gateway, master) = both.clients();
    gateway.action(
        "a",
        "quickjs:1",
        "function main() { return { text: 'old' } }",
        json!({}),
    );
    assert_eq!(text(&gateway, "a"), "old");
    both.link.cut();
    assert_eq!(
        gateway
            .put("actions/a?overwrite=true", &code("ours"))
            .status,
        200
    );
    assert_eq!(
        master
            .put("actions/a?overwrite=true", &code("theirs"))
            .status,
        200
    );
    assert_eq!(text(&gateway, "a"), "ours");
    both.link.restore();
    until("the master's is here", || {
        let answer = gateway.invoke("a", &json!({}));
        answer.status == 200 && answer.json()["response"]["result"]["text"] == "theirs"
    });
    assert_eq!(text(&master, "a"), "theirs");
}
