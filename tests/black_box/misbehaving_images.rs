//! Images that misbehave, on the real engine: the scripted runtime of `tests/fake_runtime`
//! (reference sections 7.4 to 7.9 and 11.12).

use serde_json::{Value, json};

use crate::client::{Answer, Client};
use crate::daemon::{Daemon, Setup};
use crate::docker::{Network, docker, host};

/// More than this and the daemon holds what it should pass on or drop.
const DAEMON_MEMORY: u64 = 96 << 20;
const INVALID: &str = "The action did not produce a valid JSON or JSON Array response";

fn daemon() -> (Daemon, Client) {
    let owl = Setup::with_docker().one_at_a_time().start();
    let client = owl.client();
    client.action("fake", "fake:1", "{}", json!({"memory": 512}));
    (owl, client)
}

fn behave(client: &Client, mood: &str) -> Answer {
    client.invoke("fake", &json!({"do": mood}))
}

/// Which container answered, told by how often it was called.
fn runs(client: &Client) -> u64 {
    let seen = behave(client, "ok").expect_success();
    assert_eq!(seen["inits"], 1, "{seen}");
    seen["runs"].as_u64().expect("a number")
}

#[test]
fn init_and_run_say_what_the_protocol_wants() {
    // 11.7-180, 11.12-293, 11.12-294, 11.12-295, 11.12-296
    let owl = Setup::with_docker().one_at_a_time().start();
    let client = owl.client();
    let body = json!({
        "exec": {"kind": "fake:1", "code": "{}"},
        "parameters": [
            {"key": "text", "value": "t", "init": true},
            {"key": "none", "value": null, "init": true},
            {"key": "yes", "value": true, "init": true},
            {"key": "one", "value": 1, "init": true},
            {"key": "object", "value": {"a": [1]}, "init": true},
        ],
    });
    client.put("actions/protocol", &body);
    let seen = client.invoke("protocol", &json!({"x": 1})).expect_success();
    let init = &seen["init"]["value"];
    assert_eq!(init["name"], "protocol");
    assert_eq!(init["main"], "main");
    assert_eq!(init["binary"], false);
    assert_eq!(init["code"], "{}");
    let env = init["env"].as_object().expect("env");
    assert!(env.values().all(Value::is_string), "{env:?}");
    for (key, value) in [
        ("text", "t"),
        ("none", ""),
        ("yes", "true"),
        ("one", "1"),
        ("object", "{\"a\":[1]}"),
        ("__OW_NAMESPACE", "guest"),
        ("__OW_ACTION_NAME", "/guest/protocol"),
        ("__OW_ACTION_VERSION", "0.0.1"),
    ] {
        assert_eq!(env[key], value, "{key}");
    }
    for key in ["__OW_ACTIVATION_ID", "__OW_TRANSACTION_ID", "__OW_DEADLINE"] {
        assert!(env.contains_key(key), "{key}");
    }
    assert!(!env.contains_key("__OW_API_KEY"));
    let run = &seen["run"];
    assert_eq!(run["value"], json!({"x": 1}));
    assert_eq!(run["namespace"], "guest");
    assert_eq!(run["action_name"], "/guest/protocol");
    assert_eq!(run["activation_id"], env["__OW_ACTIVATION_ID"]);
    let deadline = run["deadline"].as_str().expect("a text");
    assert!(deadline.parse::<u64>().expect("milliseconds") > 1_000_000_000_000);
    assert!(run.get("api_key").is_none());
}

