//! Invocations on the process engine (reference sections 4 and 11.7).

use std::time::Instant;

use serde_json::{Value, json};
use surf::http::Method;

use crate::client::Client;
use crate::daemon::{Daemon, Setup};

fn daemon_with(name: &str, code: &str) -> (Daemon, Client) {
    let owl = Setup::new().one_at_a_time().start();
    let client = owl.client();
    client.action(name, "quickjs:1", code, json!({}));
    (owl, client)
}

pub fn annotation(record: &Value, key: &str) -> Option<Value> {
    let annotations = record["annotations"].as_array().expect("annotations");
    let entry = annotations.iter().find(|entry| entry["key"] == key)?;
    Some(entry["value"].clone())
}

#[test]
fn the_answer_depends_on_blocking_and_result() {
    // 11.7-164, 11.7-165, 11.7-166, 11.7-167
    let (_owl, client) = daemon_with("echo", "function main(a) { return a }");
    for query in [
        "",
        "?blocking=false",
        "?result=true",
        "?blocking=no&result=yes",
    ] {
        let answer = client.post(&format!("actions/echo{query}"), &json!({"a": 1}));
        assert_eq!(answer.status, 202, "{query}");
        let body = answer.json();
        let id = body["activationId"].as_str().expect("an id");
        assert_eq!(body, json!({ "activationId": id }), "{query}");
        assert!(
            id.len() == 32 && id.chars().all(|c| c.is_ascii_hexdigit()),
            "{id}"
        );
        assert_eq!(answer.header("x-openwhisk-activation-id"), Some(id));
        let record = client.activation(id);
        assert_eq!(record["response"]["result"], json!({"a": 1}));
    }
    let answer = client.post("actions/echo?blocking=true", &json!({"b": [1.50, "é"]}));
    let record = answer.json();
    assert_eq!(record["response"]["result"], json!({"b": [1.50, "é"]}));
    assert_eq!(record["response"]["success"], true);
    assert_eq!(record["logs"], json!([]));
    assert!(record["response"].get("statusCode").is_none());
    assert_eq!(
        answer.header("x-openwhisk-activation-id"),
        record["activationId"].as_str()
    );
    let answer = client.post(
        "actions/echo?blocking=true&result=true",
        &json!({"c": null}),
    );
    assert_eq!((answer.status, answer.json()), (200, json!({"c": null})));
}

#[test]
fn numbers_come_back_as_they_were_sent() {
    let owl = Setup::with_docker().start();
    let client = owl.client();
    client.action("raw", "fake:1", "{}", json!({}));
    let body = br#"{"big":123456789012345678901234567890,"exact":1.10,"exp":1E5}"#.to_vec();
    let path = "actions/raw?blocking=true&result=true";
    let answer = client.send(Method::Post, path, &[], Some(("application/json", body)));
    // Python writes back what it read: a float changes there, a big integer does not.
    assert_eq!(answer.status, 200, "{answer}");
    let text = String::from_utf8_lossy(&answer.body).to_string();
    assert!(text.contains("123456789012345678901234567890"), "{text}");
}

#[test]
fn bodies_that_are_no_object_are_refused() {
    // 11.7-168, 11.7-169, 11.7-170
    let (_owl, client) = daemon_with("echo", "function main(a) { return a }");
    let post = |content_type: &str, body: &str| {
        let body = Some((content_type, body.as_bytes().to_vec()));
        client.send(
            Method::Post,
            "actions/echo?blocking=true&result=true",
            &[],
            body,
        )
    };
    for body in ["[1]", "\"text\"", "5", "null"] {
        post("application/json", body).expect_error(
            400,
            "The request content was malformed:\nJSON object expected",
        );
    }
    let broken = post("application/json", "{\"a\":").error(400);
    assert!(
        broken.starts_with("The request content was malformed:\n"),
        "{broken}"
    );
    post("text/plain", "hello").error(415);
    assert_eq!(post("application/json", "").json(), json!({}));
    let path = "actions/echo?blocking=true&result=true";
    assert_eq!(client.send(Method::Post, path, &[], None).json(), json!({}));
}

#[test]
fn waiting_ends_with_the_timeout_and_the_activation_goes_on() {
    // 11.7-171, 11.7-172
    let (_owl, client) = daemon_with("slow", SLOW);
    for timeout in ["0", "65000", "-1", "soon"] {
        for blocking in ["true", "false"] {
            let path = format!("actions/slow?blocking={blocking}&timeout={timeout}");
            client.post(&path, &json!({})).expect_error(
                400,
                "The query parameter 'timeout' was malformed:\nTimeout must be number of milliseconds up to 60000.",
            );
        }
    }
    let started = Instant::now();
    let answer = client.post("actions/slow?blocking=true&timeout=100", &json!({}));
    assert_eq!(answer.status, 202, "{answer}");
    assert!(
        started.elapsed().as_millis() < 2500,
        "it waited for the action"
    );
    let id = answer.json()["activationId"]
        .as_str()
        .expect("an id")
        .to_string();
    let record = client.activation(&id);
    assert_eq!(record["response"]["result"], json!({"done": true}));
    assert!(record["duration"].as_u64().expect("a duration") >= 3000);
}

const SLOW: &str = "function main() {
  return new Promise(resolve => setTimeout(() => resolve({ done: true }), 3000))
}";

