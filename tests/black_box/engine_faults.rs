//! The Docker Engine is not there, goes, and comes back.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::daemon::Setup;
use crate::docker::PrivateEngine;

const FAKE: &str = "owl-test/fake-runtime:test";

#[test]
fn without_an_engine_the_rest_works() {
    let owl = Setup::new()
        .env("DOCKER_HOST", "unix:///nonexistent/docker.sock")
        .start();
    let client = owl.client();
    client.action("docker", "fake:1", "{}", json!({}));
    let answer = client.invoke("docker", &json!({}));
    let told = answer.error(503);
    assert!(told.contains("Docker Engine"), "{told}");
    let id = answer.header("X-OpenWhisk-Activation-Id").expect("an id");
    let response = &client.activation(id)["response"];
    assert_eq!(response["status"], "whisk internal error");
    assert_eq!(response["result"]["error"], told);
    client.expect_alive();
}

#[test]
fn an_engine_may_stop_in_mid_run_and_come_back() {
    let engine = PrivateEngine::start(FAKE);
    let owl = Setup::with_docker()
        .env("DOCKER_HOST", engine.host())
        .env("OWL_RETRIES_NUMBER", "10")
        .start();
    let client = owl.client();
    client.action("fake", "fake:1", "{}", json!({}));
    client.invoke("fake", &json!({})).expect_success();
    let running = client.fire("fake", &json!({"do": "sleep"}));
    wait_until_started(&client);

    engine.stop();
    let record = client.activation(&running);
    let status = record["response"]["status"].as_str().expect("a status");
    assert!(
        ["action developer error", "whisk internal error"].contains(&status),
        "{record}"
    );
    assert!(
        record["response"]["result"]["error"].is_string(),
        "{record}"
    );
    // It waits for the engine as for a free sandbox, and is refused then.
    client.invoke("fake", &json!({})).expect_error(
        503,
        "The docker engine of this gateway does not answer. It was waited for 1 seconds \
         (OWL_RETRIES_NUMBER × OWL_RETRIES_TIMEOUT).",
    );
    client.expect_alive();

    engine.restart();
    let deadline = Instant::now() + Duration::from_secs(30);
    while client.invoke("fake", &json!({})).status != 200 {
        assert!(Instant::now() < deadline, "the engine is back but not used");
        thread::sleep(Duration::from_millis(200));
    }
}

/// The one sandbox is warm, so a second is a moment away at most.
fn wait_until_started(client: &crate::client::Client) {
    client.expect_alive();
    thread::sleep(Duration::from_millis(500));
}
