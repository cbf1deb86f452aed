//! The activation record as JSON (reference section 2.6).
//!
//! It is stored in two parts. The head is the summary that lists show; the tail is the rest.
//! A full record is made of both by joining texts, so that results and logs are not parsed again.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::json_object::{JsonObject, push_array, push_string};
use super::{Activation, Status, json};

/// Bytes that a head has beside its names and annotations: those of its members, and an id twice.
const ROOM_OF_HEAD: usize = 320;

/// Bytes that a tail has beside its subject, result and logs.
const ROOM_OF_TAIL: usize = 160;

impl Activation {
    /// The summary, as a list shows it. `duration` and `statusCode` come last, where [`splice`]
    /// takes them off.
    pub fn head(&self) -> Vec<u8> {
        let annotations = self.annotations.iter();
        let annotations: usize = annotations.map(|(_, value)| value.get().len() + 40).sum();
        let names = self.namespace.len() + self.name.len() + self.version.len();
        let mut text = String::with_capacity(ROOM_OF_HEAD + names + annotations);
        let mut head = JsonObject::open(&mut text);
        head.string("namespace", &self.namespace);
        head.string("name", &self.name);
        head.string("version", &self.version);
        head.bool("publish", false);
        let each = &self.annotations;
        push_array(head.member("annotations"), each, |out, (key, value)| {
            let mut annotation = JsonObject::open(out);
            annotation.string("key", key);
            annotation.raw("value", value);
            annotation.close();
        });
        head.string("activationId", &self.id.to_string());
        head.number("start", self.start);
        if let Some(end) = self.end {
            head.number("end", end);
        }
        if let Some(cause) = self.cause {
            head.string("cause", &cause.to_string());
        }
        if let Some(end) = self.end {
            head.number("duration", end.saturating_sub(self.start));
            head.number("statusCode", self.response.status as u64);
        }
        head.close();
        text.into_bytes()
    }

    /// The rest of the record, with logs.
    pub fn tail(&self) -> Vec<u8> {
        self.tail_with(&self.logs)
    }

    /// The full record with the logs that it has, as a blocking caller gets it: those of an action
    /// are collected later, those of a sequence are the ids of its components.
    pub fn full_record(&self) -> Vec<u8> {
        splice(&self.head(), &self.tail())
    }

    /// The rest of the record with these logs instead of its own.
    pub fn tail_with(&self, logs: &[String]) -> Vec<u8> {
        let measured = self.duration;
        let duration = measured.or_else(|| Some(self.end?.saturating_sub(self.start)));
        let result = self.response.result.as_deref();
        // With room for all of it: memory that grew by doubling would copy a large result several
        // times.
        let room = result.map_or(0, |result| result.get().len())
            + logs.iter().map(|line| line.len() + 4).sum::<usize>();
        let mut text = String::with_capacity(ROOM_OF_TAIL + self.subject.len() + room);
        let mut tail = JsonObject::open(&mut text);
        if let Some(duration) = duration {
            tail.number("duration", duration);
        }
        tail.string("subject", &self.subject);
        let mut response = JsonObject::open(tail.member("response"));
        response.string("status", self.response.status.text());
        response.bool("success", self.response.status == Status::Success);
        if let Some(result) = result {
            response.raw("result", result);
        }
        if let Some(size) = self.response.size {
            response.number("size", size);
        }
        response.close();
        push_array(tail.member("logs"), logs, |out, line| {
            push_string(out, line)
        });
        tail.close();
        text.into_bytes()
    }
}

/// Joins a stored head and tail to the full record; none if they are not a head and a tail.
pub fn record(head: &[u8], tail: &[u8]) -> Option<Vec<u8>> {
    let is_object = |json: &[u8]| json.starts_with(b"{") && json.ends_with(b"}");
    (is_object(head) && is_object(tail)).then(|| splice(head, tail))
}

/// Parts of a stored tail.
#[derive(Deserialize)]
pub struct StoredActivation<'a> {
    /// `response`: what `.../result` shows.
    #[serde(borrow)]
    pub response: &'a RawValue,
    /// `logs`: what `.../logs` shows.
    #[serde(borrow)]
    pub logs: &'a RawValue,
}

impl<'a> StoredActivation<'a> {
    /// Reads a stored tail; none if it is not one.
    pub fn from_tail(tail: &'a [u8]) -> Option<Self> {
        json::stored(tail)
    }
}

