//! An invocation on another OpenWhisk.

use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::Method;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use serde_json::value::RawValue;
use smol::Timer;

use super::answer::{Answer, Record};
use crate::entity::{ActivationId, Identity};
use crate::http::percent::encode;
use crate::upstream::{Judged, Outgoing, OutgoingBody, Upstream, UpstreamError, VIA, Whole};

/// Pauses between questions about an activation that has not ended: the first, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How long a tier may take to have the log of an activation that has ended.
const LOG_WAIT: Duration = Duration::from_secs(10);

/// Bytes of a record beside result and log.
const REST: u64 = 64 << 10;

/// What a tier is to run, and for whom.
pub struct Errand<'a> {
    /// Whose key it is done with.
    pub identity: &'a Identity,
    /// `ns/[package/]name` as the caller reached the action.
    pub path: &'a str,
    /// The payload as it came; parameters are merged there.
    pub payload: Option<&'a RawValue>,
    /// The OWLs that it has come through: the value of the header [`VIA`].
    pub via: &'a str,
    /// How long the answer may take: to start there, and to run.
    pub patience: Duration,
    /// How long it may take in all, with the wait there; beyond, the record is not asked for.
    pub limit: Duration,
    /// Bytes that result and log may have.
    pub most: u64,
}

/// Why a tier gave no result.
#[derive(Debug)]
pub enum Failure {
    /// It has not taken the invocation: why. Nothing was run.
    NotTaken(String),
    /// It may have run it: what is known.
    Unclear(String, Option<ActivationId>),
}

/// Has a tier run an action, and waits for the end.
///
/// # Errors
/// It has not, or that cannot be known.
pub async fn run(tier: &Upstream, errand: &Errand<'_>) -> Result<Record, Failure> {
    let begun = Instant::now();
    let (namespace, name) = errand.path.split_once('/').unwrap_or((errand.path, ""));
    let name: Vec<String> = name.split('/').map(encode).collect();
    let target = format!(
        "/api/v1/namespaces/{}/actions/{}?blocking=true",
        encode(namespace),
        name.join("/")
    );
    let mut request = request(errand.identity, errand.via, Method::POST, target);
    let payload = errand.payload.map_or("{}", RawValue::get);
    request.body = OutgoingBody::Whole(Bytes::copy_from_slice(payload.as_bytes()));
    let json = HeaderValue::from_static("application/json");
    request.headers.insert(CONTENT_TYPE, json);
    request.patience = errand.patience;
    // One that it does not take says nothing about whether it is there: it may be full, as this is.
    request.judged = Judged::Not;
    let answer = tier.fetch(request, errand.most + REST).await;
    let answer = answer.map_err(|error| match &error {
        UpstreamError::Broken(_) | UpstreamError::Abandoned(_) | UpstreamError::NoRoom(_) => {
            Failure::Unclear(error.to_string(), None)
        }
        UpstreamError::Down | UpstreamError::Unsent(_) | UpstreamError::Busy => {
            Failure::NotTaken(error.to_string())
        }
    })?;
    match read(&answer) {
        Answer::Ended(record) => Ok(*record),
        Answer::Running(id) => {
            let rest = errand.limit.saturating_sub(begun.elapsed());
            match record(tier, errand, id, rest).await.map(Answer::from) {
                Some(Answer::Ended(record)) => Ok(*record),
                Some(Answer::Refused(text)) => Err(Failure::NotTaken(text)),
                _ => {
                    let text = format!("it has no record of activation {id} yet");
                    Err(Failure::Unclear(text, Some(id)))
                }
            }
        }
        Answer::Refused(text) => Err(Failure::NotTaken(text)),
        Answer::Unclear(text) => Err(Failure::Unclear(text, None)),
    }
}

fn read(answer: &Whole) -> Answer {
    let id = answer.headers.get(ActivationId::HEADER);
    let id = id.and_then(|id| id.to_str().ok()?.parse().ok());
    Answer::read(answer.status.as_u16(), id, &answer.body)
}

/// The record of an activation on a tier, as soon as there is one; none if it takes longer than
/// `within`.
async fn record(
    tier: &Upstream,
    errand: &Errand<'_>,
    id: ActivationId,
    within: Duration,
) -> Option<Record> {
    let until = Instant::now() + within;
    let mut pause = FIRST_PAUSE;
    loop {
        let target = format!("/api/v1/namespaces/_/activations/{id}");
        let request = request(errand.identity, errand.via, Method::GET, target);
        match tier.fetch(request, errand.most + REST).await {
            Ok(answer) if answer.status.is_success() => {
                if let Some(record) = Record::read(&answer.body) {
                    return Some(record);
                }
            }
            // Not there yet, or out of reach for a while: it is running all the same.
            Ok(_) | Err(_) => {}
        }
        if Instant::now() + pause > until {
            return None;
        }
        Timer::after(pause).await;
        pause = (pause * 3 / 2).min(LONGEST_PAUSE);
    }
}

/// The log of an activation that has ended on a tier; empty if it does not come.
pub async fn logs(tier: &Upstream, errand: &Errand<'_>, id: ActivationId) -> Vec<String> {
    match record(tier, errand, id, LOG_WAIT).await {
        Some(record) => record.logs,
        None => {
            log::warn!(
                "{} has not given the log of its activation {id}",
                tier.url()
            );
            Vec::new()
        }
    }
}

/// A request for a caller.
fn request(identity: &Identity, via: &str, method: Method, target: String) -> Outgoing {
    let mut request = Outgoing::by(identity, method, target);
    if let Ok(via) = HeaderValue::from_str(via) {
        let name = HeaderName::from_static(VIA);
        request.headers.insert(name, via);
    }
    request
}