#[test]
fn good_answers_and_application_errors_keep_the_container() {
    // 11.7-177, 11.7-184, 11.12-297, 11.12-306
    let (_owl, client) = daemon();
    assert_eq!(runs(&client), 1);
    behave(&client, "app-error").expect_failure(502, "application error", &json!(1));
    let array = behave(&client, "array");
    assert_eq!((array.status, array.json()), (200, json!([1, {"a": 2}])));
    assert_eq!(
        behave(&client, "chunked").expect_success(),
        json!({"chunked": true})
    );
    assert_eq!(runs(&client), 5);
    let big = behave(&client, "big");
    assert_eq!(big.status, 502);
    let record = big.json();
    assert_eq!(record["response"]["status"], "application error");
    let length = 2 * 1_048_576 + r#"{"big":""}"#.len();
    assert_eq!(record["response"]["size"], length);
    let text = format!(
        "The action produced a response that exceeded the allowed length: {length} > 1048576 bytes. The truncated response was: {{\"big\":\"xxx"
    );
    let error = record["response"]["result"]["error"]
        .as_str()
        .expect("a text");
    assert!(error.starts_with(&text), "{}", &error[..200]);
    assert_eq!(runs(&client), 7);
}

#[test]
fn bad_answers_are_developer_errors_and_cost_the_container() {
    // 11.12-302, 11.12-303, 11.12-304, 11.12-305, 11.12-307
    let (_owl, client) = daemon();
    let exited = "The action did not produce a valid response and exited unexpectedly.";
    for (mood, error) in [
        ("error", json!("e")),
        ("error-object", json!({"a": 1})),
        ("bad", json!(format!("{INVALID}: x"))),
        ("bad-object", json!(format!("{INVALID}: {{\"x\":1}}"))),
        ("empty", json!(format!("{INVALID}."))),
        ("text", json!(format!("{INVALID}: x"))),
        ("string", json!(format!("{INVALID}: \"str\""))),
        ("number", json!(format!("{INVALID}: 5"))),
        ("drop", json!(exited)),
        ("cut", json!(exited)),
        ("garbage", json!(exited)),
        ("exit", json!(exited)),
    ] {
        let answer = behave(&client, mood);
        eprintln!("mood {mood}");
        answer.expect_failure(502, "action developer error", &error);
        assert_eq!(runs(&client), 1, "a new container after {mood}");
    }
}

#[test]
fn failures_of_init_are_told_apart() {
    // 11.7-186, 11.12-299, 11.12-300, 11.12-301
    let owl = Setup::with_docker().one_at_a_time().start();
    let client = owl.client();
    for (mood, error) in [
        ("error", json!("e")),
        ("bad", json!("The action failed during initialization: x")),
        (
            "drop",
            json!("The action did not initialize and exited unexpectedly."),
        ),
        (
            "exit",
            json!("The action did not initialize and exited unexpectedly."),
        ),
    ] {
        client.action(
            "init",
            "fake:1",
            &json!({"init": mood}).to_string(),
            json!({}),
        );
        eprintln!("mood {mood}");
        client
            .invoke("init", &json!({}))
            .expect_failure(502, "action developer error", &error);
    }
    client.action(
        "init",
        "fake:1",
        r#"{"init": "sleep"}"#,
        json!({"timeout": 1000}),
    );
    client.invoke("init", &json!({})).expect_failure(
        502,
        "action developer error",
        &json!("The action exceeded its time limits of 1000 milliseconds during initialization."),
    );
    client.expect_alive();
}

#[test]
fn a_container_that_shuts_down_hands_its_work_on() {
    let owl = Setup::with_docker().one_at_a_time().start();
    let client = owl.client();
    client.action("leaving", "fake:1", "{}", json!({}));
    client.invoke("leaving", &json!({})).expect_success();
    // The warm container answers 503 to every run of this argument, as does the next: it must
    // end in an answer, not in a circle.
    let answer = client.invoke("leaving", &json!({"do": "unavailable"}));
    assert!([500, 502, 503].contains(&answer.status), "{answer}");
    assert_eq!(
        client.invoke("leaving", &json!({})).expect_success()["runs"],
        1
    );
}

#[test]
fn a_warm_container_that_died_is_replaced_unseen() {
    // 11.12-308
    let network = Network::create("died");
    let owl = Setup::with_docker()
        .one_at_a_time()
        .env("OWL_NET_NAME", network.name())
        .start();
    let client = owl.client();
    client.action("fake", "fake:1", "{}", json!({}));
    assert_eq!(runs(&client), 1);
    for container in network.containers() {
        docker(&host(), &["kill", &container]);
    }
    assert_eq!(runs(&client), 1);
}

