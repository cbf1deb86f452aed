//! What the server says about other OpenWhisks that it works with.

use std::time::{Instant, SystemTime};

use serde_json::{Value, json};

use super::State;
use crate::clock::iso_milliseconds;
use crate::upstream::Upstream;

/// The master and the tiers, each once.
pub(super) fn all(state: &State) -> Vec<&Upstream> {
    let master = state.master().map(|master| &master.upstream);
    master.into_iter().chain(tiers(state)).collect()
}

/// The tiers that are not the master.
fn tiers(state: &State) -> impl Iterator<Item = &Upstream> {
    let master = state.master().map(|master| master.upstream.url());
    let tiers = state.tiers().iter();
    tiers.filter(move |tier| Some(tier.url()) != master)
}

/// Adds them to what `GET /` tells.
pub(super) fn tell(state: &State, about: &mut Value) {
    if let Some(master) = state.master() {
        let mut told = info(&master.upstream);
        told["journal"] = json!({
            "waiting": master.journal.waiting(),
            "came_to_nothing": master.journal.ended(),
        });
        let elsewhere = master.journal.elsewhere();
        if elsewhere > 0 {
            told["journal"]["for_another_master"] = elsewhere.into();
        }
        told["fires"] = json!({"waiting": master.fires.waiting()});
        let elsewhere = master.fires.elsewhere();
        if elsewhere > 0 {
            told["fires"]["for_another_master"] = elsewhere.into();
        }
        about["master"] = told;
    }
    let tiers: Vec<Value> = tiers(state).map(info).collect();
    if !tiers.is_empty() {
        about["tiers"] = tiers.into();
    }
}

/// Where it is, whether it can be reached and since when, and when it last answered. Times are
/// told by the clock of now, which may have been set since then.
fn info(upstream: &Upstream) -> Value {
    let status = upstream.status();
    json!({
        "url": upstream.url(),
        "state": status.state.name(),
        "since": date(status.since),
        "last_answer": status.last_answer.map(date),
        "reason": status.reason,
    })
}

fn date(time: Instant) -> String {
    let now = SystemTime::now();
    iso_milliseconds(now.checked_sub(time.elapsed()).unwrap_or(now))
}

#[cfg(test)]
mod tests {
    use hyper::Method;

    use super::*;
    use crate::BoxFuture;
    use crate::metrics::Text;
    use crate::upstream::{self, Exchange, Incoming, Outgoing, UpstreamError};

    /// Reaches nothing.
    struct Nowhere;

    impl Exchange for Nowhere {
        fn send(&self, _: Outgoing) -> BoxFuture<'_, Result<Incoming, UpstreamError>> {
            Box::pin(async { Err(UpstreamError::Unsent("no route".into())) })
        }
    }

    #[test]
    fn what_is_told_of_an_outage() {
        let upstream = Upstream::new("http://master", Nowhere);
        let unknown = info(&upstream);
        assert_eq!(unknown["url"], "http://master");
        assert_eq!(unknown["state"], "unknown");
        let begun = unknown["since"].as_str().unwrap();
        assert!(begun.starts_with("20") && begun.ends_with('Z'), "{begun}");

        let request = Outgoing::new(Method::GET, "/");
        smol::block_on(upstream.send(request)).err().unwrap();
        let down = info(&upstream);
        assert_eq!(down["state"], "down");
        assert_eq!(down["last_answer"], Value::Null);
        assert_eq!(down["reason"], "it cannot be reached: no route");

        let mut text = Text::default();
        let other = Upstream::new("http://tier", Nowhere);
        upstream::write_metrics(&[&upstream, &other], &mut text);
        let text = text.finish();
        for line in [
            "owl_upstream_up{upstream=\"http://master\"} 0",
            "owl_upstream_up{upstream=\"http://tier\"} 1",
            "owl_upstream_requests_total{upstream=\"http://master\",end=\"unsent\"} 1",
            "owl_upstream_requests_total{upstream=\"http://tier\",end=\"unsent\"} 0",
            "owl_upstream_outages_total{upstream=\"http://master\"} 1",
            "owl_upstream_probes_total{upstream=\"http://master\"} 0",
            "owl_upstream_outage_seconds_total{upstream=\"http://master\"} 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}: {text}");
        }
    }
}