#[test]
fn results_with_an_error_answer_502() {
    // 11.7-174, 11.7-178
    let (_owl, client) = daemon_with(
        "fails",
        "function main(a) { return { error: a.with, other: 1 } }",
    );
    for error in [json!("text"), json!(5), json!(true), json!({"deep": [1]})] {
        let answer = client.invoke("fails", &json!({"with": error}));
        answer.expect_failure(502, "application error", &error);
        let answer = client.post(
            "actions/fails?blocking=true&result=true",
            &json!({"with": error}),
        );
        assert_eq!(
            (answer.status, answer.json()),
            (502, json!({ "error": error }))
        );
    }
}

#[test]
fn an_array_comes_back_bare() {
    // 11.7-177
    let (_owl, client) = daemon_with("array", "function main() { return [1, { a: 2 }] }");
    for query in ["blocking=true", "blocking=true&result=true"] {
        let answer = client.post(&format!("actions/array?{query}"), &json!({}));
        assert_eq!((answer.status, answer.json()), (200, json!([1, {"a": 2}])));
    }
}

#[test]
fn parameters_are_merged_and_some_are_final() {
    // 11.7-180, 11.7-181
    let owl = Setup::new().start();
    let client = owl.client();
    let code = "function main(a) { return { arguments: a, variable: process.env.secret || null } }";
    let put = |annotations: Value| {
        let body = json!({
            "exec": {"kind": "quickjs:1", "code": code},
            "parameters": [
                {"key": "a", "value": 1},
                {"key": "open", "value": null},
                {"key": "secret", "value": {"x": 1}, "init": true},
            ],
            "annotations": annotations,
        });
        assert_eq!(
            client.put("actions/merge?overwrite=true", &body).status,
            200
        );
    };
    put(json!([]));
    assert_eq!(
        client.invoke("merge", &json!({"b": 2})).expect_success(),
        json!({"arguments": {"a": 1, "open": null, "b": 2}, "variable": "{\"x\":1}"})
    );
    let result = client
        .invoke("merge", &json!({"a": {"own": true}}))
        .expect_success();
    assert_eq!(result["arguments"]["a"], json!({"own": true}));

    put(json!([{"key": "final", "value": true}]));
    client.invoke("merge", &json!({"a": 3})).expect_error(
        400,
        "Request defines parameters that are not allowed (e.g., reserved properties).",
    );
    let result = client.invoke("merge", &json!({"open": 5})).expect_success();
    assert_eq!(result["arguments"]["open"], 5);
}

#[test]
fn a_record_tells_cold_from_warm_and_a_new_version_starts_cold() {
    // 11.7-190, 11.7-191
    let (_owl, client) = daemon_with("warm", "let n = 0; function main() { return { n: ++n } }");
    let first = client.invoke("warm", &json!({})).json();
    let second = client.invoke("warm", &json!({})).json();
    assert!(annotation(&first, "initTime").is_some());
    assert!(annotation(&second, "initTime").is_none());
    assert_eq!(second["response"]["result"], json!({"n": 2}));
    for record in [&first, &second] {
        assert_eq!(annotation(record, "path"), Some(json!("guest/warm")));
        assert_eq!(annotation(record, "kind"), Some(json!("quickjs:1")));
        assert_eq!(annotation(record, "timeout"), Some(json!(false)));
        assert!(annotation(record, "waitTime").expect("waitTime").is_u64());
        let limits = json!({"timeout": 60000, "memory": 256, "logs": 10, "concurrency": 1});
        assert_eq!(annotation(record, "limits"), Some(limits));
    }
    client.action(
        "warm",
        "quickjs:1",
        "function main() { return { new: 1 } }",
        json!({}),
    );
    let third = client.invoke("warm", &json!({}));
    assert_eq!(third.expect_success(), json!({"new": 1}));
    assert!(annotation(&third.json(), "initTime").is_some());
    assert_eq!(third.json()["version"], "0.0.2");
}

#[test]
fn the_api_key_is_given_only_where_asked() {
    // 11.7-196
    let owl = Setup::new().start();
    let client = owl.client();
    let code = "function main() { return { key: process.env.__OW_API_KEY || null } }";
    for (provide, given) in [(false, false), (true, true)] {
        let body = json!({
            "exec": {"kind": "quickjs:1", "code": code},
            "annotations": [{"key": "provide-api-key", "value": provide}],
        });
        client.put("actions/key?overwrite=true", &body);
        let result = client.invoke("key", &json!({})).expect_success();
        assert_eq!(result["key"].is_string(), given, "{result}");
    }
}

#[test]
fn logs_are_lines_with_time_and_stream() {
    // 11.7-194, 11.7-195
    let code = "function main() { console.log('één'); console.error('two\\nthree'); return {} }";
    let (_owl, client) = daemon_with("logs", code);
    let id = client.fire("logs", &json!({}));
    let record = client.activation(&id);
    let logs: Vec<&str> = record["logs"]
        .as_array()
        .expect("logs")
        .iter()
        .map(|line| line.as_str().expect("a text"))
        .collect();
    let texts: Vec<&str> = logs.iter().map(|line| &line[31..]).collect();
    assert_eq!(texts, ["stdout: één", "stderr: two", "stderr: three"]);
    assert!(
        logs.iter()
            .all(|line| line.as_bytes()[10] == b'T' && line[..30].trim_end().ends_with('Z'))
    );
    assert_eq!(
        client.get(&format!("activations/{id}/logs")).json(),
        json!({ "logs": logs })
    );
}
