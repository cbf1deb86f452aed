//! What the server says about its master.

use super::*;

/// What `GET /` says of the master.
fn told(api: &Api) -> Value {
    api.get("/").value()["master"].clone()
}

#[test]
fn the_state_of_the_master_is_shown() {
    let reachable = Arc::new(AtomicBool::new(true));
    let (api, _) = with_master({
        let reachable = reachable.clone();
        move |_| match reachable.load(Ordering::Relaxed) {
            true => answer(404, json!({"error": "none", "code": "1"})),
            false => Play::Unreachable,
        }
    });
    let unknown = told(&api);
    assert_eq!(
        (&unknown["url"], &unknown["state"]),
        (&json!(URL), &json!("unknown"))
    );
    // A real answer, whatever it says.
    assert_eq!(api.get(&action("none")).status, 404);
    let up = told(&api);
    assert_eq!(up["state"], "up");
    assert!(up["last_answer"].is_string(), "{up}");

    reachable.store(false, Ordering::Relaxed);
    let lost = api.get("/api/v1/namespaces/_/strange");
    assert_eq!(lost.status, 503);
    assert!(lost.header("X-Owl-Offline").is_some());
    let down = told(&api);
    assert_eq!(down["state"], "down");
    assert_eq!(down["last_answer"], up["last_answer"]);
    assert_eq!(down["reason"], "it cannot be reached: connection refused");

    let metrics = Ask::new(Method::Get, "/metrics").send(&api).body;
    for line in [
        "owl_upstream_up{upstream=\"https://master\"} 0",
        "owl_upstream_requests_total{upstream=\"https://master\",end=\"unsent\"} 1",
        "owl_upstream_outages_total{upstream=\"https://master\"} 1",
    ] {
        assert!(
            metrics.lines().any(|found| found == line),
            "{line}: {metrics}"
        );
    }
}

#[test]
fn without_a_master_nothing_is_said_of_one() {
    let api = Api::new();
    let info = api.get("/").value();
    assert_eq!((info.get("master"), info.get("tiers")), (None, None));
    let metrics = Ask::new(Method::Get, "/metrics").send(&api).body;
    assert!(!metrics.contains("owl_upstream"), "{metrics}");
}