/// Puts two objects together, the first without the fields that the record does not have or has
/// from the second.
fn splice(head: &[u8], tail: &[u8]) -> Vec<u8> {
    let head = head.strip_suffix(b"}").unwrap_or(head);
    let head = without_number(head, b",\"statusCode\":");
    let head = without_number(head, b",\"duration\":");
    let tail = tail.strip_prefix(b"{").unwrap_or(tail);
    let mut record = Vec::with_capacity(head.len() + 1 + tail.len());
    record.extend_from_slice(head);
    record.push(b',');
    record.extend_from_slice(tail);
    record
}

/// A text without the number field that it ends with, if it does.
fn without_number<'a>(json: &'a [u8], key: &[u8]) -> &'a [u8] {
    let digits = json.iter().rev().take_while(|c| c.is_ascii_digit()).count();
    match json[..json.len() - digits].strip_suffix(key) {
        Some(rest) if digits > 0 => rest,
        _ => json,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ActivationId, Response, json};
    use super::*;

    fn activation() -> Activation {
        Activation {
            id: ActivationId::from_bytes([0xab; 16]),
            namespace: "guest".into(),
            name: "hello".into(),
            filter_name: "hello".into(),
            subject: "guest".into(),
            version: "0.0.1".into(),
            cause: None,
            start: 1000,
            end: Some(1100),
            duration: Some(81),
            response: Response {
                status: Status::Success,
                result: Some(RawValue::from_string(r#"{"n":1.0}"#.into()).unwrap()),
                size: Some(9),
            },
            logs: vec!["t stdout: \"hi\"".into()],
            annotations: vec![("kind", json::string("quickjs:1"))],
        }
    }

    fn text(json: Vec<u8>) -> String {
        String::from_utf8(json).unwrap()
    }

    const ID: &str = "abababababababababababababababab";

    #[test]
    fn head_and_record() {
        let activation = activation();
        let common = format!(
            concat!(
                r#"{{"namespace":"guest","name":"hello","version":"0.0.1","publish":false,"#,
                r#""annotations":[{{"key":"kind","value":"quickjs:1"}}],"#,
                r#""activationId":"{}","start":1000,"end":1100"#
            ),
            ID
        );
        // 11.8-208: the summary's duration is the difference, the record's is what was measured.
        assert_eq!(
            text(activation.head()),
            format!(r#"{common},"duration":100,"statusCode":0}}"#)
        );
        let response = r#"{"status":"success","success":true,"result":{"n":1.0},"size":9}"#;
        assert_eq!(
            text(activation.full_record()),
            format!(
                r#"{common},"duration":81,"subject":"guest","response":{response},"logs":["t stdout: \"hi\""]}}"#
            )
        );
        let stored = record(&activation.head(), &activation.tail()).unwrap();
        assert_eq!(stored, activation.full_record());
        // 11.8-203
        let tail = activation.tail();
        let stored = StoredActivation::from_tail(&tail).unwrap();
        assert_eq!(stored.response.get(), response);
        assert_eq!(stored.logs.get(), r#"["t stdout: \"hi\""]"#);
    }

    #[test]
    fn without_an_end() {
        let mut activation = activation();
        activation.end = None;
        activation.duration = None;
        activation.cause = Some(activation.id);
        activation.response = Response::error(Status::InternalError, "gone");
        let head = text(activation.head());
        assert!(head.ends_with(&format!(r#""start":1000,"cause":"{ID}"}}"#)));
        let record = text(record(head.as_bytes(), &activation.tail()).unwrap());
        assert!(record.contains(&format!(
            concat!(
                r#""cause":"{}","subject":"guest","#,
                r#""response":{{"status":"whisk internal error","success":false,"#,
                r#""result":{{"error":"gone"}}}}"#
            ),
            ID
        )));
    }

    #[test]
    fn duration_that_was_not_measured() {
        let mut activation = activation();
        activation.duration = None;
        assert!(text(activation.full_record()).contains(r#""duration":100,"subject""#));
    }

    #[test]
    fn corrupt_parts() {
        assert_eq!(record(b"", b"{}"), None);
        assert_eq!(record(b"{}", b"[]"), None);
        assert!(StoredActivation::from_tail(b"{}").is_none());
    }
}
