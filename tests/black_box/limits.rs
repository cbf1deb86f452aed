//! Limits of actions, sizes and throttles (reference sections 1.9, 1.13 and 2.2.2).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::daemon::Setup;

const CODE: &str = "function main(a) { return a }";

#[test]
fn limits_out_of_range_are_refused() {
    // 11.3-77, 11.3-78, 11.3-79, 11.3-80, 11.3-81, 11.3-82, 11.3-84
    let owl = Setup::new().start();
    let put = |limits: Value| {
        let body = json!({"exec": {"kind": "quickjs:1", "code": CODE}, "limits": limits});
        owl.client().put("actions/limited?overwrite=true", &body)
    };
    for (limits, message) in [
        (
            json!({"memory": 513}),
            "memory size 513 MB exceeds allowed threshold of 512 MB",
        ),
        (
            json!({"memory": 127}),
            "memory size 127 MB below allowed threshold of 128 MB",
        ),
        (
            json!({"timeout": 300_001}),
            "duration 300001 milliseconds exceeds allowed threshold of 300000 milliseconds",
        ),
        (
            json!({"timeout": 99}),
            "duration 99 milliseconds below allowed threshold of 100 milliseconds",
        ),
        (
            json!({"logs": 11}),
            "log size 11 MB exceeds allowed threshold of 10 MB",
        ),
        (
            json!({"concurrency": 2}),
            "concurrency 2 exceeds allowed threshold of 1",
        ),
        (
            json!({"concurrency": 0}),
            "concurrency 0 below allowed threshold of 1",
        ),
        (
            json!({"memory": "256"}),
            "The request content was malformed:\nmemory limit malformed",
        ),
        (
            json!({"timeout": 1.5}),
            "The request content was malformed:\nrequirement failed: time limit must be whole number",
        ),
    ] {
        put(limits).expect_error(400, message);
    }
    for limits in [
        json!({"timeout": 100, "memory": 128, "logs": 0, "concurrency": 1}),
        json!({"timeout": 300_000, "memory": 512, "logs": 10}),
    ] {
        assert_eq!(put(limits).status, 200);
    }
}

#[test]
fn oversized_parts_of_an_action_are_refused() {
    // 11.3-74, 11.3-75, 11.3-76
    let owl = Setup::new().start();
    let put = |body: Value| owl.client().put("actions/large", &body);
    let exec = json!({"kind": "quickjs:1", "code": CODE});
    let large = json!([{"key": "k", "value": "v".repeat(1_048_576)}]);
    // One byte of the key, and the quotation marks of the value.
    let size = 1_048_576 + 3;
    for part in ["parameters", "annotations"] {
        put(json!({"exec": exec, part: large})).expect_error(
            413,
            &format!("{part} larger than allowed: {size} > 1048576 bytes."),
        );
    }
    let code = "x".repeat(48 * 1_048_576 + 1);
    put(json!({"exec": {"kind": "quickjs:1", "code": code}}))
        .expect_error(413, "exec larger than allowed: 50331649 > 50331648 bytes.");
    owl.client().expect_alive();
}

#[test]
fn a_payload_of_just_under_a_megabyte_passes_and_more_is_refused() {
    // 11.7-182, 11.7-183
    let owl = Setup::new().start();
    let client = owl.client();
    client.action("echo", "quickjs:1", CODE, json!({}));
    let payload = json!({"text": "é".repeat((1_048_576 - 750) / 2)});
    assert_eq!(client.invoke("echo", &payload).expect_success(), payload);
    let payload = json!({"text": "x".repeat(1_048_576)});
    let size = payload.to_string().len();
    client.invoke("echo", &payload).expect_error(
        413,
        &format!("Request larger than allowed: {size} > 1048576 bytes."),
    );
}

#[test]
fn invocations_beyond_the_rate_are_refused() {
    // 11.7-200
    let owl = Setup::new().env("OWL_INVOCATIONS_PER_MINUTE", "3").start();
    let client = owl.client();
    client.action("echo", "quickjs:1", CODE, json!({}));
    wait_for_a_whole_minute(Duration::from_secs(20));
    for _ in 0..3 {
        client.invoke("echo", &json!({})).expect_success();
    }
    client.invoke("echo", &json!({})).expect_error(
        429,
        "Too many requests in the last minute (count: 4, allowed: 3).",
    );
    // What is counted comes before what is looked up.
    client.invoke("missing", &json!({})).error(429);
    assert_eq!(client.get("actions/echo").status, 200);
}

/// Windows are aligned to the minute of the clock: waits for the next one if the present one ends
/// too soon.
fn wait_for_a_whole_minute(needed: Duration) {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a clock after 1970");
    let left = Duration::from_secs(60 - now.as_secs() % 60);
    if left < needed {
        std::thread::sleep(left);
    }
}

#[test]
fn invocations_beyond_the_concurrency_are_refused() {
    // 11.7-200
    let owl = Setup::new().env("OWL_CONCURRENT_INVOCATIONS", "1").start();
    let client = owl.client();
    client.action("slow", "quickjs:1", SLOW, json!({}));
    let id = client.fire("slow", &json!({"milliseconds": 5000}));
    client.invoke("slow", &json!({})).expect_error(
        429,
        "Too many concurrent requests in flight (count: 1, allowed: 1).",
    );
    assert_eq!(client.activation(&id)["response"]["status"], "success");
    client.invoke("slow", &json!({})).expect_success();
}

#[test]
fn a_call_that_has_its_answer_is_not_in_flight() {
    let owl = Setup::new().env("OWL_CONCURRENT_INVOCATIONS", "1").start();
    let client = owl.client();
    client.action("echo", "quickjs:1", CODE, json!({}));
    for _ in 0..50 {
        client.invoke("echo", &json!({})).expect_success();
    }
}

const SLOW: &str = "function main(a) {
  return new Promise(resolve => setTimeout(() => resolve({}), a.milliseconds || 0))
}";

#[test]
fn a_gateway_without_capacity_says_so_and_keeps_no_record() {
    let owl = Setup::new().env("OWL_HOST_CAPACITY", "0").start();
    let client = owl.client();
    client.action("waits", "quickjs:1", CODE, json!({}));
    for path in ["actions/waits", "actions/waits?blocking=true"] {
        client.post(path, &json!({})).expect_error(
            503,
            "This gateway does not run actions (its host capacity is 0).",
        );
    }
    assert_eq!(client.get("activations").json(), json!([]));
}

#[test]
fn a_full_queue_refuses_and_the_rest_goes_on() {
    let owl = Setup::new()
        .one_at_a_time()
        .env("OWL_QUEUE_LENGTH", "1")
        .start();
    let client = owl.client();
    let slow = "function main() { return new Promise(done => setTimeout(done, 1500, {slept: 1})) }";
    client.action("slow", "quickjs:1", slow, json!({}));
    let accepted = [
        client.fire("slow", &json!({})),
        client.fire("slow", &json!({})),
    ];
    client.post("actions/slow", &json!({})).expect_error(
        429,
        "All sandboxes of this gateway are busy, and as many invocations wait as may (1).",
    );
    for id in accepted {
        let record = client.activation(&id);
        assert_eq!(record["response"]["result"], json!({"slept": 1}));
    }
}
