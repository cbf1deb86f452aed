//! Triggers that are fired at a gateway whose master follows them, with the link and without it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use surf::http::Method;
use tempfile::TempDir;

use super::journal::owl_sync;
use super::{Both, Fake, Reply, until};
use crate::client::{Answer, Client, as_json};
use crate::daemon::Setup;

/// A gateway that runs no actions: all triggers that have rules are the master's.
fn gateway(folder: &Path) -> Setup {
    often(Setup::new())
        .env("OWL_HOST_CAPACITY", "0")
        .data_dir(folder)
}

/// With throttles that no test reaches.
fn often(setup: Setup) -> Setup {
    setup.env("OWL_FIRES_PER_MINUTE", "100000")
}

/// Two OWLs, where the master has the trigger `t` with a rule to an action; and the folder of the
/// gateway's store.
fn both() -> (Both, TempDir) {
    let folder = tempfile::tempdir().expect("make a folder");
    let both = Both::of(often(Setup::new()), gateway(folder.path()));
    let client = both.master.client();
    client.action("a", "quickjs:1", "function main(a) { return a }", json!({}));
    assert_eq!(client.put("triggers/t", &json!({})).status, 200);
    let rule = json!({"trigger": "/_/t", "action": "/_/a"});
    assert_eq!(client.put("rules/r", &rule).status, 200);
    (both, folder)
}

fn fire(client: &Client, number: u64) -> Answer {
    client.post("triggers/t", &json!({"number": number}))
}

/// The id of a trigger that was fired.
fn id(answer: &Answer) -> String {
    assert_eq!(answer.status, 202, "{answer}");
    let id = answer.json()["activationId"]
        .as_str()
        .expect("an id")
        .to_string();
    assert_eq!(answer.header("x-openwhisk-activation-id"), Some(&*id));
    id
}

/// How many wait at a gateway.
fn waiting(client: &Client) -> u64 {
    let info = client.get("/").json();
    info["master"]["fires"]["waiting"]
        .as_u64()
        .expect("a number")
}

/// All full records of a name, the oldest first.
fn records(client: &Client, name: &str) -> Vec<Value> {
    let mut records: Vec<Value> = Vec::new();
    loop {
        let path = format!(
            "activations?name={name}&docs=true&limit=200&skip={}",
            records.len()
        );
        let page = client.get(&path).json();
        let page = page.as_array().expect("a list");
        records.extend(page.iter().cloned());
        if page.len() < 200 {
            records.reverse();
            return records;
        }
    }
}

fn number(record: &Value) -> u64 {
    let result = &record["response"]["result"];
    result["number"]
        .as_u64()
        .unwrap_or_else(|| panic!("no number: {record}"))
}

#[test]
fn they_wait_for_the_link_and_come_in_their_order() {
    let (mut both, folder) = both();
    let (client, master) = both.clients();
    // With the link they are only passed on.
    let answer = fire(&client, 0);
    let mut ids = vec![id(&answer)];
    assert_eq!(answer.header("X-Owl-Offline"), None);
    assert_eq!(master.activation(&ids[0])["name"], "t");

    both.link.cut();
    for number in 1..=4 {
        let answer = fire(&client, number);
        assert!(answer.header("X-Owl-Offline").is_some(), "{answer}");
        ids.push(id(&answer));
    }
    assert_eq!(waiting(&client), 4);
    let record = client.activation(&ids[4]);
    assert_eq!(record["response"]["result"], json!({"number": 4}));
    let status = owl_sync(folder.path(), &["status"]).expect("a status");
    assert!(
        status.contains("trigger guest/t: fired 4 times"),
        "{status}"
    );

    let other = Setup::new().start();
    std::mem::replace(&mut both.gateway, other).kill();
    both.gateway = gateway(folder.path())
        .env("OWL_NEXT_OPENWHISK", both.link.url())
        .start();
    let client = both.gateway.client();
    assert_eq!(waiting(&client), 4);
    ids.push(id(&fire(&client, 5)));
    both.link.restore();
    until("all are delivered", || waiting(&client) == 0);

    until("all are recorded", || records(&master, "t").len() == 6);
    let fired = records(&master, "t");
    let numbers: Vec<u64> = fired.iter().map(number).collect();
    assert_eq!(numbers, [0, 1, 2, 3, 4, 5]);
    let there: Vec<&str> = fired
        .iter()
        .map(|record| record["activationId"].as_str().expect("an id"))
        .collect();
    assert_eq!(there, ids, "the ids that were made here");
    until("each has run", || records(&master, "a").len() == 6);
    for id in &ids[1..] {
        let record = client.activation(id);
        let tier = &record["annotations"][0];
        assert_eq!(tier["key"], "owl-tier");
        assert_eq!(tier["value"]["activationId"], **id, "{record}");
    }
    // In the list of both, each is there once.
    let list = client.get("activations?name=t&limit=200").json();
    assert_eq!(list.as_array().map(Vec::len), Some(6), "{list}");
    let status = owl_sync(folder.path(), &["status"]).expect("a status");
    assert!(status.contains("of 5 fired triggers"), "{status}");
    assert!(status.contains("0 wait, 5 were delivered"), "{status}");
}

