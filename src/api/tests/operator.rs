//! Metrics, health, and what the operator may do (reference section 1.1).

use super::*;
use crate::api::Credentials;
use crate::metrics::Readers;

fn get(api: &Api, path: &str) -> Reply {
    Ask::new(Method::Get, path).no_key().send(api)
}

fn readable_by(readers: Readers) -> Api {
    let operations = Operations::new(Arc::default(), readers, None);
    Api::with_operations(Settings::default(), operations)
}

#[test]
fn metrics() {
    let api = Api::new();
    api.create("a");
    get(&api, &action("a")).refused(
        401,
        "The resource requires authentication, which was not supplied with the request",
    );
    let page = get(&api, "/metrics");
    assert_eq!(page.status, 200);
    assert_eq!(
        page.header("Content-Type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    for line in [
        "owl_http_requests_total{route=\"action\",method=\"PUT\",status=\"200\"} 1",
        "owl_http_requests_total{route=\"action\",method=\"GET\",status=\"401\"} 1",
        "owl_http_request_duration_seconds_count{route=\"action\"} 2",
        "owl_activations_total{status=\"whisk_internal_error\"} 0",
        "owl_pool_sandboxes{state=\"starting\"} 0",
        "owl_pool_starts_total{start=\"cold\"} 0",
        "owl_store_activations 0",
        "# TYPE owl_store_commits_total counter",
    ] {
        let found = page.body.lines().any(|found| found == line);
        assert!(found, "{line} is not in {}", page.body);
    }
    // Each family is begun once, and each sample belongs to the one before it.
    let mut family = "";
    let mut known = std::collections::HashSet::new();
    for line in page.body.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            family = rest.split(' ').next().unwrap();
            assert!(known.insert(family), "{family} is there twice");
        } else if !line.starts_with('#') {
            assert!(line.starts_with(family), "{line} is in {family}");
            let value = line.rsplit(' ').next().unwrap();
            assert!(value.parse::<f64>().is_ok(), "{line}");
        }
    }
}

#[test]
fn who_may_read_the_metrics() {
    let from = |api: &Api, peer| {
        let ask = Ask::new(Method::Get, "/metrics").no_key();
        ask.header("X-Forwarded-For", "127.0.0.1")
            .peer(peer)
            .send(api)
            .status
    };
    for (readers, here, elsewhere) in [
        (Readers::Loopback, 200, 404),
        (Readers::Everyone, 200, 200),
        (Readers::Nobody, 404, 404),
    ] {
        let api = readable_by(readers);
        assert_eq!(from(&api, "127.0.0.1:1"), here, "{readers:?}");
        assert_eq!(from(&api, "172.17.0.2:1"), elsewhere, "{readers:?}");
    }
}

#[test]
fn health() {
    let api = Api::new();
    // 11.1-23
    assert_eq!(get(&api, "/invokers/ready").body, r#"{"healthy":"1/1"}"#);
    api.script.in_flight.store(3, Ordering::Relaxed);
    for path in ["/activation", "/activation/count"] {
        assert_eq!(get(&api, path).value(), 3, "{path}");
    }
    api.script.accepts.store(false, Ordering::Relaxed);
    let ready = get(&api, "/invokers/ready");
    assert_eq!(
        (ready.status, &*ready.body),
        (500, r#"{"unhealthy":"0/1"}"#)
    );
    let invokers = get(&api, "/invokers").value();
    assert_eq!(invokers, json!({"invoker0/0": "unhealthy"}));
    assert_eq!(get(&api, "/invokers/healthy/count").value(), 0);
}

#[test]
fn without_an_operator_nobody_disables() {
    let api = Api::new();
    let text = "The requested resource could not be found.";
    let well_known = Ask::new(Method::Post, "/disable");
    let well_known = well_known.key("controller.user", "controller.pass");
    well_known.send(&api).refused(404, text);
    get(&api, "/disable").refused(404, text);
}

#[test]
fn disabled_by_the_operator() {
    let operator = Credentials::new("me:secret");
    let operations = Operations::new(Arc::default(), Readers::default(), operator);
    let api = Api::with_operations(Settings::default(), operations);
    api.create("a");
    let ask = || Ask::new(Method::Post, "/disable");
    for wrong in [ask().no_key(), ask(), ask().key("me", "other")] {
        let refused = wrong.send(&api);
        refused.refused(401, "username or password are wrong.");
        assert!(refused.header("WWW-Authenticate").is_some());
    }
    get(&api, "/disable").refused(405, "HTTP method not allowed, supported methods: POST");
    assert_eq!(api.post(&action("a"), json!({})).status, 202);
    let disabled = ask().key("me", "secret").send(&api);
    assert_eq!(
        (disabled.status, &*disabled.body),
        (200, "controller is disabled")
    );
    api.post(&action("a"), json!({})).refused(
        503,
        "The server is currently unavailable (because it is overloaded or down for maintenance).",
    );
    assert_eq!(api.script.calls.lock().unwrap().len(), 1);
    assert_eq!(get(&api, "/invokers/ready").status, 500);
    // What is there can still be read and changed.
    assert_eq!(api.get(&action("a")).status, 200);
    api.create("b");
}
