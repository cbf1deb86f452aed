//! Asking the master for an entity, and what its answer means.

use std::fmt;

use bytes::Bytes;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Method, StatusCode};
use serde_json::value::RawValue;

use super::error::CopyError;
use crate::entity::{Identity, Members, json};
use crate::master::resource;
use crate::store::Collection;
use crate::upstream::{Outgoing, Upstream, VIA};

/// Bytes that an action may have with its code, which JSON makes longer than the 48 MB that
/// OpenWhisk allows.
const MOST_WITH_CODE: u64 = 64 << 20;

/// Bytes that anything else may have.
const MOST: u64 = 8 << 20;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// The whole document.
    Whole,
    /// An action without its code.
    WithoutCode,
}

/// What the master says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The entity.
    Document(Bytes),
    /// There is none.
    Absent,
}

/// Asks for the entity of a path, as a caller. `via` tells the gateways on the way.
pub(super) async fn ask(
    upstream: &Upstream,
    via: &str,
    identity: &Identity,
    collection: Collection,
    path: &str,
    part: Part,
) -> Result<Answer, CopyError> {
    let unavailable = |error: &dyn fmt::Display| CopyError::Unavailable(error.to_string());
    let mut request = Outgoing::by(identity, Method::GET, target(collection, path, part));
    let via = HeaderValue::from_str(via).map_err(|error| unavailable(&error))?;
    request.headers.insert(HeaderName::from_static(VIA), via);
    let limit = match (collection, part) {
        (Collection::Actions, Part::Whole) => MOST_WITH_CODE,
        _ => MOST,
    };
    let answer = upstream.fetch(request, limit).await;
    let answer = answer.map_err(|error| unavailable(&error))?;
    meaning(answer.status, answer.body, path).map_err(|error| match error {
        Meaningless::Known(error) => error,
        Meaningless::Status(status) => unavailable(&format_args!("it answers {status}")),
    })
}

/// The target of a request for the entity of a path.
fn target(collection: Collection, path: &str, part: Part) -> String {
    let mut target = resource::target(collection, path);
    if part == Part::WithoutCode {
        target.push_str("?code=false");
    }
    target
}

/// Why an answer says nothing of the entity.
#[derive(Debug)]
enum Meaningless {
    Known(CopyError),
    Status(StatusCode),
}

/// What an answer means. An error is believed only if it has OpenWhisk's form: something in between
/// may answer 404 as well.
fn meaning(status: StatusCode, body: Bytes, path: &str) -> Result<Answer, Meaningless> {
    if status == StatusCode::OK {
        return Ok(Answer::Document(body));
    }
    if !is_error(&body) {
        return Err(Meaningless::Status(status));
    }
    match status {
        StatusCode::NOT_FOUND => Ok(Answer::Absent),
        StatusCode::UNAUTHORIZED => Err(Meaningless::Known(CopyError::KeyRefused)),
        StatusCode::FORBIDDEN => Err(Meaningless::Known(CopyError::Forbidden(path.into()))),
        StatusCode::CONFLICT => Err(Meaningless::Known(CopyError::OtherCollection)),
        status => Err(Meaningless::Status(status)),
    }
}

/// Whether a body is that of an OpenWhisk's error (reference section 1.6) about what was asked for;
/// not if it does not even know the path: then the master's URL is wrong.
pub(in crate::master) fn is_error(body: &[u8]) -> bool {
    let error: Option<&RawValue> = json::stored(body);
    let members = error.and_then(|error| Members::of(error).ok());
    let told = members.and_then(|members| members.get("error").map(RawValue::get));
    told.is_some_and(|told| told.trim_matches('"') != NO_ROUTE)
}

/// What OpenWhisk tells of a path that means nothing.
pub(in crate::master) const NO_ROUTE: &str = "The requested resource could not be found.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        for (collection, path, part, expected) in [
            (
                Collection::Actions,
                "ns/a b",
                Part::Whole,
                "ns/actions/a%20b",
            ),
            (
                Collection::Actions,
                "n s/p/a",
                Part::WithoutCode,
                "n%20s/actions/p/a?code=false",
            ),
            (Collection::Packages, "ns/p", Part::Whole, "ns/packages/p"),
            (Collection::Triggers, "ns/t", Part::Whole, "ns/triggers/t"),
            (Collection::Rules, "ns/r", Part::Whole, "ns/rules/r"),
        ] {
            let target = target(collection, path, part);
            assert_eq!(target, format!("/api/v1/namespaces/{expected}"));
        }
    }

    #[test]
    fn meanings() {
        let error = r#"{"error":"text","code":"x"}"#;
        let told = |status: u16, body: &'static str| {
            let status = StatusCode::from_u16(status).unwrap();
            match meaning(status, body.into(), "ns/a") {
                Ok(Answer::Document(body)) => String::from_utf8(body.to_vec()).unwrap(),
                Ok(Answer::Absent) => "absent".into(),
                Err(Meaningless::Known(error)) => format!("{error:?}"),
                Err(Meaningless::Status(status)) => status.as_u16().to_string(),
            }
        };
        assert_eq!(told(200, "{}"), "{}");
        assert_eq!(told(404, error), "absent");
        assert_eq!(told(401, error), "KeyRefused");
        assert_eq!(told(403, error), "Forbidden(\"ns/a\")");
        assert_eq!(told(409, error), "OtherCollection");
        for status in [301, 429, 400, 500, 503] {
            assert_eq!(told(status, error), status.to_string());
        }
        // Of something that is no OpenWhisk, or one that is elsewhere.
        let elsewhere = r#"{"error":"The requested resource could not be found.","code":"x"}"#;
        for status in [401, 403, 404, 409] {
            for body in ["", "<html>", "[]", "{}", elsewhere] {
                assert_eq!(told(status, body), status.to_string());
            }
        }
    }
}
