//! What the answers of a sandbox mean. No I/O.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use serde::Deserializer;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::entity::{Response, Status};

use super::answer::{Answer, TooLong};
use super::{ActionFailure, Ending, RunResult};

const OUT_OF_MEMORY: &str = "The action exhausted its memory and was aborted.";
const INIT_ENDED: &str = "The action did not initialize and exited unexpectedly.";
const RUN_ENDED: &str = "The action did not produce a valid response and exited unexpectedly.";
const UNAVAILABLE: u16 = 503;

/// The end of `/init` (reference section 7.4, in its order).
pub(super) fn init(
    ending: Ending,
    elapsed: Duration,
    timeout: Duration,
    out_of_memory: bool,
) -> Result<(), ActionFailure> {
    let mut failure = ActionFailure {
        response: developer_error(INIT_ENDED),
        timed_out: false,
        retry: false,
    };
    match ending {
        Ending::Answer(answer) if answer.status == UNAVAILABLE => failure.retry = true,
        Ending::Answer(answer) if answer.status == 200 && answer.truncated.is_none() => {
            return Ok(());
        }
        ending if matches!(ending, Ending::TimedOut) || elapsed >= timeout => {
            let text = time_limit(timeout) + " during initialization.";
            failure.response = developer_error(&text);
            failure.timed_out = true;
        }
        Ending::Answer(answer) => failure.response = init_answer(&answer),
        _ if out_of_memory => failure.response = developer_error(OUT_OF_MEMORY),
        _ => {}
    }
    Err(failure)
}

/// An answer to `/init` that is not a good one.
fn init_answer(answer: &Answer) -> Response {
    if let Some(response) = oversized(answer, Status::DeveloperError) {
        return response;
    }
    let response = match Shape::of(&answer.body) {
        Shape::Object {
            error: Some(error), ..
        } => with_error_value(Status::DeveloperError, &error),
        _ => developer_error(&with_body(
            "The action failed during initialization",
            answer,
        )),
    };
    sized(response, answer)
}

/// The end of `/run` (reference section 7.5, in its order).
pub(super) fn run(
    ending: Ending,
    elapsed: Duration,
    timeout: Duration,
    out_of_memory: bool,
) -> RunResult {
    let (mut timed_out, mut keep, mut retry) = (false, false, false);
    let response = match ending {
        Ending::Answer(answer) if answer.status == UNAVAILABLE => {
            retry = true;
            developer_error(RUN_ENDED)
        }
        ending if matches!(ending, Ending::TimedOut) || elapsed >= timeout => {
            timed_out = true;
            developer_error(&(time_limit(timeout) + "."))
        }
        Ending::Answer(answer) if !answer.absent => {
            let response = run_answer(&answer);
            keep = matches!(response.status, Status::Success | Status::ApplicationError);
            response
        }
        _ if out_of_memory => developer_error(OUT_OF_MEMORY),
        _ => developer_error(RUN_ENDED),
    };
    RunResult {
        response,
        timed_out,
        keep,
        retry,
        log_is_empty: false,
    }
}

/// What an answer to `/run` says.
pub(super) fn run_answer(answer: &Answer) -> Response {
    if let Some(response) = oversized(answer, Status::ApplicationError) {
        return response;
    }
    let response = match (answer.status, Shape::of(&answer.body)) {
        (
            200,
            Shape::Object {
                error: Some(error), ..
            },
        ) => with_error_value(Status::ApplicationError, &error),
        (200, Shape::Object { error: None, whole } | Shape::Array(whole)) => Response {
            status: Status::Success,
            result: Some(whole),
            size: None,
        },
        (
            _,
            Shape::Object {
                error: Some(error), ..
            },
        ) => with_error_value(Status::DeveloperError, &error),
        _ => {
            let text = "The action did not produce a valid JSON or JSON Array response";
            developer_error(&with_body(text, answer))
        }
    };
    sized(response, answer)
}