#[test]
fn an_action_that_never_answers_is_stopped() {
    // 11.7-185
    let owl = Setup::with_docker().one_at_a_time().start();
    let client = owl.client();
    client.action(
        "mute",
        "fake:1",
        r#"{"run": "sleep"}"#,
        json!({"timeout": 1000}),
    );
    let record = client.invoke("mute", &json!({})).expect_failure(
        502,
        "action developer error",
        &json!("The action exceeded its time limits of 1000 milliseconds."),
    );
    let timeout = json!({"key": "timeout", "value": true});
    assert!(
        record["annotations"]
            .as_array()
            .expect("annotations")
            .contains(&timeout)
    );
    assert_eq!(
        client.invoke("mute", &json!({"do": "ok"})).expect_success()["runs"],
        1
    );
}

#[test]
fn a_hundred_megabytes_of_log_are_cut() {
    // 11.7-188
    let owl = Setup::with_docker().one_at_a_time().start();
    let client = owl.client();
    client.action("loud", "fake:1", r#"{"run": "flood"}"#, json!({"logs": 1}));
    let answer = client.invoke("loud", &json!({}));
    answer.expect_success();
    let id = answer.json()["activationId"]
        .as_str()
        .expect("an id")
        .to_string();
    let record = client.activation(&id);
    let logs = record["logs"].as_array().expect("logs");
    let last = logs.last().and_then(Value::as_str).expect("a last line");
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
    assert_eq!(
        client.invoke("loud", &json!({"do": "ok"})).expect_success()["runs"],
        1
    );
}

#[test]
fn logs_without_an_end_are_marked() {
    let (_owl, client) = daemon();
    let answer = behave(&client, "no-sentinels");
    answer.expect_success();
    let id = answer.json()["activationId"]
        .as_str()
        .expect("an id")
        .to_string();
    let record = client.activation(&id);
    let text = record["logs"].to_string();
    assert!(text.contains("stdout: no end in sight"), "{text}");
    assert!(
        text.contains(
            "stderr: There was an issue while collecting your logs. Data might be missing."
        ),
        "{text}"
    );
    assert_eq!(runs(&client), 1, "a new container");
}

#[test]
fn an_action_that_forks_reaches_its_limit() {
    let (_owl, client) = daemon();
    let result = behave(&client, "fork").expect_success();
    let forked = result["forked"].as_u64().expect("a number");
    assert!((100..=1024).contains(&forked), "{forked} processes");
    client.expect_alive();
}

#[test]
fn an_action_that_allocates_without_end_is_killed() {
    // 11.7-187
    let owl = Setup::with_docker().one_at_a_time().start();
    let client = owl.client();
    client.action(
        "greedy",
        "fake:1",
        r#"{"run": "allocate"}"#,
        json!({"memory": 128}),
    );
    client.invoke("greedy", &json!({})).expect_failure(
        502,
        "action developer error",
        &json!("The action exhausted its memory and was aborted."),
    );
    assert_eq!(
        client
            .invoke("greedy", &json!({"do": "ok"}))
            .expect_success()["runs"],
        1
    );
}

#[test]
fn an_image_that_cannot_be_had_is_named() {
    // 11.7-201
    let owl = Setup::with_docker().one_at_a_time().start();
    let client = owl.client();
    // Nothing listens on port 1: no registry is asked.
    let image = "localhost:1/owl-test/no-such-image:test";
    let body = json!({"exec": {"kind": "blackbox", "image": image}});
    client.put("actions/absent", &body);
    let record = client.invoke("absent", &json!({})).expect_failure(
        502,
        "action developer error",
        &json!(format!("Failed to pull container image '{image}'.")),
    );
    assert_eq!(record["duration"], 0);
    client.action("kind", "nodejs:missing", "function main() {}", json!({}));
    let answer = client.invoke("kind", &json!({}));
    answer.expect_failure(
        500,
        "whisk internal error",
        &json!("Failed to provision resources to run the action."),
    );
    client.expect_alive();
}
