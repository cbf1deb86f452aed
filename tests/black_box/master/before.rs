//! A gateway that was its own master before it got one.

use serde_json::{Value, json};

use super::Link;
use crate::client::Client;
use crate::daemon::{Daemon, Setup};

fn says(text: &str) -> String {
    format!("function main() {{ return {{ text: '{text}' }} }}")
}

fn text(client: &Client, action: &str) -> Value {
    client.invoke(action, &json!({})).expect_success()["text"].clone()
}

/// Names in a list.
fn names(client: &Client) -> Vec<String> {
    let list = client.get("actions").json();
    let rows = list.as_array().expect("a list");
    let name = |row: &Value| row["name"].as_str().expect("a name").to_owned();
    let mut names: Vec<String> = rows.iter().map(name).collect();
    names.sort();
    names
}

#[test]
fn what_it_had_stays_its_own_or_gives_way() {
    let folder = tempfile::tempdir().unwrap();
    let alone = Setup::new().data_dir(folder.path()).start();
    let client = alone.client();
    for name in ["mine", "both"] {
        client.action(name, "quickjs:1", &says("here"), json!({}));
    }
    alone.kill();
    let master = Setup::new().start();
    let there = master.client();
    there.action("both", "quickjs:1", &says("there"), json!({}));
    let link = Link::to(master.address());
    let start = || -> Daemon {
        let setup = Setup::new().data_dir(folder.path());
        let setup = setup.env("OWL_REVALIDATE", "0");
        setup.env("OWL_NEXT_OPENWHISK", link.url()).start()
    };

    let gateway = start();
    let client = gateway.client();
    assert_eq!(text(&client, "mine"), "here");
    assert_eq!(text(&client, "both"), "there");
    assert_eq!(client.get("actions/mine").status, 200);
    assert_eq!(there.get("actions/mine").status, 404);
    link.cut();
    for (name, expected) in [("mine", "here"), ("both", "there")] {
        assert_eq!(text(&client, name), expected, "{name}");
    }
    assert_eq!(names(&client), ["both", "mine"]);
    gateway.kill();
    let gateway = start();
    let client = gateway.client();
    assert_eq!(text(&client, "mine"), "here");
    link.restore();
    gateway.kill();

    // Connected again: made at the master, it is the master's; deleted, it is gone for good.
    let gateway = start();
    let client = gateway.client();
    assert_eq!(text(&client, "mine"), "here");
    client.action("mine", "quickjs:1", &says("made there"), json!({}));
    assert_eq!(there.get("actions/mine").status, 200);
    assert_eq!(text(&client, "mine"), "made there");
    assert_eq!(client.delete("actions/mine").status, 200);
    link.cut();
    let missing = client.invoke("mine", &json!({}));
    assert_eq!(missing.status, 404, "{missing}");
    assert!(missing.header("X-Owl-Offline").is_some(), "{missing}");
}
