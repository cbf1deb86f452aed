//! What the master's answers to a fired trigger mean.

use hyper::StatusCode;
use serde::Deserialize;

use super::record::Stage;
use crate::entity::{ActivationId, json};
use crate::upstream::{UpstreamError, Whole};

/// Longest answer that is read.
pub const MAX_ANSWER: u64 = 1 << 20;

/// Longest text of the master that is kept as a reason.
const MAX_REASON: usize = 500;

/// What is to be thought of an answer to one that was sent on.
#[derive(Debug, PartialEq, Eq)]
pub enum Judged {
    /// It is the answer.
    Final(Stage),
    /// It says nothing about the trigger, which waits: why.
    Later(Delay),
}

/// Why one waits on.
#[derive(Debug, PartialEq, Eq)]
pub enum Delay {
    /// The master does not take the key.
    Key(String),
    /// The namespace has fired too much there.
    Throttled(String),
    /// The master, or what is on the way to it, has trouble.
    Trouble(String),
}

/// Judges what came of a delivery.
pub fn judge(answer: Result<Whole, UpstreamError>) -> Judged {
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => return Judged::Later(Delay::Trouble(error.to_string())),
    };
    match answer.status {
        StatusCode::NO_CONTENT => Judged::Final(Stage::Delivered(None)),
        status if status.is_success() => match id_of(&answer) {
            Some(id) => Judged::Final(Stage::Delivered(Some(id))),
            None => Judged::Later(Delay::Trouble(reason(&answer))),
        },
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => {
            Judged::Later(Delay::Throttled(reason(&answer)))
        }
        // Anybody's web server or gateway says these, but not as OpenWhisk does.
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND
            if error_of(&answer).is_none() =>
        {
            Judged::Later(Delay::Trouble(reason(&answer)))
        }
        // It may be another's, too: whether the key is good is asked on its own.
        StatusCode::UNAUTHORIZED => Judged::Later(Delay::Key(reason(&answer))),
        StatusCode::PROXY_AUTHENTICATION_REQUIRED => Judged::Later(Delay::Trouble(reason(&answer))),
        status if status.is_client_error() || is_final(status) => {
            Judged::Final(Stage::Refused(reason(&answer)))
        }
        _ => Judged::Later(Delay::Trouble(reason(&answer))),
    }
}

/// Whether an answer to one that was just fired is for the caller: none of a master in trouble.
pub fn is_for_caller(answer: &Whole) -> bool {
    !answer.status.is_server_error() || is_final(answer.status)
}

/// 5xx that will stay so however often it is asked.
fn is_final(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::NOT_IMPLEMENTED | StatusCode::LOOP_DETECTED
    )
}

/// The id of the activation, if there is one.
fn id_of(answer: &Whole) -> Option<ActivationId> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Accepted {
        activation_id: ActivationId,
    }
    let accepted: Accepted = json::stored(&answer.body)?;
    Some(accepted.activation_id)
}

/// What an OpenWhisk says about a failure.
fn error_of(answer: &Whole) -> Option<String> {
    #[derive(Deserialize)]
    struct Failure {
        error: String,
    }
    let failure: Failure = json::stored(&answer.body)?;
    Some(failure.error)
}

/// What is told of an answer.
pub fn reason(answer: &Whole) -> String {
    let text = error_of(answer).unwrap_or_default();
    let text: String = text.chars().take(MAX_REASON).collect();
    match text.is_empty() {
        true => format!("the master answered {}", answer.status),
        false => format!("the master answered {}: {text}", answer.status),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use hyper::HeaderMap;

    fn answer(status: u16, body: &'static str) -> Whole {
        Whole {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: Bytes::from_static(body.as_bytes()),
        }
    }

    #[test]
    fn answers() {
        let of = |status, body| judge(Ok(answer(status, body)));
        let id = "ab".repeat(16).parse().unwrap();
        let body = r#"{"activationId":"abababababababababababababababab"}"#;
        assert_eq!(of(202, body), Judged::Final(Stage::Delivered(Some(id))));
        assert_eq!(of(204, ""), Judged::Final(Stage::Delivered(None)));
        let refused = Stage::Refused("the master answered 404 Not Found: no".into());
        assert_eq!(of(404, r#"{"error":"no"}"#), Judged::Final(refused));
        for status in [400, 413, 501, 508] {
            let judged = of(status, "");
            assert!(
                matches!(judged, Judged::Final(Stage::Refused(_))),
                "{status}"
            );
        }
        for status in [200, 301, 401, 403, 404, 407, 500, 502, 503] {
            let judged = of(status, "<html>");
            assert!(
                matches!(judged, Judged::Later(Delay::Trouble(_))),
                "{status}"
            );
        }
        let key = of(401, r#"{"error":"no"}"#);
        assert!(matches!(key, Judged::Later(Delay::Key(_))));
        let throttled = of(429, r#"{"error":"Too many"}"#);
        assert!(matches!(throttled, Judged::Later(Delay::Throttled(_))));
        let lost = judge(Err(UpstreamError::Broken("x".into())));
        assert!(matches!(lost, Judged::Later(Delay::Trouble(_))));
    }

    #[test]
    fn what_callers_are_told() {
        for (status, is_for) in [(202, true), (404, true), (429, true), (501, true)] {
            assert_eq!(is_for_caller(&answer(status, "")), is_for, "{status}");
        }
        for status in [500, 502, 503, 504] {
            assert!(!is_for_caller(&answer(status, "")), "{status}");
        }
    }
}