#[test]
fn one_whose_actions_run_here_runs_without_the_link() {
    let both = Both::of(often(Setup::new()), often(Setup::new()));
    let (client, master) = both.clients();
    master.action("a", "quickjs:1", "function main(a) { return a }", json!({}));
    assert_eq!(master.put("triggers/t", &json!({})).status, 200);
    let rule = json!({"trigger": "/_/t", "action": "/_/a"});
    assert_eq!(master.put("rules/r", &rule).status, 200);
    id(&fire(&client, 1));
    both.link.cut();
    id(&fire(&client, 2));
    assert_eq!(waiting(&client), 0);
    until("both have run", || records(&client, "a").len() == 2);
    assert!(records(&master, "a").is_empty());
}

#[test]
fn a_lost_answer_is_asked_for_again_under_the_same_id() {
    let lost = AtomicBool::new(false);
    let there = "ab".repeat(16);
    let trigger = json!({"namespace": "guest", "name": "t", "parameters": [], "limits": {},
        "version": "0.0.1", "publish": false, "annotations": [], "updated": 1,
        "rules": {"guest/r": {"action": {"path": "guest", "name": "a"}, "status": "active"}}});
    let answered = json!({"activationId": there});
    let fake = Fake::start(move |seen| match &*seen.line {
        "GET /api/v1/namespaces/guest/triggers/t" => Reply::Json(200, trigger.clone()),
        "POST /api/v1/namespaces/guest/triggers/t" => match lost.swap(true, Ordering::Relaxed) {
            false => Reply::Close,
            true => Reply::Json(202, answered.clone()),
        },
        _ => Reply::Json(404, json!({"error": "no", "code": "c"})),
    });
    let folder = tempfile::tempdir().expect("make a folder");
    let gateway = gateway(folder.path())
        .env("OWL_NEXT_OPENWHISK", fake.url())
        .start();
    let client = gateway.client();
    let id = id(&fire(&client, 1));
    until("it is delivered", || waiting(&client) == 0);
    let seen = fake.seen();
    let fires: Vec<_> = seen
        .iter()
        .filter(|seen| seen.line.starts_with("POST"))
        .collect();
    assert_eq!(fires.len(), 2, "{seen:?}");
    for fire in fires {
        assert_eq!(fire.header("x-owl-activation-id"), Some(&*id));
        assert_eq!(fire.body, br#"{"number":1}"#);
        assert!(fire.header("authorization").is_some());
    }
    let record = client.activation(&id);
    let tier = &record["annotations"][0]["value"];
    assert_eq!(tier["activationId"], there, "{record}");
}

/// Rounds of [`no_kill_loses_one`].
const ROUNDS: u64 = 12;

#[test]
fn no_kill_loses_one() {
    let (mut both, folder) = both();
    let next = Arc::new(AtomicU64::new(0));
    let promised: Arc<Mutex<BTreeMap<String, u64>>> = Arc::default();
    for round in 0..ROUNDS {
        if round % 3 == 1 {
            both.link.cut();
        }
        let client = both.gateway.client();
        let (next, promised) = (next.clone(), promised.clone());
        let firing = thread::spawn(move || {
            // Until it is killed.
            while let Some(answer) = try_fire(&client, next.fetch_add(1, Ordering::Relaxed)) {
                let mut promised = promised.lock().expect("the ids");
                promised.insert(answer.0, answer.1);
                drop(promised);
                // What is kept is delivered at twenty a second.
                thread::sleep(Duration::from_millis(10));
            }
        });
        // Not the same moment in any two rounds; what is under way then is left to chance.
        thread::sleep(Duration::from_millis(40 + round * 37 % 210));
        if round % 3 == 2 {
            both.link.restore();
            thread::sleep(Duration::from_millis(round * 113 % 300));
        }
        let other = Setup::new().start();
        std::mem::replace(&mut both.gateway, other).kill();
        firing.join().expect("who fires");
        both.gateway = gateway(folder.path())
            .env("OWL_NEXT_OPENWHISK", both.link.url())
            .start();
    }
    let (client, master) = both.clients();
    until("all are delivered", || waiting(&client) == 0);
    let promised = promised.lock().expect("the ids");
    assert!(
        promised.len() > ROUNDS as usize,
        "{} were fired",
        promised.len()
    );
    for (id, promised) in promised.iter() {
        // Its record may come a little after the answer.
        assert_eq!(number(&master.activation(id)), *promised, "{id}");
    }
    let fired = records(&master, "t");
    let there: BTreeMap<&str, u64> = fired
        .iter()
        .map(|record| {
            let id = record["activationId"].as_str().expect("an id");
            (id, number(record))
        })
        .collect();
    let numbers: BTreeSet<u64> = there.values().copied().collect();
    assert_eq!(numbers.len(), fired.len(), "one was fired twice");
    until("each has run", || {
        records(&master, "a").len() == fired.len()
    });
    let ran: BTreeSet<u64> = records(&master, "a").iter().map(number).collect();
    assert_eq!(ran, numbers);
}

/// Fires with a number; gives id and number if that was promised, nothing if the gateway is gone.
fn try_fire(client: &Client, number: u64) -> Option<(String, u64)> {
    let body = json!({"number": number});
    let answer = client.attempt(Method::Post, "triggers/t", &[], Some(as_json(&body)));
    Some((id(&answer.ok()?), number))
}
