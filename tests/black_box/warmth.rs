//! What stays warm, what is made ready, and what happens while memory is short.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::daemon::Setup;
use crate::invocation::annotation;

const ECHO: &str = "function main(a) { return { n: a.n } }";

#[test]
fn a_regular_call_is_warm_though_no_sandbox_may_stay_that_long() {
    let owl = Setup::new().env("OWL_PREEMPTION_IDLE", "2").start();
    let client = owl.client();
    client.action("regular", "quickjs:1", ECHO, json!({}));
    let begun = Instant::now();
    let call = |n: u32| {
        let due = begun + Duration::from_secs(5) * n;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let record = client.invoke("regular", &json!({"n": n})).json();
        assert_eq!(record["response"]["result"], json!({"n": n}), "{record}");
        annotation(&record, "initTime").is_some()
    };
    let cold: Vec<bool> = (0..4).map(call).collect();
    assert_eq!(cold, [true; 4], "each is gone before the next");
    assert!(!call(4) && !call(5), "{}", owl.log());
}

#[test]
fn what_is_known_of_calls_outlives_the_daemon() {
    let store = tempfile::tempdir().expect("a folder");
    let setup = || {
        Setup::new()
            .env("OWL_PREEMPTION_IDLE", "2")
            .data_dir(store.path())
    };
    let owl = setup().start();
    let client = owl.client();
    client.action("regular", "quickjs:1", ECHO, json!({}));
    let begun = Instant::now();
    let pass = |calls: u32| {
        let due = begun + Duration::from_secs(6) * calls;
        thread::sleep(due.saturating_duration_since(Instant::now()));
    };
    for n in 0..4 {
        pass(n);
        client.invoke("regular", &json!({"n": n})).expect_success();
    }
    assert!(owl.terminate().0.success());
    let owl = setup().start();
    pass(4);
    let record = owl.client().invoke("regular", &json!({"n": 4})).json();
    let cold = annotation(&record, "initTime");
    assert!(cold.is_none(), "{record}\n{}", owl.log());
}

#[test]
fn a_start_waits_while_memory_is_short_and_then_says_why_it_failed() {
    let owl = Setup::new()
        .env("OWL_MEMORY_FLOOR", "1000000000")
        .env("OWL_RETRIES_NUMBER", "10")
        .start();
    let client = owl.client();
    client.action("cold", "quickjs:1", ECHO, json!({}));
    let begun = Instant::now();
    let answer = client.invoke("cold", &json!({}));
    let error = answer.error(429);
    assert!(begun.elapsed() >= Duration::from_secs(1));
    assert!(
        error.starts_with("This gateway is short of memory"),
        "{error}"
    );
    assert!(error.contains("OWL_MEMORY_FLOOR"), "{error}");
    assert!(owl.log().contains("memory is short ("), "{}", owl.log());
}
