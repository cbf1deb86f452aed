//! A gateway whose setting leads to another master, and back.

use std::path::Path;

use serde_json::{Value, json};

use super::journal::owl_sync;
use super::{Link, until};
use crate::client::Client;
use crate::daemon::{Daemon, Setup};
use crate::namespaces::owl_key;

/// A gateway with a master, that runs nothing itself and keeps writes.
fn gateway(folder: &Path, master: &str) -> Daemon {
    let setup = Setup::new().data_dir(folder);
    let setup = setup.env("OWL_HOST_CAPACITY", "0");
    let setup = setup.env("OWL_OFFLINE_WRITES", "journal");
    setup.env("OWL_NEXT_OPENWHISK", master).start()
}

/// What waits at a gateway: for its master, and for another.
fn waiting(client: &Client, of: &str) -> (u64, u64) {
    let about = &client.get("/").json()["master"][of];
    let elsewhere = about["for_another_master"].as_u64();
    (
        about["waiting"].as_u64().expect("a number"),
        elsewhere.unwrap_or(0),
    )
}

/// Payloads of a trigger's activations, the oldest first.
fn fired(client: &Client, trigger: &str) -> Vec<Value> {
    let path = format!("activations?name={trigger}&docs=true&limit=200");
    let list = client.get(&path).json();
    let list = list.as_array().expect("a list");
    let payloads = list.iter().rev();
    payloads
        .map(|record| record["response"]["result"].clone())
        .collect()
}

fn put(client: &Client, path: &str, body: &Value) {
    let answer = client.put(path, body);
    assert_eq!(answer.status, 200, "{path}: {answer}");
}

#[test]
fn what_is_one_masters_does_not_become_anothers() {
    let (at_first, at_gateway) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let folder = at_gateway.path();
    let first = Setup::new().data_dir(at_first.path()).start();
    let other = Setup::new().start();
    let link = Link::to(first.address());
    let code = json!({"exec": {"kind": "quickjs:1", "code": "function main() {}"}});
    let there = first.client();
    put(&there, "actions/a", &code);
    for trigger in ["t", "u"] {
        put(&there, &format!("triggers/{trigger}"), &json!({}));
        let rule = json!({"trigger": format!("/_/{trigger}"), "action": "/_/a"});
        put(&there, &format!("rules/of-{trigger}"), &rule);
    }
    let plant = owl_key(at_first.path(), &["create", "plant"], "").expect("a key");
    let plant = plant.trim();
    let may = |gateway: &Daemon| {
        let client = gateway.client_with(Some(plant));
        client.get("/api/v1/namespaces/_/limits").status
    };

    let daemon = gateway(folder, &link.url());
    let client = daemon.client();
    assert_eq!(client.get("actions/a").status, 200);
    assert_eq!(may(&daemon), 200);
    link.cut();
    for name in ["one", "two", "three"] {
        put(&client, &format!("triggers/{name}"), &json!({}));
    }
    for (trigger, number) in [("t", 1), ("u", 2), ("t", 3)] {
        let answer = client.post(&format!("triggers/{trigger}"), &json!({"number": number}));
        assert_eq!(answer.status, 202, "{answer}");
    }
    assert_eq!(waiting(&client, "journal"), (3, 0));
    assert_eq!(waiting(&client, "fires"), (3, 0));
    daemon.kill();

    // With another master nothing of the first one's is shown, taken for good, or sent.
    let elsewhere = format!("http://{}", other.address());
    let daemon = gateway(folder, &elsewhere);
    let client = daemon.client();
    assert_eq!(may(&daemon), 401);
    assert_eq!(client.get("actions/a").status, 404);
    assert_eq!(client.post("triggers/t", &json!({})).status, 404);
    assert_eq!(waiting(&client, "journal"), (0, 3));
    assert_eq!(waiting(&client, "fires"), (0, 3));
    let log = daemon.log();
    assert!(
        log.contains("3 fired triggers are for another master"),
        "{log}"
    );
    let sync = |arguments: &[&str]| owl_sync(folder, arguments);
    let status = sync(&["status"]).unwrap();
    let line = format!("    for another master: {}\n", link.url());
    assert_eq!(status.matches(&line).count(), 3 + 2, "{status}");
    assert!(
        status.contains("trigger guest/t: fired 2 times"),
        "{status}"
    );
    assert!(status.contains("trigger guest/u: fired once"), "{status}");
    assert!(
        status.contains("0 wait for the master, 3 for another one"),
        "{status}"
    );
    assert!(
        status
            .contains("of 3 fired triggers that were stored for the master 0 wait, 3 for another"),
        "{status}"
    );
    let news = other.client();
    assert_eq!(news.get("triggers").json(), json!([]));

    // What somebody decides is done, by a daemon that runs.
    assert_eq!(
        sync(&["retry", "1"]).unwrap(),
        "entry 1 waits for the master again\n"
    );
    until("entry 1 comes to the other master", || {
        news.get("triggers/one").status == 200
    });
    assert_eq!(
        sync(&["drop", "2", "guest/u"]).unwrap(),
        "dropped entry 2\ndropped the trigger guest/u, fired once\n"
    );
    let none = sync(&["drop", "guest/u"]).unwrap_err();
    assert!(
        none.contains("nothing of the trigger guest/u waits"),
        "{none}"
    );
    until("the daemon knows of what was dropped", || {
        (waiting(&client, "journal"), waiting(&client, "fires")) == ((0, 1), (0, 2))
    });
    for list in ["triggers/two", "triggers/three", "triggers/t"] {
        assert_eq!(news.get(list).status, 404, "{list}");
    }
    daemon.kill();

    // What is left comes through when the setting is changed back.
    link.restore();
    let daemon = gateway(folder, &link.url());
    let client = daemon.client();
    until("all has come", || {
        (waiting(&client, "journal"), waiting(&client, "fires")) == ((0, 0), (0, 0))
    });
    assert_eq!(there.get("triggers/three").status, 200);
    for lost in ["triggers/one", "triggers/two"] {
        assert_eq!(there.get(lost).status, 404, "{lost}");
    }
    until("both are recorded there", || fired(&there, "t").len() == 2);
    assert_eq!(
        fired(&there, "t"),
        [json!({"number": 1}), json!({"number": 3})]
    );
    assert_eq!(fired(&there, "u"), Vec::<Value>::new());
    assert_eq!(client.get("actions/a").status, 200);
    link.cut();
    assert_eq!(
        may(&daemon),
        200,
        "the key of the first master is good again"
    );
    let status = sync(&["status"]).unwrap();
    assert!(status.contains("the journal is empty"), "{status}");
    assert!(status.contains("0 wait, 2 were delivered"), "{status}");
    assert!(status.contains("1 with owl sync drop"), "{status}");
}
