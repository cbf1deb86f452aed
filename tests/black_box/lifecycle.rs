//! Start, stop, crash and restart of the daemon.

use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::daemon::{Daemon, Setup};
use crate::docker::Network;

const SLOW: &str = "function main(a) {
  return new Promise(resolve => setTimeout(() => resolve({ done: true }), a.milliseconds))
}";

#[test]
fn a_second_daemon_on_the_same_store_says_so_and_ends() {
    let store = tempfile::tempdir().expect("a folder");
    let first = Setup::new().data_dir(store.path()).start();
    let (status, log) = Setup::new().data_dir(store.path()).start_and_fail();
    assert!(!status.success(), "{log}");
    assert!(log.contains(&store.path().display().to_string()), "{log}");
    first.client().expect_alive();
}

#[test]
fn the_daemon_has_no_huge_pages() {
    let owl = Setup::new().start();
    let status = std::fs::read_to_string(format!("/proc/{}/status", owl.id()));
    let status = status.expect("it runs");
    assert!(status.contains("\nTHP_enabled:\t0\n"), "{status}");
}

#[test]
fn settings_that_cannot_be_used_are_named() {
    for (name, value) in [
        ("OWL_HOST_CAPACITY", "many"),
        ("OWL_PREEMPTION_HIGH", "2"),
        ("OWL_RUNTIMES", "/nonexistent/runtimes.json"),
    ] {
        let (status, log) = Setup::new().env(name, value).start_and_fail();
        assert!(!status.success(), "{name}={value}");
        let named = log.contains(name) || log.contains(&format!("manifest {value}"));
        assert!(named && log.contains(value), "{name}={value}: {log}");
    }
}

#[test]
fn what_was_running_when_the_power_went_is_closed() {
    let store = tempfile::tempdir().expect("a folder");
    let owl = Setup::new().data_dir(store.path()).start();
    let client = owl.client();
    client.action("slow", "quickjs:1", SLOW, json!({}));
    let finished = client.fire("slow", &json!({"milliseconds": 1}));
    let record = client.activation(&finished);
    let running = client.fire("slow", &json!({"milliseconds": 60_000}));
    thread::sleep(Duration::from_millis(500));
    owl.kill();

    let owl = Setup::new().data_dir(store.path()).start();
    let client = owl.client();
    assert_eq!(client.activation(&finished), record);
    let closed = client.activation(&running);
    assert_eq!(
        closed["response"]["status"], "whisk internal error",
        "{closed}"
    );
    assert!(
        closed["response"]["result"]["error"].is_string(),
        "{closed}"
    );
    client.expect_alive();
}

#[test]
fn what_was_accepted_but_not_started_is_run_after_a_restart() {
    let store = tempfile::tempdir().expect("a folder");
    let owl = Setup::new()
        .env("OWL_HOST_CAPACITY", "1")
        .data_dir(store.path())
        .start();
    let client = owl.client();
    client.action("slow", "quickjs:1", SLOW, json!({}));
    client.fire("slow", &json!({"milliseconds": 60_000}));
    thread::sleep(Duration::from_millis(500));
    let waiting = client.fire("slow", &json!({"milliseconds": 1}));
    owl.kill();

    let owl = Setup::new().data_dir(store.path()).start();
    let record = owl.client().activation(&waiting);
    assert_eq!(
        record["response"]["result"],
        json!({"done": true}),
        "{record}"
    );
}

#[test]
fn a_stop_lets_running_activations_finish() {
    let store = tempfile::tempdir().expect("a folder");
    let owl = Setup::new().data_dir(store.path()).start();
    let client = owl.client();
    client.action("slow", "quickjs:1", SLOW, json!({}));
    let id = client.fire("slow", &json!({"milliseconds": 2000}));
    thread::sleep(Duration::from_millis(300));
    let (status, log) = owl.terminate();
    assert_eq!(status.code(), Some(0), "{log}");

    let owl = Setup::new().data_dir(store.path()).start();
    let record = owl.client().get(&format!("activations/{id}"));
    assert_eq!(record.status, 200, "stored before the end: {record}");
    assert_eq!(record.json()["response"]["result"], json!({"done": true}));
}

#[test]
fn a_stop_waits_no_longer_than_it_was_told() {
    let store = tempfile::tempdir().expect("a folder");
    let owl = Setup::new()
        .env("OWL_DRAIN_TIMEOUT", "1")
        .data_dir(store.path())
        .start();
    let client = owl.client();
    client.action("slow", "quickjs:1", SLOW, json!({}));
    let id = client.fire("slow", &json!({"milliseconds": 60_000}));
    thread::sleep(Duration::from_millis(300));
    let (_, log) = owl.terminate();
    let owl = Setup::new().data_dir(store.path()).start();
    let record = owl.client().activation(&id);
    assert_eq!(record["response"]["success"], false, "{record} {log}");
}

#[test]
fn containers_go_when_the_daemon_stops_and_after_a_crash() {
    let store = tempfile::tempdir().expect("a folder");
    let network = Network::create("lifecycle");
    let start = || {
        Setup::with_docker()
            .env("OWL_NET_NAME", network.name())
            .data_dir(store.path())
            .start()
    };
    let only_container = |owl: &Daemon| {
        let client = owl.client();
        client.action("fake", "fake:1", "{}", json!({}));
        client.invoke("fake", &json!({})).expect_success();
        let containers = network.containers();
        assert_eq!(containers.len(), 1, "{containers:?}");
        containers[0].clone()
    };
    let owl = start();
    let first = only_container(&owl);
    owl.kill();
    assert_eq!(
        network.containers(),
        [first.as_str()],
        "a crash cannot remove it"
    );

    let owl = start();
    let second = only_container(&owl);
    assert_ne!(first, second, "left over from the crash and not adopted");
    let (status, log) = owl.terminate();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(
        network.containers().is_empty(),
        "left over from the stop: {log}"
    );
}

#[test]
fn it_is_ready_for_calls_when_it_says_so() {
    for _ in 0..5 {
        let owl = Setup::new().start();
        assert_eq!(owl.client().get("/ping").status, 200);
        let (status, log) = owl.terminate();
        assert_eq!(status.code(), Some(0), "{log}");
    }
}
