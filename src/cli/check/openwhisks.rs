//! Whether the master and the tiers answer, and as an OpenWhisk does.

use std::time::{Duration, SystemTime};

use hyper::{Method, StatusCode};

use super::{Check, Outcome};
use crate::cli::upstreams::Upstreams;
use crate::config::Config;
use crate::entity::{Members, json};
use crate::upstream::{Outgoing, Upstream, Whole};

/// What is asked for: it needs no key (reference section 1.11).
const QUESTION: &str = "/api/v1";

/// Bytes that the answer may have.
const LONGEST: u64 = 1 << 20;

/// How far clocks may be from each other, as the answer tells the other's to the second.
const CLOCKS: Duration = Duration::from_secs(30);

/// A line for the master, if there is one, and for each tier that is another.
pub async fn check(config: &Config) -> Vec<Check> {
    let upstreams = match Upstreams::new(config) {
        Ok(upstreams) => upstreams,
        Err(error) => {
            let advice = "correct the setting".to_owned();
            return vec![Check::new(
                "master",
                Outcome::Bad(error.to_string(), advice),
            )];
        }
    };
    let mut checks = Vec::new();
    for upstream in upstreams.all() {
        let is_master = config.next_openwhisk.as_deref() == Some(upstream.url());
        let name = if is_master { "master" } else { "tier" };
        checks.push(Check::new(name, check_one(&upstream, config).await));
    }
    checks
}

async fn check_one(upstream: &Upstream, config: &Config) -> Outcome {
    let url = upstream.url();
    let question = Outgoing::new(Method::GET, QUESTION);
    match upstream.fetch(question, LONGEST).await {
        Ok(answer) => judge(url, &answer, config.upstream.insecure, SystemTime::now()),
        Err(error) => Outcome::Note(
            format!("{url}: {error}"),
            "make it reachable; until it is, the daemon serves what it has copied before"
                .to_owned(),
        ),
    }
}

/// What an answer at a time says.
fn judge(url: &str, answer: &Whole, insecure: bool, now: SystemTime) -> Outcome {
    let status = answer.status;
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        return Outcome::Note(
            format!("{url} answers {status}"),
            "look at what is wrong there".to_owned(),
        );
    }
    if status != StatusCode::OK || !is_object(&answer.body) {
        return Outcome::Bad(
            format!("{url} is no OpenWhisk: it answers GET {QUESTION} with {status}"),
            "name the URL that has /api/v1 below it".to_owned(),
        );
    }
    let date = answer.headers.get("date").and_then(|date| {
        let date = date.to_str().ok()?;
        httpdate::parse_http_date(date).ok()
    });
    if let Some((seconds, is_behind)) = date.and_then(|date| apart(now, date)) {
        let how = if is_behind { "behind" } else { "ahead of" };
        return Outcome::Note(
            format!("{url} answers, but this machine's clock is {seconds} s {how} its own"),
            "set the clocks: lists mix activations of both by their times".to_owned(),
        );
    }
    if url.starts_with("https://") && insecure {
        return Outcome::Note(
            format!("{url} answers, but anybody could in its place (OWL_INSECURE)"),
            "name its certificate or authority in OWL_CA_FILE instead".to_owned(),
        );
    }
    if !url.starts_with("https://") && !is_loopback(url) {
        return Outcome::Note(
            format!("{url} answers, but keys go to it unencrypted"),
            "use https:// unless the whole way to it is trusted".to_owned(),
        );
    }
    Outcome::Good(format!("{url} answers"))
}

/// Whether a body is a JSON object, as the API's description is.
fn is_object(body: &[u8]) -> bool {
    let document: Option<&serde_json::value::RawValue> = json::stored(body);
    document.is_some_and(|document| Members::of(document).is_ok())
}

/// By how many seconds the first clock is away from the other, and whether it is behind; none if
/// they agree.
fn apart(own: SystemTime, other: SystemTime) -> Option<(u64, bool)> {
    let (distance, is_behind) = match other.duration_since(own) {
        Ok(distance) => (distance, true),
        Err(error) => (error.duration(), false),
    };
    (distance > CLOCKS).then_some((distance.as_secs(), is_behind))
}

/// Whether a URL is one of this machine.
fn is_loopback(url: &str) -> bool {
    let uri: Option<hyper::Uri> = url.parse().ok();
    let host = uri.as_ref().and_then(|uri| uri.host()).unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    /// 2026-11-23 at noon.
    const NOON: u64 = 1_795_435_200;

    fn judged(url: &str, status: u16, body: &'static str, clock: u64, insecure: bool) -> Outcome {
        let date = UNIX_EPOCH + Duration::from_secs(NOON);
        let mut headers = hyper::HeaderMap::new();
        let date = httpdate::fmt_http_date(date).parse().unwrap();
        headers.insert("date", date);
        let answer = Whole {
            status: StatusCode::from_u16(status).unwrap(),
            headers,
            body: body.into(),
        };
        let now = UNIX_EPOCH + Duration::from_secs(clock);
        judge(url, &answer, insecure, now)
    }

    #[track_caller]
    fn noted(outcome: Outcome, expected: &str) {
        match outcome {
            Outcome::Note(found, _) => assert!(found.contains(expected), "{found}"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_openwhisk_that_answers() {
        for url in ["https://m", "http://127.0.0.1:3233", "http://[::1]:1"] {
            let outcome = judged(url, 200, "{}", NOON + 5, false);
            assert_eq!(outcome, Outcome::Good(format!("{url} answers")));
        }
        noted(judged("http://m", 200, "{}", NOON, false), "unencrypted");
        noted(judged("https://m", 200, "{}", NOON, true), "OWL_INSECURE");
        noted(judged("https://m", 503, "", NOON, false), "answers 503");
    }

    #[test]
    fn what_is_no_openwhisk() {
        for (status, body) in [(404, "{}"), (200, "<html>"), (302, ""), (401, "{}")] {
            let outcome = judged("https://m", status, body, NOON, false);
            assert!(matches!(outcome, Outcome::Bad(..)), "{outcome:?}");
        }
    }

    #[test]
    fn clocks_that_are_apart() {
        let told = |clock| judged("https://m", 200, "{}", clock, false);
        noted(told(NOON - 3600), "clock is 3600 s behind");
        noted(told(NOON + 60), "clock is 60 s ahead of");
        noted(told(0), "behind");
    }
}
