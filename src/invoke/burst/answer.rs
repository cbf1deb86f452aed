//! What a tier's answer to an invocation means. No I/O.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::placement::NOWHERE;
use crate::entity::{ActivationId, Annotations, Response, Status, json};

/// Characters of a tier's own words that are told.
const MOST_TOLD: usize = 300;

/// What has become of an invocation, as the answer says.
#[derive(Debug)]
pub enum Answer {
    /// It has ended.
    Ended(Box<Record>),
    /// It was accepted; its record tells more, when there is one.
    Running(ActivationId),
    /// It was not accepted, and why: nothing was run.
    Refused(String),
    /// It was not accepted because of the caller's key: what was answered.
    Stranger(String),
    /// It may have been accepted: what was answered.
    Unclear(String),
}

/// What is taken over from the record of an activation on a tier. Its times are not: that clock
/// may be another.
#[derive(Debug)]
pub struct Record {
    /// Its id there.
    pub id: ActivationId,
    /// The outcome.
    pub response: Response,
    /// Milliseconds of init and run, if they are known.
    pub duration: Option<u64>,
    /// Milliseconds of init; none when warm.
    pub init: Option<u64>,
    /// Milliseconds from its receipt there to its start, if they are known.
    pub wait: Option<u64>,
    /// Whether the time limit was hit.
    pub timed_out: bool,
    /// Its log so far.
    pub logs: Vec<String>,
    /// Whether it is that of an OWL that could not run it anywhere.
    pub is_nowhere: bool,
}

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(rename = "activationId")]
    id: ActivationId,
    #[serde(borrow)]
    response: Outcome<'a>,
    start: Option<u64>,
    end: Option<u64>,
    duration: Option<u64>,
    #[serde(borrow, default)]
    annotations: Annotations<'a>,
    #[serde(borrow)]
    logs: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Outcome<'a> {
    #[serde(borrow)]
    status: Cow<'a, str>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    size: Option<u64>,
}

#[derive(Deserialize)]
struct Named {
    #[serde(rename = "activationId")]
    id: ActivationId,
}

impl Record {
    /// Reads a record; none if it is not that of an activation that has ended.
    pub fn read(document: &[u8]) -> Option<Self> {
        let read: Document<'_> = json::stored(document)?;
        let statuses = [
            Status::Success,
            Status::ApplicationError,
            Status::DeveloperError,
            Status::InternalError,
        ];
        let status = statuses
            .into_iter()
            .find(|status| status.text() == read.response.status)?;
        let annotation = |key: &str| read.annotations.get(key);
        let number = |value: &RawValue| value.get().parse().ok();
        let whereabouts = read.annotations.whereabouts();
        let took = || Some(read.end?.saturating_sub(read.start?));
        Some(Record {
            id: read.id,
            duration: read.duration.or_else(took),
            init: annotation("initTime").and_then(number),
            wait: annotation("waitTime").and_then(number),
            timed_out: annotation("timeout").is_some_and(|value| value.get() == "true"),
            is_nowhere: whereabouts.is_some_and(|found| found.reason == NOWHERE),
            logs: read
                .logs
                .and_then(|logs| serde_json::from_str(logs.get()).ok())
                .unwrap_or_default(),
            response: Response {
                status,
                result: read.response.result.map(ToOwned::to_owned),
                size: read.response.size,
            },
        })
    }
}

impl From<Record> for Answer {
    fn from(record: Record) -> Self {
        if !record.is_nowhere {
            return Answer::Ended(record.into());
        }
        let result = record.response.result.as_deref().and_then(json::object);
        let said = result.and_then(|Failure { error }| json::text(error));
        Answer::Refused(told("it could not run it", said))
    }
}

/// A failure, as OpenWhisk tells it.
#[derive(Deserialize)]
struct Failure<'a> {
    #[serde(borrow)]
    error: &'a RawValue,
}

/// A text with what a tier has said itself.
fn told(text: &str, said: Option<String>) -> String {
    match said {
        Some(said) => {
            let said: String = said.chars().take(MOST_TOLD).collect();
            format!("{text}: {}", said.trim_end_matches('.'))
        }
        None => text.into(),
    }
}

impl Answer {
    /// What an answer means. `id` is the activation that its head names.
    pub fn read(status: u16, id: Option<ActivationId>, body: &[u8]) -> Self {
        if let Some(record) = Record::read(body) {
            return record.into();
        }
        let named = || json::stored(body).map(|Named { id }| id);
        let Some(id) = id.or_else(named) else {
            return without_activation(status, body);
        };
        // It had a place in the line there, and got nothing to run in.
        if matches!(status, 429 | 503) && said(body).is_some() {
            return without_activation(status, body);
        }
        match json::stored::<&RawValue>(body) {
            // A result that is an array is answered bare, whatever was asked for.
            Some(result) if status == 200 && result.get().starts_with('[') => {
                let record = Record {
                    id,
                    response: Response {
                        status: Status::Success,
                        result: Some(result.to_owned()),
                        size: None,
                    },
                    duration: None,
                    init: None,
                    wait: None,
                    timed_out: false,
                    logs: Vec::new(),
                    is_nowhere: false,
                };
                record.into()
            }
            _ => Answer::Running(id),
        }
    }
}

