//! The activation record (reference section 2.6).

use serde::Serialize;
use serde_json::value::RawValue;

use super::ActivationId;

/// How an activation ended. The numbers are those of `statusCode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// The action gave a result without an `error` key, or an array.
    Success = 0,
    /// The action gave a result with an `error` key, or one that is too large.
    ApplicationError = 1,
    /// The action failed to initialise, crashed, timed out, or answered nonsense.
    DeveloperError = 2,
    /// The platform failed.
    InternalError = 3,
}

impl Status {
    /// The text of `response.status`.
    pub const fn text(self) -> &'static str {
        match self {
            Status::Success => "success",
            Status::ApplicationError => "application error",
            Status::DeveloperError => "action developer error",
            Status::InternalError => "whisk internal error",
        }
    }
}

/// The outcome of one run: `response` of the record, and what a blocking caller gets.
#[derive(Clone, Debug)]
pub struct Response {
    /// How it ended.
    pub status: Status,
    /// The result as the action wrote it: an object or an array.
    pub result: Option<Box<RawValue>>,
    /// Characters of the raw answer of the sandbox; the announced bytes if it was cut.
    pub size: Option<u64>,
}

impl Response {
    /// A failure whose result is `{"error": "<message>"}`.
    pub fn error(status: Status, message: &str) -> Self {
        #[derive(Serialize)]
        struct Body<'a> {
            error: &'a str,
        }
        let result = serde_json::value::to_raw_value(&Body { error: message })
            .expect("a text is always valid JSON");
        Response {
            status,
            result: Some(result),
            size: None,
        }
    }

    /// An answer of so many bytes, of which `max` were allowed, and the start that is told of it
    /// (reference section 7.6).
    pub fn too_long(status: Status, length: u64, max: u64, start: &str) -> Self {
        let text = format!(
            "The action produced a response that exceeded the allowed length: {length} > {max} \
             bytes. The truncated response was: {start}"
        );
        Response {
            size: Some(length),
            ..Response::error(status, &text)
        }
    }
}

/// One activation, complete. The store keeps it in two parts so that lists read only the first.
#[derive(Clone, Debug)]
pub struct Activation {
    /// Its id.
    pub id: ActivationId,
    /// Namespace of the invoker.
    pub namespace: String,
    /// Bare name of the action.
    pub name: String,
    /// What `?name=` is compared with: `action`, or `package/action` (reference section 3.7.1).
    pub filter_name: String,
    /// Subject of the invoker.
    pub subject: String,
    /// Version of the action that ran.
    pub version: String,
    /// Id of the enclosing sequence.
    pub cause: Option<ActivationId>,
    /// Start, in milliseconds since 1970.
    pub start: u64,
    /// End, in milliseconds since 1970; none for triggers.
    pub end: Option<u64>,
    /// Milliseconds of init and run together; none for triggers.
    pub duration: Option<u64>,
    /// How it ended.
    pub response: Response,
    /// Log lines, already in OpenWhisk's form.
    pub logs: Vec<String>,
    /// Annotations in order, values as JSON.
    pub annotations: Vec<(&'static str, Box<RawValue>)>,
}
