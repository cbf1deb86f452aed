//! Actions of the process engine that misbehave: a clear record, and the daemon lives.

use serde_json::json;

use crate::daemon::Setup;

/// More than this and the daemon holds what it should pass on or drop.
const DAEMON_MEMORY: u64 = 96 << 20;

#[test]
fn an_action_that_never_ends_is_stopped() {
    // 11.7-185, 11.7-186
    let owl = Setup::new().start();
    let client = owl.client();
    let limits = json!({"timeout": 500});
    let exceeded = "The action exceeded its time limits of 500 milliseconds";
    client.action(
        "busy",
        "quickjs:1",
        "function main() { for (;;); }",
        limits.clone(),
    );
    client.action(
        "idle",
        "quickjs:1",
        "function main() { return new Promise(resolve => setTimeout(resolve, 60000)) }",
        limits.clone(),
    );
    for name in ["busy", "idle"] {
        let answer = client.invoke(name, &json!({}));
        let record = answer.expect_failure(
            502,
            "action developer error",
            &json!(format!("{exceeded}.")),
        );
        assert!(record["duration"].as_u64().expect("a duration") >= 500);
        let timeout = json!({"key": "timeout", "value": true});
        assert!(
            record["annotations"]
                .as_array()
                .expect("annotations")
                .contains(&timeout)
        );
    }
    client.action("init", "quickjs:1", "for (;;);", limits);
    client.invoke("init", &json!({})).expect_failure(
        502,
        "action developer error",
        &json!(format!("{exceeded} during initialization.")),
    );
    client.expect_alive();
}

#[test]
fn an_action_that_allocates_without_end_is_stopped() {
    let owl = Setup::new().start();
    let client = owl.client();
    let code =
        "function main() { const all = []; for (;;) all.push('x'.repeat(100000) + all.length) }";
    client.action("greedy", "quickjs:1", code, json!({"memory": 128}));
    let answer = client.invoke("greedy", &json!({}));
    assert_eq!(answer.status, 502, "{answer}");
    assert_eq!(
        answer.json()["response"]["status"],
        "action developer error"
    );
    assert!(owl.peak_memory() < DAEMON_MEMORY, "{}", owl.peak_memory());
    client.expect_alive();
}

#[test]
fn an_action_that_prints_without_end_is_cut() {
    // 11.7-188
    let owl = Setup::new().start();
    let client = owl.client();
    let code = "function main() {
      const line = 'y'.repeat(1023)
      for (let n = 0; n < 102400; n++) console.log(line)
      return {}
    }";
    client.action("loud", "quickjs:1", code, json!({"logs": 1}));
    client.invoke("loud", &json!({})).expect_success();
    let id = client.fire("loud", &json!({}));
    let record = client.activation(&id);
    let logs = record["logs"].as_array().expect("logs");
    let last = logs
        .last()
        .and_then(|line| line.as_str())
        .expect("a last line");
    assert!(
        last.ends_with("stderr: Logs were truncated because the total bytes size exceeds the limit of 1048576 bytes."),
        "{last}"
    );
    let kept: usize = logs
        .iter()
        .map(|line| line.as_str().map_or(0, str::len))
        .sum();
    assert!(kept < 2 << 20, "{kept} bytes of log");
    assert!(owl.peak_memory() < DAEMON_MEMORY, "{}", owl.peak_memory());
    client.expect_alive();
}

#[test]
fn an_action_that_is_wrong_says_what_is_wrong() {
    // 11.7-175, 11.7-189
    let owl = Setup::new().start();
    let client = owl.client();
    for (name, code) in [
        ("syntax", "function main( {"),
        ("absent", "function other() {}"),
        ("throws", "function main() { throw new Error('boom') }"),
        ("number", "function main() { return 5 }"),
        ("deep", "function main() { return main() + 1 }"),
    ] {
        client.action(name, "quickjs:1", code, json!({}));
        let answer = client.invoke(name, &json!({}));
        assert_eq!(answer.status, 502, "{name}: {answer}");
        let record = answer.json();
        assert_eq!(
            record["response"]["status"], "action developer error",
            "{name}"
        );
        let error = record["response"]["result"]["error"].to_string();
        assert!(error.len() > 10, "{name}: {error}");
        let stored = client.activation(record["activationId"].as_str().expect("an id"));
        let logs = stored["logs"].as_array().expect("logs");
        let last = logs
            .last()
            .and_then(|line| line.as_str())
            .unwrap_or_default();
        assert!(
            last.ends_with(
                "The action did not initialize or run as expected. Log data might be missing."
            ),
            "{name}: {last}"
        );
    }
    // A promise that the action rejects is its own error, as in OpenWhisk's node.
    let code = "async function main() { throw new Error('boom') }";
    client.action("rejects", "quickjs:1", code, json!({}));
    let answer = client.invoke("rejects", &json!({}));
    assert_eq!(answer.status, 502, "{answer}");
    assert_eq!(answer.json()["response"]["status"], "application error");
    client.expect_alive();
}

#[test]
fn a_result_of_two_megabytes_is_cut() {
    // 11.7-184
    let owl = Setup::new().start();
    let client = owl.client();
    client.action(
        "big",
        "quickjs:1",
        "function main() { return { big: 'x'.repeat(2 << 20) } }",
        json!({}),
    );
    let answer = client.invoke("big", &json!({}));
    assert_eq!(answer.status, 502);
    let record = answer.json();
    assert_eq!(record["response"]["status"], "application error");
    let error = record["response"]["result"]["error"]
        .as_str()
        .expect("a text");
    assert!(error.starts_with("The action produced a response that exceeded the allowed length: "));
    assert!(error.ends_with("xxx"));
    client.expect_alive();
}

#[test]
fn an_action_sees_nothing_of_the_machine() {
    let owl = Setup::new().env("OWL_TEST_SECRET", "secret").start();
    let client = owl.client();
    let code = "function main() {
      return { variables: Object.keys(process.env).sort(), require: typeof require, os: typeof globalThis.os, std: typeof globalThis.std }
    }";
    client.action("curious", "quickjs:1", code, json!({}));
    let seen = client.invoke("curious", &json!({})).expect_success();
    assert!(!seen.to_string().contains("OWL_TEST_SECRET"), "{seen}");
    assert!(!seen.to_string().contains("DOCKER_HOST"), "{seen}");
    assert_eq!(
        (&seen["os"], &seen["std"]),
        (&json!("undefined"), &json!("undefined"))
    );
}
