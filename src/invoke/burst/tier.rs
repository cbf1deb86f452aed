//! An invocation on another OpenWhisk.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::Method;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use serde_json::value::RawValue;
use smol::Timer;

use super::answer::{Answer, Record};
use crate::entity::ActivationId;
use crate::http::percent::encode;
use crate::invoke::Call;
use crate::invoke::budget::Budget;
use crate::upstream::{Judged, Outgoing, OutgoingBody, Upstream, UpstreamError, VIA, Whole};

/// Pauses between questions about an activation that has not ended: the first, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How long a tier may take to have the log of an activation that has ended.
const LOG_WAIT: Duration = Duration::from_secs(10);

/// How long an OpenWhisk holds the answer to a blocking invocation (reference section 4.2).
const HELD: Duration = Duration::from_secs(60);

/// Bytes of a record beside result and log.
const REST: u64 = 64 << 10;

/// Bytes of an answer that count against what all answers may hold.
const LARGE_ANSWER: u64 = 64 << 10;

/// How often an answer is in memory: as it came, and what is read of it.
const COPIES: u64 = 2;

/// What a tier is to run, and for whom.
pub struct Errand<'a> {
    /// What is invoked. The payload goes as it came; parameters are merged there.
    pub call: &'a Arc<Call>,
    /// `ns/[package/]name` as the caller reached the action.
    pub path: &'a str,
    /// The OWLs that it has come through: the value of the header [`VIA`].
    pub via: &'a str,
    /// Whether somebody waits for the result. Where nobody does, the tier is asked for an id
    /// first, under which the result is found also after a restart.
    pub waits: bool,
    /// How long it may take in all, with the wait there; beyond, the record is not asked for.
    pub limit: Duration,
    /// Bytes that result and log may have.
    pub most: u64,
    /// What all answers may hold.
    pub answers: &'a Budget,
}

/// What a tier has made of an invocation.
pub enum Taken {
    /// It has ended.
    Ended(Box<Record>),
    /// It runs, or will.
    Running(ActivationId),
}

/// Why a tier gave no result.
#[derive(Debug)]
pub enum Failure {
    /// It has not taken the invocation: why. Nothing was run.
    NotTaken(String),
    /// It has not taken the invocation because of the caller's key: what it says.
    Stranger(String),
    /// It may have run it: what is known.
    Unclear(String, Option<ActivationId>),
}

/// Has a tier run an action.
///
/// # Errors
/// It does not, or that cannot be known.
pub async fn send(tier: &Upstream, errand: &Errand<'_>) -> Result<Taken, Failure> {
    let (namespace, name) = errand.path.split_once('/').unwrap_or((errand.path, ""));
    let name: Vec<String> = name.split('/').map(encode).collect();
    let target = format!(
        "/api/v1/namespaces/{}/actions/{}{}",
        encode(namespace),
        name.join("/"),
        if errand.waits { "?blocking=true" } else { "" },
    );
    let mut request = request(errand, Method::POST, target);
    request.body = OutgoingBody::Whole(match &errand.call.payload {
        Some(_) => Bytes::from_owner(Payload(errand.call.clone())),
        None => Bytes::from_static(b"{}"),
    });
    let json = HeaderValue::from_static("application/json");
    request.headers.insert(CONTENT_TYPE, json);
    if errand.waits {
        request.patience = HELD;
    }
    // One that it does not take says nothing about whether it is there: it may be full, as this is.
    request.judged = Judged::ByInvocation;
    let answer = fetch(tier, errand, request).await;
    let answer = answer.map_err(|error| match &error {
        UpstreamError::Broken(_) | UpstreamError::Abandoned(_) | UpstreamError::NoRoom(_) => {
            Failure::Unclear(error.to_string(), None)
        }
        UpstreamError::Down | UpstreamError::Unsent(_) | UpstreamError::Busy => {
            Failure::NotTaken(error.to_string())
        }
    })?;
    match read(&answer) {
        Answer::Ended(record) => Ok(Taken::Ended(record)),
        Answer::Running(id) => Ok(Taken::Running(id)),
        Answer::Refused(text) => Err(Failure::NotTaken(text)),
        Answer::Stranger(text) => Err(Failure::Stranger(text)),
        Answer::Unclear(text) => Err(Failure::Unclear(text, None)),
    }
}

/// Waits for the end of an activation that a tier has taken, no longer than `within`.
///
/// # Errors
/// It could not be run there, or what has become of it is not known.
pub async fn outcome(
    tier: &Upstream,
    errand: &Errand<'_>,
    id: ActivationId,
    within: Duration,
) -> Result<Record, Failure> {
    match record(tier, errand, id, within).await.map(Answer::from) {
        Some(Answer::Ended(record)) => Ok(*record),
        Some(Answer::Refused(text)) => Err(Failure::NotTaken(text)),
        _ => {
            let text = format!("it has no record of activation {id} yet");
            Err(Failure::Unclear(text, Some(id)))
        }
    }
}

/// The payload of a call, which stays where it is while it is sent.
struct Payload(Arc<Call>);

impl AsRef<[u8]> for Payload {
    fn as_ref(&self) -> &[u8] {
        let payload = self.0.payload.as_deref();
        payload.map_or("{}", RawValue::get).as_bytes()
    }
}

/// Sends a request, and takes its answer when there is room for it: many that are large may come
/// at the same time. The room is the call's until its record is stored.
async fn fetch(
    tier: &Upstream,
    errand: &Errand<'_>,
    request: Outgoing,
) -> Result<Whole, UpstreamError> {
    let most = errand.most + REST;
    let room = async |length: Option<u64>| {
        let length = length.unwrap_or(most).min(most);
        let is_counted = length >= LARGE_ANSWER && !errand.call.sent.has_room();
        match is_counted {
            true => Some(errand.answers.wait(length * COPIES).await),
            false => None,
        }
    };
    let (answer, room) = tier.fetch_into(request, most, room).await?;
    if let Some(room) = room
        && answer.body.len() as u64 >= LARGE_ANSWER
    {
        errand.call.sent.keep(room);
    }
    Ok(answer)
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
        let request = request(errand, Method::GET, target);
        match fetch(tier, errand, request).await {
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
fn request(errand: &Errand<'_>, method: Method, target: String) -> Outgoing {
    let mut request = Outgoing::by(&errand.call.identity, method, target);
    if let Ok(via) = HeaderValue::from_str(errand.via) {
        let name = HeaderName::from_static(VIA);
        request.headers.insert(name, via);
    }
    request
}
