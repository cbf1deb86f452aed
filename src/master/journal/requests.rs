//! What is asked of the master about an entry, and what its answers mean.

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, StatusCode};
use serde::Deserialize;

use super::entry::{Entry, Operation};
use super::machine::{Answer, Delay, Sight};
use super::same;
use super::stamp::Stamp;
use crate::entity::{Identity, is_told_of, json};
use crate::master::copies::NO_ROUTE;
use crate::upstream::{Outgoing, OutgoingBody, Upstream, UpstreamError, Via, Whole};

/// Longest answer that is read: an action with its code.
pub const MAX_ANSWER: u64 = 64 << 20;

/// Longest text of the master that is kept as a reason.
const MAX_REASON: usize = 500;

/// What is asked, and of whom.
pub struct Requests {
    /// The master.
    pub upstream: Upstream,
    /// How this gateway marks what it sends.
    pub via: Via,
}

impl Requests {
    /// Looks at what the master has.
    pub async fn look(
        &self,
        identity: &Identity,
        entry: &Entry,
        body: &[u8],
        fully: bool,
    ) -> Sight {
        let mut request = Outgoing::by(identity, Method::GET, entry.shown_at(fully));
        self.via.mark(&mut request.headers);
        match self.upstream.fetch(request, MAX_ANSWER).await {
            Ok(answer) => sight(entry, body, answer),
            Err(error) => Sight::Trouble(unreachable(&error)),
        }
    }

    /// Sends the write.
    pub async fn send(&self, identity: &Identity, entry: &Entry, body: Bytes) -> Answer {
        let mut request = Outgoing::by(identity, entry.operation.method(), entry.target());
        self.via.mark(&mut request.headers);
        if !body.is_empty() {
            let json = HeaderValue::from_static("application/json");
            request.headers.insert(CONTENT_TYPE, json);
            request.body = OutgoingBody::Whole(body);
        }
        match self.upstream.fetch(request, MAX_ANSWER).await {
            Ok(answer) => outcome(entry, answer),
            Err(error) => Answer::Trouble(unreachable(&error)),
        }
    }
}

fn sight(entry: &Entry, body: &[u8], answer: Whole) -> Sight {
    let other = other_of(entry, &answer.body);
    match answer.status {
        StatusCode::OK => match stamp(entry, &answer) {
            // Through a binding.
            None if other.is_some() => Sight::Refused(format!(
                "the master has something else there: {}",
                other.unwrap_or_default()
            )),
            Some(stamp) => Sight::Present {
                stamp,
                same: same::shows(entry, body, &answer.body),
                document: answer.body,
            },
            None => Sight::Trouble(Delay::Unreachable(no_openwhisk(&answer))),
        },
        status => match delay(status, &answer) {
            Some(delay) => Sight::Trouble(delay),
            None if status == StatusCode::NOT_FOUND => Sight::Absent,
            None => Sight::Refused(reason(&answer)),
        },
    }
}

/// What a document is of, if that is not the entry's entity.
fn other_of(entry: &Entry, document: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        namespace: String,
        name: String,
    }
    let named: Named = json::stored(document)?;
    let path = format!("{}/{}", named.namespace, named.name);
    (path != entry.path).then_some(path)
}

fn outcome(entry: &Entry, answer: Whole) -> Answer {
    if answer.status.is_success() {
        return match entry.operation {
            // Which is answered without a document.
            Operation::Status => Answer::DoneSilently,
            Operation::Delete if stamp(entry, &answer).is_some() => Answer::DoneSilently,
            Operation::Put if stamp(entry, &answer).is_some() => Answer::Done(answer.body),
            // It is looked at again.
            Operation::Delete | Operation::Put => {
                Answer::Trouble(Delay::Unreachable(no_openwhisk(&answer)))
            }
        };
    }
    match delay(answer.status, &answer) {
        Some(delay) => Answer::Trouble(delay),
        None if answer.status == StatusCode::NOT_FOUND => Answer::Absent(reason(&answer)),
        None => Answer::Refused(reason(&answer)),
    }
}

/// The state of the entry's entity that an answer shows; none if it is not about that entity.
fn stamp(entry: &Entry, answer: &Whole) -> Option<Stamp> {
    let is_it = is_told_of(&answer.body, &entry.path);
    is_it.then(|| Stamp::of(entry.collection, &answer.body))?
}

/// Why a status says nothing about the request; none if it is an answer to it.
fn delay(status: StatusCode, answer: &Whole) -> Option<Delay> {
    let concurrent = |error: String| error.contains("Concurrent modification");
    match status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => {
            Some(Delay::Throttled(reason(answer)))
        }
        // Somebody else has written at the same moment.
        StatusCode::CONFLICT if error_of(answer).is_some_and(concurrent) => {
            Some(Delay::Throttled(reason(answer)))
        }
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
            Some(Delay::Unreachable(reason(answer)))
        }
        status if status.is_server_error() => Some(Delay::Error(reason(answer))),
        // Whoever is on the way may ask for a key of its own, let nobody through, or be somebody's
        // web server.
        StatusCode::UNAUTHORIZED if error_of(answer).is_some() => Some(Delay::Key(reason(answer))),
        StatusCode::UNAUTHORIZED
        | StatusCode::FORBIDDEN
        | StatusCode::NOT_FOUND
        | StatusCode::METHOD_NOT_ALLOWED
        | StatusCode::PROXY_AUTHENTICATION_REQUIRED
            if error_of(answer).is_none() =>
        {
            Some(Delay::Unreachable(no_openwhisk(answer)))
        }
        status if status.is_client_error() => None,
        _ => Some(Delay::Unreachable(no_openwhisk(answer))),
    }
}

fn unreachable(error: &UpstreamError) -> Delay {
    Delay::Unreachable(error.to_string())
}

/// What an OpenWhisk says about a failure.
fn error_of(answer: &Whole) -> Option<String> {
    #[derive(Deserialize)]
    struct Failure {
        error: String,
    }
    let failure: Failure = json::stored(&answer.body)?;
    Some(failure.error).filter(|error| error != NO_ROUTE)
}

fn reason(answer: &Whole) -> String {
    let text = error_of(answer).unwrap_or_default();
    let text: String = text.chars().take(MAX_REASON).collect();
    let status = answer.status;
    if text.is_empty() {
        format!("the master answered {status}")
    } else {
        format!("the master answered {status}: {text}")
    }
}

fn no_openwhisk(answer: &Whole) -> String {
    let status = answer.status;
    format!("what answered {status} does not seem to be an OpenWhisk")
}
