//! What a gateway knows of its master's outages, and what it does about them.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Both, Fake, Reply};
use crate::client::Client;
use crate::daemon::Setup;

/// Longer than any pause between two probes of an outage that has just begun.
const PATIENCE: Duration = Duration::from_secs(60);

fn state(client: &Client) -> Value {
    client.get("/").json()["master"]["state"].clone()
}

/// Waits until the master has this state.
fn until(client: &Client, wanted: &str) {
    let deadline = Instant::now() + PATIENCE;
    while state(client) != wanted {
        assert!(
            Instant::now() < deadline,
            "the master does not get {wanted}"
        );
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_master_that_goes_and_comes_is_found_without_anybody_asking() {
    let both = Both::start(Setup::new());
    let (gateway, master) = both.clients();
    until(&gateway, "up");
    both.link.cut();
    // The first who asks finds out.
    let path = "/api/v1/namespaces/_/strange";
    let lost = gateway.get(path);
    assert!(lost.error(503).contains("master"), "{lost}");
    assert!(lost.header("X-Owl-Offline").is_some());
    assert_eq!(state(&gateway), "down");
    both.link.restore();
    until(&gateway, "up");
    let found = gateway.get(path);
    assert_eq!((found.status, found.header("X-Owl-Offline")), (404, None));
    assert_eq!(found.json()["error"], master.get(path).json()["error"]);
}

#[test]
fn an_outage_is_told_once() {
    let both = Both::start(Setup::new());
    let (gateway, _) = both.clients();
    until(&gateway, "up");
    both.link.cut();
    for _ in 0..20 {
        gateway.get("/api/v1/namespaces/_/strange").error(503);
        gateway.get("/api/v1/namespaces/_/actions/none").error(503);
        gateway.get("/api/v1/web/nobody/default/none").error(503);
    }
    both.link.restore();
    until(&gateway, "up");
    // It is known before it is logged.
    super::until("it is not told that the outage is over", || {
        both.gateway.log().contains("can be reached again")
    });
    let log = both.gateway.log();
    let warnings: Vec<_> = log.lines().filter(|line| line.contains("WARN")).collect();
    assert_eq!(warnings.len(), 1, "{log}");
    assert!(warnings[0].contains("is out of reach"), "{log}");
    let found = |line: &&str| line.contains("can be reached again");
    assert_eq!(log.lines().filter(found).count(), 1, "{log}");
}

#[test]
fn a_master_that_is_away_at_the_start_is_known_to_be() {
    let both = Both::start(Setup::new());
    both.link.cut();
    let gateway = Setup::new()
        .env("OWL_NEXT_OPENWHISK", both.link.url())
        .start();
    let client = gateway.client();
    until(&client, "down");
    assert_eq!(client.get("/").json()["master"]["last_answer"], Value::Null);
    both.link.restore();
    until(&client, "up");
}

#[test]
fn a_master_that_is_not_well_is_left_alone() {
    let fake = Fake::start(|_| Reply::Json(503, json!({"error": "busy", "code": "1"})));
    let gateway = Setup::new().env("OWL_NEXT_OPENWHISK", fake.url()).start();
    let client = gateway.client();
    let up = format!("owl_upstream_up{{upstream=\"{}\"}}", fake.url());
    let outages = format!("owl_upstream_outages_total{{upstream=\"{}\"}}", fake.url());
    let metric = |name: &str| {
        let metrics = String::from_utf8(client.get("/metrics").body).expect("a text");
        let line = metrics.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("{name} is not in {metrics}"))
            .trim()
            .to_string()
    };
    for outages_then in ["0", "1"] {
        let answer = client.get("/api/v1/namespaces/_/strange");
        assert_eq!(
            (answer.status, &answer.json()["error"]),
            (503, &json!("busy"))
        );
        assert_eq!(metric(&outages), outages_then);
    }
    assert_eq!(fake.seen().len(), 2);
    // It answers when it is asked whether it is there.
    until(&client, "up");
    assert_eq!(metric(&up), "1");
}

#[test]
fn at_rest_no_thread_of_a_gateway_wakes_up() {
    let both = Both::start(Setup::new());
    let (gateway, _) = both.clients();
    until(&gateway, "up");
    assert_eq!(gateway.get("actions").status, 200);
    // What carries requests ends after a while; what is left is asleep.
    let deadline = Instant::now() + PATIENCE;
    let id = both.gateway.id();
    let mut before = wake_ups(id);
    loop {
        thread::sleep(Duration::from_secs(5));
        let after = wake_ups(id);
        if after == before {
            return;
        }
        assert!(Instant::now() < deadline, "{before:?} became {after:?}");
        before = after;
    }
}

/// How often each thread of a process has gone to sleep so far.
fn wake_ups(process: u32) -> BTreeMap<String, String> {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).expect("lists the threads");
    let count = |folder: std::path::PathBuf| {
        let status = std::fs::read_to_string(folder.join("status")).ok()?;
        let line = status
            .lines()
            .find(|line| line.starts_with("voluntary_ctxt_switches"))?;
        let name = status.lines().next()?;
        Some((format!("{} {name}", folder.display()), line.to_string()))
    };
    let threads = threads.map(|thread| thread.expect("reads a thread").path());
    threads.filter_map(count).collect()
}
