//! What the operator of a gateway sees and does (reference section 1.1).

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use serde_json::json;
use surf::http::Method;

use crate::client::GUEST;
use crate::daemon::{Daemon, Setup};

/// Reads the metrics until a line is in them: records are counted after the answer is out.
pub fn expect_metric(owl: &Daemon, line: &str) {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let page = owl.client_with(None).get("/metrics");
        assert_eq!(page.status, 200, "{page}");
        let text = String::from_utf8(page.body).expect("UTF-8");
        if text.lines().any(|found| found == line) {
            return;
        }
        assert!(Instant::now() < deadline, "{line} is not in\n{text}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn metrics_tell_what_was_done() {
    let owl = Setup::new().start();
    let client = owl.client();
    client.action("a", "quickjs:1", "function main(a) { return a }", json!({}));
    client.invoke("a", &json!({})).expect_success();
    let failed = client.invoke("a", &json!({"error": "no"}));
    failed.expect_failure(502, "application error", &json!("no"));
    for line in [
        "owl_activations_total{status=\"success\"} 1",
        "owl_activations_total{status=\"application_error\"} 1",
        "owl_action_activations_total{action=\"guest/a\",status=\"application_error\"} 1",
        "owl_activation_init_seconds_count 1",
        "owl_activation_run_seconds_count 2",
        "owl_pool_starts_total{start=\"cold\"} 1",
        "owl_pool_starts_total{start=\"warm\"} 1",
        "owl_pool_sandboxes{state=\"idle\"} 1",
        "owl_pool_sandboxes{state=\"frozen\"} 0",
        "owl_pool_evictions_total{cause=\"room\"} 0",
        "owl_pool_memory_bytes 268435456",
        "owl_pool_memory_short 0",
        "owl_pool_engines_down 0",
        "owl_store_activations 2",
        "owl_store_pending 0",
        "owl_activations_in_flight 0",
        "owl_http_requests_total{route=\"action\",method=\"POST\",status=\"502\"} 1",
    ] {
        expect_metric(&owl, line);
    }
}

#[test]
fn metrics_can_be_switched_off() {
    let owl = Setup::new().env("OWL_METRICS", "off").start();
    assert_eq!(owl.client().get("/metrics").status, 404);
}

#[test]
fn a_gateway_without_a_place_for_a_sandbox_is_not_healthy() {
    let owl = Setup::new().env("OWL_HOST_CAPACITY", "0").start();
    let ready = owl.client().get("/invokers/ready");
    // 11.1-23
    assert_eq!(ready.status, 500);
    assert_eq!(ready.json(), json!({"unhealthy": "0/1"}));
}

#[test]
fn the_operator_stops_new_work() {
    let folder = tempfile::tempdir().expect("make a folder");
    let file = folder.path().join("operator");
    std::fs::write(&file, format!("{GUEST}\n")).expect("write the file");
    let mode = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(&file, mode).expect("close the file to others");
    let file = file.to_str().expect("UTF-8");
    let owl = Setup::new().env("OWL_OPERATOR_FILE", file).start();
    let client = owl.client();
    client.action("a", "quickjs:1", "function main() { return {} }", json!({}));
    let disable = client.send(Method::Post, "/disable", &[], None);
    assert_eq!(disable.status, 200, "{disable}");
    let refused = client.invoke("a", &json!({})).error(503);
    assert!(refused.starts_with("The server is currently unavailable"));
    assert_eq!(
        client.get("/invokers").json(),
        json!({"invoker0/0": "unhealthy"})
    );
    assert_eq!(client.get("actions/a").status, 200);
}
