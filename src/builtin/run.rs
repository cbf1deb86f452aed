//! What a built-in action is told besides its arguments, and what it gives back.

use std::time::SystemTime;

use serde::Serialize;
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};

use crate::clock::Stamp;
use crate::entity::Identity;

/// Bytes of the lines that a run prints, with their stamps. A megabyte of line ends would be half a
/// million lines, each with memory of its own, and a record that takes the place of all others.
const MOST_PRINTED: usize = 1 << 20;

/// One run of a built-in action.
pub(super) struct Run<'a> {
    /// Who invokes it.
    pub(super) identity: &'a Identity,
    /// URL under which actions reach the API, without a slash at its end.
    pub(super) api_host: &'a str,
    /// When it was started.
    pub(super) now: SystemTime,
}

/// What came of a run: what the action proxy of a sandbox would have answered, and what the action
/// has printed.
#[derive(Debug)]
pub struct Output {
    /// A JSON object; with a member `error` the action has failed. It may be larger than results
    /// may be.
    pub result: Box<RawValue>,
    /// Log lines in OpenWhisk's form.
    pub logs: Vec<String>,
    bytes_printed: usize,
}

impl Output {
    /// A result, and nothing printed.
    pub(super) fn of(result: &impl Serialize) -> Self {
        Output {
            result: to_raw_value(result).expect("results are made of texts and JSON values"),
            logs: Vec::new(),
            bytes_printed: 0,
        }
    }

    /// A failure: `{"error": "<message>"}`.
    pub(super) fn error(message: &str) -> Self {
        Self::of(&json!({ "error": message }))
    }

    /// With a text printed at the time of the run, which may be of several lines. What is too much
    /// is left out, and said so as for any action (reference section 7.7).
    pub(super) fn printed(mut self, run: &Run<'_>, text: &str) -> Self {
        for line in text.lines() {
            if self.bytes_printed > MOST_PRINTED {
                break;
            }
            let mut line = format!("{} stdout: {line}", Stamp(run.now));
            self.bytes_printed += line.len();
            if self.bytes_printed > MOST_PRINTED {
                line = format!(
                    "{} stderr: Logs were truncated because the total bytes size exceeds the limit \
                     of {MOST_PRINTED} bytes.",
                    Stamp(run.now)
                );
            }
            self.logs.push(line);
        }
        self
    }
}

/// An argument that an action cannot work with: the text of its `error`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadArgument(pub(super) String);

impl From<BadArgument> for Output {
    fn from(bad: BadArgument) -> Self {
        Self::error(&bad.0)
    }
}

/// Makes the tests of the actions short.
#[cfg(test)]
pub(super) mod testing {
    use std::time::Duration;

    use super::*;
    use crate::entity::Members;

    /// Runs an action on arguments; gives result and printed texts.
    pub(in crate::builtin) fn run(
        action: impl Fn(&Run<'_>, &Members<'_>) -> Output,
        arguments: &str,
    ) -> (String, Vec<String>) {
        let mut identity = crate::builtin::identity();
        identity.namespace = "guest".into();
        let run = Run {
            identity: &identity,
            api_host: "http://127.0.0.1:3233",
            now: SystemTime::UNIX_EPOCH + Duration::from_millis(1_454_623_445_817),
        };
        let arguments: &RawValue = serde_json::from_str(arguments).unwrap();
        let output = action(&run, &Members::of(arguments).unwrap());
        let texts = output.logs.iter().map(|line| {
            let text = line
                .strip_prefix("2016-02-04T22:04:05.817000000Z std")
                .unwrap();
            let text = text.strip_prefix("out: ").or(text.strip_prefix("err: "));
            text.unwrap().to_owned()
        });
        (output.result.get().to_owned(), texts.collect())
    }

    /// Only the result.
    pub(in crate::builtin) fn result(
        action: impl Fn(&Run<'_>, &Members<'_>) -> Output,
        arguments: &str,
    ) -> String {
        run(action, arguments).0
    }
}
