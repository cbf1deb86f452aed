//! What was set for one namespace, and that namespaces do not see each other.

use super::*;
use crate::entity::NamespaceLimits;

const LIMITS: &str = "/api/v1/namespaces/_/limits";

/// A server whose guest has these limits.
fn limited(limits: Value) -> Api {
    let api = Api::new();
    let limits: NamespaceLimits = serde_json::from_value(limits).unwrap();
    smol::block_on(api.store.set_limits("guest", &limits)).unwrap();
    api
}

fn with_limits(limits: Value) -> Value {
    json!({"exec": exec("1"), "limits": limits})
}

#[test]
fn limits_of_a_namespace_are_told() {
    // 11.1-25
    let api = limited(json!({
        "invocationsPerMinute": 5, "concurrentInvocations": 6, "firesPerMinute": 7,
        "minActionMemory": 129, "maxActionMemory": 256, "minActionLogs": 1, "maxActionLogs": 2,
        "minActionTimeout": 200, "maxActionTimeout": 300, "maxParameterSize": 10,
        "maxPayloadSize": 20, "truncationSize": 15, "allowedKinds": ["nodejs:20"], "storeActivations": false}));
    assert_eq!(
        api.get(LIMITS).value(),
        json!({"invocationsPerMinute": 5, "concurrentInvocations": 6, "firesPerMinute": 7,
            "minActionMemory": 129, "maxActionMemory": 256, "minActionLogs": 1,
            "maxActionLogs": 2, "minActionTimeout": 200, "maxActionTimeout": 300,
            "minActionConcurrency": 1, "maxActionConcurrency": 1, "maxParameterSize": "10 B",
            "maxActionInstances": 6, "maxPayloadSize": "20 B", "truncationSize": "15 B", "allowedKinds": ["nodejs:20"],
            "storeActivations": false})
    );
    // Sizes and ranges never go above the system's; rates may.
    let api = limited(
        json!({"invocationsPerMinute": 100_000, "maxActionMemory": 100_000,
        "maxPayloadSize": 1 << 30, "maxParameterSize": 1 << 30}),
    );
    let limits = api.get(LIMITS).value();
    assert_eq!(limits["invocationsPerMinute"], 100_000);
    assert_eq!(limits["maxActionMemory"], 512);
    assert_eq!(limits["maxPayloadSize"], "1048576 B");
    assert_eq!(limits["maxParameterSize"], "1048576 B");
    // The other namespace has none of them.
    let uuid = api.other_namespace();
    let ask = Ask::new(Method::Get, LIMITS).key(uuid, &"k".repeat(64));
    assert_eq!(ask.send(&api).value()["invocationsPerMinute"], 1000);
}

#[test]
fn actions_are_held_to_them() {
    let api = limited(json!({"minActionMemory": 200, "maxActionMemory": 250,
        "maxActionTimeout": 1000, "maxActionLogs": 1, "concurrentInvocations": 3}));
    // 11.3-83
    for (limits, text) in [
        (
            json!({"memory": 251}),
            "memory size 251 MB exceeds allowed threshold of 250 MB",
        ),
        (
            json!({"memory": 199}),
            "memory size 199 MB below allowed threshold of 200 MB",
        ),
        (
            json!({"timeout": 1001}),
            "duration 1001 milliseconds exceeds allowed threshold of 1000 milliseconds",
        ),
        (
            json!({"logs": 2}),
            "log size 2 MB exceeds allowed threshold of 1 MB",
        ),
        (
            json!({"instances": 4}),
            "Max action instance concurrency must not exceed your namespace concurrency of 3.",
        ),
    ] {
        api.put(&action("a"), with_limits(limits))
            .refused(400, text);
    }
    let edge = json!({"memory": 250, "timeout": 1000, "logs": 1, "instances": 3});
    assert_eq!(api.put(&action("a"), with_limits(edge)).status, 200);
    // An action that does not say is one that can run.
    assert_eq!(
        api.create("b")["limits"],
        json!({"timeout": 1000, "memory": 250, "logs": 1, "concurrency": 1})
    );
}

#[test]
fn kinds_of_a_namespace() {
    let api = limited(json!({"allowedKinds": ["quickjs:1", "blackbox"]}));
    // 11.3-86
    api.put(&action("a"), json!({"exec": exec("1")})).refused(
        403,
        "The supplied authentication is not authorized to access actions of kind 'nodejs:20'.",
    );
    let allowed = json!({"exec": {"kind": "quickjs:1", "code": "1"}});
    assert_eq!(api.put(&action("a"), allowed).status, 200);
}

#[test]
fn sizes_of_a_namespace() {
    let api = limited(json!({"maxParameterSize": 10, "maxPayloadSize": 20}));
    let parameter = |text: &str| json!([{"key": "k", "value": text}]);
    let body = |part: &str, text: &str| json!({"exec": exec("1"), part: parameter(text)});
    api.put(&action("a"), body("parameters", "12345678"))
        .refused(413, "parameters larger than allowed: 11 > 10 bytes.");
    api.put(&action("a"), body("annotations", "12345678"))
        .refused(413, "annotations larger than allowed: 11 > 10 bytes.");
    assert_eq!(
        api.put(&action("a"), body("parameters", "1234567")).status,
        200
    );
    // 11.7-182
    let post = |length: usize| {
        let body = format!("{{}}{}", " ".repeat(length - 2));
        Ask::new(Method::Post, &action("a"))
            .body("application/json", body)
            .send(&api)
    };
    post(21).refused(413, "Request larger than allowed: 21 > 20 bytes.");
    assert_eq!(post(20).status, 202);
}

#[test]
fn rates_of_a_namespace() {
    let api = limited(json!({"invocationsPerMinute": 0}));
    api.create("a");
    // 11.7-200
    api.post(&action("a"), json!({})).refused(
        429,
        "Too many requests in the last minute (count: 1, allowed: 0).",
    );
    let api = limited(json!({"concurrentInvocations": 2}));
    api.create("a");
    api.script.in_flight.store(2, Ordering::Relaxed);
    api.post(&action("a"), json!({})).refused(
        429,
        "Too many concurrent requests in flight (count: 2, allowed: 2).",
    );
    api.script.in_flight.store(1, Ordering::Relaxed);
    assert_eq!(api.post(&action("a"), json!({})).status, 202);
}

#[test]
fn a_blocked_namespace_has_no_key() {
    let api = Api::new();
    let web = json!({"exec": exec("1"), "annotations": [{"key": "web-export", "value": true}]});
    assert_eq!(api.put(&action("a"), web).status, 200);
    smol::block_on(api.store.block_key("guest", true)).unwrap();
    let invalid = "The supplied authentication is invalid";
    api.get("/api/v1/namespaces").refused(401, invalid);
    api.post(&action("a"), json!({})).refused(401, invalid);
    let web = "/api/v1/web/guest/default/a.json";
    let asked = Ask::new(Method::Get, web).no_key().send(&api);
    assert_eq!(asked.status, 404, "{}", asked.body);
    assert!(api.script.calls.lock().unwrap().is_empty());
    smol::block_on(api.store.block_key("guest", false)).unwrap();
    assert_eq!(api.get(&action("a")).status, 200);
    Ask::new(Method::Get, web).no_key().send(&api);
    assert_eq!(api.script.calls.lock().unwrap().len(), 1);
}