/// The outcome of an answer that is too long (reference section 7.6).
fn oversized(answer: &Answer, status: Status) -> Option<Response> {
    let TooLong { length, max } = answer.truncated?;
    let kept = String::from_utf8_lossy(without_half_character(&answer.body));
    Some(Response::too_long(status, length, max, &kept))
}

/// Leaves out the start of a character that the cut went through.
fn without_half_character(bytes: &[u8]) -> &[u8] {
    match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => &bytes[..error.valid_up_to()],
        _ => bytes,
    }
}

fn developer_error(message: &str) -> Response {
    Response::error(Status::DeveloperError, message)
}

fn time_limit(timeout: Duration) -> String {
    format!(
        "The action exceeded its time limits of {} milliseconds",
        timeout.as_millis()
    )
}

/// `<text>: <body>`, or `<text>.` for an empty body.
fn with_body(text: &str, answer: &Answer) -> String {
    if answer.body.is_empty() {
        format!("{text}.")
    } else {
        format!("{text}: {}", String::from_utf8_lossy(&answer.body))
    }
}

/// A result with only the key `error`: whatever stood beside it is dropped.
fn with_error_value(status: Status, error: &RawValue) -> Response {
    let result = RawValue::from_string(format!(r#"{{"error":{}}}"#, error.get()))
        .expect("an object around a valid value is valid");
    Response {
        status,
        result: Some(result),
        size: None,
    }
}

/// Notes how long the answer was, in characters as OpenWhisk counts.
fn sized(mut response: Response, answer: &Answer) -> Response {
    let characters = match str::from_utf8(&answer.body) {
        Ok(text) => text.chars().count(),
        Err(_) => String::from_utf8_lossy(&answer.body).chars().count(),
    };
    response.size = Some(characters as u64);
    response
}

/// What kind of JSON text a body is, if it is one.
enum Shape {
    Object {
        /// The value of the key `error`; of the last one if there are several.
        error: Option<Box<RawValue>>,
        whole: Box<RawValue>,
    },
    Array(Box<RawValue>),
    Other,
}

impl Shape {
    fn of(body: &[u8]) -> Shape {
        let Ok(whole) = serde_json::from_slice::<Box<RawValue>>(body) else {
            return Shape::Other;
        };
        match whole.get().as_bytes().first() {
            Some(b'[') => Shape::Array(whole),
            Some(b'{') if !may_have_error(whole.get()) => Shape::Object { error: None, whole },
            Some(b'{') => {
                match serde_json::Deserializer::from_str(whole.get()).deserialize_map(ErrorKey) {
                    Ok(error) => Shape::Object { error, whole },
                    Err(_) => Shape::Other,
                }
            }
            _ => Shape::Other,
        }
    }
}

/// Whether an object may have the key `error`: as it is, or with escapes for its characters. A
/// search for the bytes is much quicker than a look at all keys.
fn may_have_error(object: &str) -> bool {
    let finds = |bytes: &[u8]| memchr::memmem::find(object.as_bytes(), bytes).is_some();
    finds(b"error\"") || finds(b"\\u")
}

/// Finds the value of the key `error` without building the object.
struct ErrorKey;

impl<'de> Visitor<'de> for ErrorKey {
    type Value = Option<Box<RawValue>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut error = None;
        while let Some(key) = map.next_key::<Cow<'_, str>>()? {
            if key == "error" {
                error = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    const LIMIT: Duration = Duration::from_millis(1500);
    const SOON: Duration = Duration::from_millis(5);

    fn answer(status: u16, body: &str) -> Ending {
        Ending::Answer(Answer {
            status,
            body: Bytes::copy_from_slice(body.as_bytes()),
            truncated: None,
            absent: false,
            log_is_empty: false,
        })
    }

    fn cut(status: u16, body: &'static [u8], length: u64) -> Ending {
        Ending::Answer(Answer {
            status,
            body: Bytes::from_static(body),
            truncated: Some(TooLong { length, max: 3 }),
            absent: false,
            log_is_empty: false,
        })
    }

    fn result(response: &Response) -> &str {
        response.result.as_ref().expect("a result").get()
    }

    /// Status, result and size of a failed `/init`.
    fn failed_init(ending: Ending, elapsed: Duration, oom: bool) -> (Status, String, Option<u64>) {
        let failure = init(ending, elapsed, LIMIT, oom).expect_err("a failure");
        assert!(!failure.retry);
        let text = result(&failure.response).to_owned();
        (failure.response.status, text, failure.response.size)
    }

    fn ran(ending: Ending) -> (Status, String, Option<u64>) {
        let run = run(ending, SOON, LIMIT, false);
        assert!(!run.timed_out && !run.retry);
        // Only developer errors cost the sandbox.
        assert_eq!(run.keep, run.response.status != Status::DeveloperError);
        let text = result(&run.response).to_owned();
        (run.response.status, text, run.response.size)
    }

    #[test]
    fn init_succeeds_with_200_even_when_late() {
        assert!(init(answer(200, "whatever"), SOON, LIMIT, false).is_ok());
        assert!(init(answer(200, ""), LIMIT * 2, LIMIT, false).is_ok());
    }

    #[test]
    fn init_failures() {
        use Status::DeveloperError as Error;
        // 11.12-299: the runtime's own error, of any type.
        for (body, value) in [
            (r#"{"error":"e"}"#, r#""e""#),
            (r#"{"error":[1, 2],"a":0}"#, "[1, 2]"),
        ] {
            let expected = format!(r#"{{"error":{value}}}"#);
            assert_eq!(
                failed_init(answer(502, body), SOON, false),
                (Error, expected, Some(body.len() as u64))
            );
        }
        // 11.12-300: any other body.
        let failed =
            |text: &str| format!(r#"{{"error":"The action failed during initialization{text}"}}"#);
        for body in ["x", "5", "[1]", "{}", "{broken"] {
            assert_eq!(
                failed_init(answer(403, body), SOON, false),
                (Error, failed(&format!(": {body}")), Some(body.len() as u64))
            );
        }
        assert_eq!(
            failed_init(answer(502, ""), SOON, false),
            (Error, failed("."), Some(0))
        );
        // 11.12-301
        for ending in [Ending::Broken, Ending::Unreachable] {
            assert_eq!(
                failed_init(ending, SOON, false).1,
                r#"{"error":"The action did not initialize and exited unexpectedly."}"#
            );
        }
        assert_eq!(
            failed_init(Ending::Broken, SOON, true),
            (
                Error,
                r#"{"error":"The action exhausted its memory and was aborted."}"#.into(),
                None
            )
        );
        for status in [200, 502] {
            let (kind, text, size) = failed_init(cut(status, b"abc", 9), SOON, false);
            assert_eq!((kind, size), (Error, Some(9)));
            assert!(text.contains(
                "exceeded the allowed length: 9 > 3 bytes. The truncated response was: abc"
            ));
        }
    }

    #[test]
    fn init_that_takes_too_long() {
        let text = r#"{"error":"The action exceeded its time limits of 1500 milliseconds during initialization."}"#;
        for ending in [
            Ending::TimedOut,
            Ending::Broken,
            answer(502, r#"{"error":"e"}"#),
            cut(200, b"a", 2),
        ] {
            let failure = init(ending, LIMIT, LIMIT, true).unwrap_err();
            assert!(failure.timed_out && !failure.retry);
            assert_eq!(result(&failure.response), text);
        }
    }

    #[test]
    fn a_sandbox_that_shuts_down_means_elsewhere() {
        assert!(
            init(answer(503, "x"), LIMIT, LIMIT, false)
                .unwrap_err()
                .retry
        );
        let run = run(answer(503, r#"{"a":1}"#), LIMIT, LIMIT, false);
        assert!(run.retry && !run.keep && !run.timed_out);
    }

    #[test]
    fn good_runs() {
        for body in [
            r#"{"msg":"hi"}"#,
            "[1,{\"error\":2}]",
            "{}",
            "[]",
            r#"{"big":12345678901234567890123,"x":{"error":1}}"#,
        ] {
            let size = Some(body.len() as u64);
            assert_eq!(ran(answer(200, body)), (Status::Success, body.into(), size));
        }
        // White space around is not part of the value, but of the size; size is in characters.
        assert_eq!(
            ran(answer(200, " {\"a\":\"\u{e9}\"}\n")),
            (Status::Success, "{\"a\":\"\u{e9}\"}".into(), Some(11))
        );
    }

    #[test]
    fn application_errors_lose_what_stands_beside_the_error() {
        // 11.7-178, 11.12-306
        for (body, value) in [
            (r#"{"error":1,"other":2}"#, "1"),
            (r#"{"error":null}"#, "null"),
            (r#"{"error":1,"error":{"a":[]}}"#, r#"{"a":[]}"#),
            (r#"{"\u0065rror":"escaped"}"#, r#""escaped""#),
        ] {
            let (status, text, _) = ran(answer(200, body));
            assert_eq!(status, Status::ApplicationError);
            assert_eq!(text, format!(r#"{{"error":{value}}}"#));
        }
    }

    #[test]
    fn answers_that_are_no_results() {
        let error = |body: &str| {
            let text = "The action did not produce a valid JSON or JSON Array response";
            let text = if body.is_empty() {
                format!("{text}.")
            } else {
                format!("{text}: {body}")
            };
            serde_json::json!({ "error": text }).to_string()
        };
        // 11.12-302, 11.12-303, 11.12-307
        for body in ["x", "\"str\"", "5", "null", "{\"a\":1", "{} {}", ""] {
            assert_eq!(
                ran(answer(200, body)),
                (Status::DeveloperError, error(body), Some(body.len() as u64))
            );
        }
        // 11.12-304
        assert_eq!(ran(answer(502, r#"{"x":1}"#)).1, error(r#"{"x":1}"#));
        assert_eq!(
            ran(answer(502, r#"{"error":{"a":1}}"#)),
            (
                Status::DeveloperError,
                r#"{"error":{"a":1}}"#.into(),
                Some(17)
            )
        );
        assert_eq!(ran(answer(404, "[1]")).1, error("[1]"));
    }

    #[test]
    fn broken_runs() {
        // 11.12-305
        let ended =
            r#"{"error":"The action did not produce a valid response and exited unexpectedly."}"#;
        assert_eq!(
            ran(Ending::Broken),
            (Status::DeveloperError, ended.into(), None)
        );
        let absent = Ending::Answer(Answer {
            status: 200,
            body: Bytes::new(),
            truncated: None,
            absent: true,
            log_is_empty: false,
        });
        assert_eq!(ran(absent).1, ended);
        let run = run(Ending::Broken, SOON, LIMIT, true);
        assert_eq!(
            result(&run.response),
            r#"{"error":"The action exhausted its memory and was aborted."}"#
        );
    }

    #[test]
    fn a_good_answer_that_is_late_is_still_a_timeout() {
        for ending in [Ending::TimedOut, Ending::Broken, answer(200, "{}")] {
            let run = run(ending, LIMIT, LIMIT, true);
            assert!(run.timed_out && !run.keep && !run.retry);
            assert_eq!(
                result(&run.response),
                r#"{"error":"The action exceeded its time limits of 1500 milliseconds."}"#
            );
        }
    }

    #[test]
    fn an_oversized_answer_is_an_application_error_whatever_its_status() {
        for status in [200, 502] {
            let (kind, text, size) = ran(cut(status, b"{1", 77));
            assert_eq!((kind, size), (Status::ApplicationError, Some(77)));
            assert!(text.ends_with("length: 77 > 3 bytes. The truncated response was: {1\"}"));
            // The cut goes through the second character.
            let (_, text, _) = ran(cut(status, b"a\xc3", 77));
            assert!(text.ends_with("77 > 3 bytes. The truncated response was: a\"}"));
        }
    }
}