/// What an answer means that no OpenWhisk gives to an invocation that it has accepted.
fn without_activation(status: u16, body: &[u8]) -> Answer {
    let text = told(&format!("it answers {status}"), said(body));
    match status {
        // Whoever stands before it has waited for it in vain, or has lost it.
        200..=299 | 502 | 504 => Answer::Unclear(text),
        401 | 403 => Answer::Stranger(text),
        _ => Answer::Refused(text),
    }
}

/// What a failure says, as OpenWhisk tells it.
fn said(body: &[u8]) -> Option<String> {
    let failure: Option<Failure<'_>> = json::stored(body);
    failure.and_then(|failure| json::text(failure.error))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef";

    fn id() -> ActivationId {
        ID.parse().unwrap()
    }

    fn record(status: &str, more: &str) -> String {
        format!(
            r#"{{"activationId":"{ID}","start":5,"end":25,"response":{{"status":"{status}",
                "success":false,"result":{{"n":1.50}},"size":9}}{more}}}"#
        )
    }

    #[test]
    fn records() {
        let more = r#","duration":17,"logs":["a","b"],"annotations":[{"key":"path","value":"x"},
            {"key":"initTime","value":7},{"key":"waitTime","value":4},{"key":"timeout","value":true}]"#;
        let read = Record::read(record("action developer error", more).as_bytes()).unwrap();
        assert_eq!(read.id, id());
        assert_eq!(read.response.status, Status::DeveloperError);
        assert_eq!(read.response.result.unwrap().get(), r#"{"n":1.50}"#);
        assert_eq!(
            (read.response.size, read.duration, read.init),
            (Some(9), Some(17), Some(7))
        );
        assert!(read.timed_out);
        assert_eq!(read.wait, Some(4));
        assert_eq!(read.logs, ["a", "b"]);

        let read = Record::read(record("success", "").as_bytes()).unwrap();
        assert_eq!((read.duration, read.init), (Some(20), None));
        assert!(!read.timed_out && read.logs.is_empty());
        assert!(Record::read(record("running", "").as_bytes()).is_none());
        assert!(Record::read(b"{}").is_none());
    }

    #[test]
    fn answers_about_an_activation() {
        for status in [200, 500, 502] {
            let body = record("whisk internal error", "");
            match Answer::read(status, None, body.as_bytes()) {
                Answer::Ended(record) => {
                    assert_eq!(record.response.status, Status::InternalError);
                }
                other => panic!("{status}: {other:?}"),
            }
        }
        let named = format!(r#"{{"activationId":"{ID}"}}"#);
        for (status, header, body) in [
            (202, None, &*named),
            (202, Some(id()), "{}"),
            // Somebody between here and there.
            (502, Some(id()), "<html>"),
            (503, Some(id()), "<html>"),
            (200, Some(id()), ""),
        ] {
            match Answer::read(status, header, body.as_bytes()) {
                Answer::Running(running) => assert_eq!(running, id()),
                other => panic!("{status}: {other:?}"),
            }
        }
        match Answer::read(200, Some(id()), b"[1, 2.0]") {
            Answer::Ended(record) => {
                assert_eq!(record.response.result.unwrap().get(), "[1, 2.0]");
                assert_eq!(record.response.status, Status::Success);
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_has_run_nowhere() {
        let with = |reason: &str| {
            let more =
                format!(r#","annotations":[{{"key":"owl-tier","value":{{"reason":"{reason}"}}}}]"#);
            let body =
                record("whisk internal error", &more).replace(r#""n":1.50"#, r#""error":"Full.""#);
            Answer::read(500, None, body.as_bytes())
        };
        match with("nowhere") {
            Answer::Refused(told) => assert_eq!(told, "it could not run it: Full"),
            other => panic!("{other:?}"),
        }
        assert!(matches!(with("wait"), Answer::Ended(_)));
        for status in [429, 503] {
            match Answer::read(status, Some(id()), br#"{"error":"Full.","code":"x"}"#) {
                Answer::Refused(told) => assert_eq!(told, format!("it answers {status}: Full")),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn answers_about_none() {
        for (status, body, text) in [
            (
                429,
                r#"{"error":"Too many.","code":"x"}"#,
                "it answers 429: Too many",
            ),
            (404, "<html>", "it answers 404"),
            (500, r#"{"error":"No."}"#, "it answers 500: No"),
            (503, r#"{"error":"Full."}"#, "it answers 503: Full"),
            (508, r#"{"error":7}"#, "it answers 508"),
            (302, "", "it answers 302"),
        ] {
            match Answer::read(status, None, body.as_bytes()) {
                Answer::Refused(told) => assert_eq!(told, text),
                other => panic!("{status}: {other:?}"),
            }
        }
        for status in [401, 403] {
            match Answer::read(status, None, br#"{"error":"The key is wrong."}"#) {
                Answer::Stranger(told) => {
                    assert_eq!(told, format!("it answers {status}: The key is wrong"));
                }
                other => panic!("{other:?}"),
            }
        }
        // A proxy that says so may have passed it on before.
        for status in [200, 202, 204, 502, 504] {
            let answer = Answer::read(status, None, b"{}");
            assert!(matches!(answer, Answer::Unclear(_)), "{status}: {answer:?}");
        }
    }
}
