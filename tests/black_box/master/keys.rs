//! Keys that a master has accepted, on a gateway that loses it.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use super::Both;
use crate::daemon::{Daemon, Setup};
use crate::namespaces::owl_key;

/// A master with a namespace, a gateway that it is the master of, and their folders.
struct Plant {
    both: Both,
    /// `uuid:key`.
    key: String,
    at_master: tempfile::TempDir,
    at_gateway: tempfile::TempDir,
}

impl Plant {
    fn new(gateway: Setup) -> Self {
        let folder = || tempfile::tempdir().expect("a folder");
        let (at_master, at_gateway) = (folder(), folder());
        let master = Setup::new().data_dir(at_master.path());
        let both = Both::of(master, gateway.data_dir(at_gateway.path()));
        let key = create(at_master.path(), "plant");
        Plant {
            both,
            key,
            at_master,
            at_gateway,
        }
    }

    /// The same after the gateway has lost its power.
    fn restarted(self) -> Self {
        let Both {
            gateway,
            master,
            link,
        } = self.both;
        gateway.kill();
        let gateway = Setup::new().data_dir(self.at_gateway.path());
        let gateway = gateway.env("OWL_NEXT_OPENWHISK", link.url()).start();
        let both = Both {
            gateway,
            master,
            link,
        };
        Plant { both, ..self }
    }

    fn uuid(&self) -> &str {
        self.key.split(':').next().expect("uuid:key")
    }
}

fn create(folder: &Path, namespace: &str) -> String {
    let made = owl_key(folder, &["create", namespace], "").expect("a key");
    made.trim().to_owned()
}

/// What a key is told when it asks for what needs nothing but a good one.
fn status(gateway: &Daemon, key: &str) -> u16 {
    let client = gateway.client_with(Some(key));
    client.get("/api/v1/namespaces/_/limits").status
}

/// Waits until a key is told so.
fn until_status(gateway: &Daemon, key: &str, expected: u16) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let status = status(gateway, key);
        if status == expected {
            return;
        }
        let log = gateway.log();
        assert!(Instant::now() < deadline, "{status}, not {expected}: {log}");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_key_of_the_master_outlives_the_link_and_the_daemon() {
    let plant = Plant::new(Setup::new());
    let (key, uuid) = (&*plant.key, plant.uuid());
    let Both { gateway, link, .. } = &plant.both;
    let other = create(plant.at_master.path(), "other");
    let wrong = format!("{uuid}:{}", "w".repeat(64));
    let stranger = format!("0badc0de-0000-4000-8000-00000000cafe:{}", "w".repeat(64));
    let client = gateway.client_with(Some(key));
    let namespaces = client.get("/api/v1/namespaces").json();
    assert_eq!(namespaces, json!(["plant"]));
    for nobody in [&wrong, &stranger] {
        assert_eq!(status(gateway, nobody), 401);
    }
    // One that was made here opens nothing.
    let made_here = create(plant.at_gateway.path(), "plant");
    assert_eq!(status(gateway, &made_here), 401);

    let list = owl_key(plant.at_gateway.path(), &["list"], "").expect("a list");
    let line = format!("plant {uuid} accepted by the master 20");
    assert!(list.contains(&line), "{list}");
    assert!(!list.contains("other"), "{list}");

    link.cut();
    assert_eq!(status(gateway, key), 200);
    assert_eq!(status(gateway, &wrong), 401);
    let unknown = gateway.client_with(Some(&other));
    let text = unknown.get("/api/v1/namespaces/_/limits").error(503);
    assert!(text.contains("the key cannot be checked"), "{text}");

    // The store has it sealed, and the log has nothing of it.
    let secret = key.split_once(':').expect("uuid:key").1;
    assert!(!gateway.log().contains(secret));
    let data = std::fs::read(plant.at_gateway.path().join("data.mdb")).expect("the store");
    let clear = |text: &str| data.windows(text.len()).any(|part| part == text.as_bytes());
    assert!(clear(uuid), "the test looks in the wrong place");
    assert!(!clear(secret));

    // A power cut, and still no master.
    let plant = plant.restarted();
    let Both { gateway, link, .. } = &plant.both;
    let key = &plant.key;
    assert_eq!(status(gateway, key), 200);
    assert_eq!(status(gateway, &other), 503);
    let forgot = owl_key(plant.at_gateway.path(), &["delete", plant.uuid()], "").expect("gone");
    assert!(forgot.starts_with("forgot the key "), "{forgot}");
    assert_eq!(status(gateway, key), 503);
    link.restore();
    for key in [key, &other] {
        until_status(gateway, key, 200);
    }
}

#[test]
fn a_key_that_the_master_takes_back_opens_nothing_any_more() {
    let plant = Plant::new(Setup::new().env("OWL_KEYS_REVALIDATE", "0"));
    let gateway = &plant.both.gateway;
    assert_eq!(status(gateway, &plant.key), 200);
    owl_key(plant.at_master.path(), &["delete", "plant"], "").expect("deleted");
    until_status(gateway, &plant.key, 401);
    let list = owl_key(plant.at_gateway.path(), &["list"], "").expect("a list");
    assert!(!list.contains(plant.uuid()), "{list}");
}

#[test]
fn keys_are_good_without_the_master_for_a_time() {
    let never = Setup::new()
        .env("OWL_KEYS_REVALIDATE", "0")
        .env("OWL_KEYS_OFFLINE", "0");
    let plant = Plant::new(never);
    let Both { gateway, link, .. } = &plant.both;
    for _ in 0..2 {
        assert_eq!(status(gateway, &plant.key), 200);
    }
    link.cut();
    assert_eq!(status(gateway, &plant.key), 503);
    link.restore();
    until_status(gateway, &plant.key, 200);
}

#[test]
fn what_was_accepted_with_a_key_of_the_master_runs_after_a_power_cut() {
    let setup = Setup::new().env("OWL_HOST_CAPACITY", "1");
    let plant = Plant::new(setup);
    let client = plant.both.gateway.client_with(Some(&plant.key));
    let slow = "function main(a) { const end = Date.now() + a.ms; while (Date.now() < end) {} \
                return { done: true } }";
    client.action("slow", "quickjs:1", slow, json!({"timeout": 120_000}));
    client.invoke("slow", &json!({"ms": 1})).expect_success();
    client.fire("slow", &json!({"ms": 60_000}));
    thread::sleep(Duration::from_millis(500));
    let waiting = client.fire("slow", &json!({"ms": 1}));
    plant.both.link.cut();
    let plant = plant.restarted();
    let client = plant.both.gateway.client_with(Some(&plant.key));
    let record = client.activation(&waiting);
    assert_eq!(
        record["response"]["result"],
        json!({"done": true}),
        "{record}"
    );
    assert_eq!(record["namespace"], "plant");
}
