//! Why JavaScript stopped short of giving an outcome, told from the exception that it left.

use nix::sys::resource::{UsageWho, getrusage};
use rquickjs::{Coerced, Ctx, Error, FromJs, Value};

use super::super::reply::Reply;

const OUT_OF_TIME: &str = "The action exceeded its time limits and was interrupted.";
const OUT_OF_MEMORY: &str = "The action exhausted its memory and was aborted.";

/// Why JavaScript stopped.
#[derive(Debug, PartialEq, Eq)]
pub enum Stop {
    /// The deadline passed, or the proxy is to end.
    Time,
    /// The heap is full.
    Memory,
    /// Something was thrown that the action did not catch.
    Thrown {
        /// As `String(error)` gives it.
        head: String,
        /// Where it was thrown; empty for what is not an `Error`.
        stack: String,
    },
}

impl Stop {
    /// Takes the pending exception of a failed call.
    pub fn from_error(ctx: &Ctx<'_>, error: &Error, memory: usize) -> Self {
        if !error.is_exception() {
            return Self::thrown(error.to_string());
        }
        let value = ctx.catch();
        // Null is what the engine throws when there was no room even for the error.
        if value.is_null() && memory_was_tight(memory) {
            return Stop::Memory;
        }
        let head = match Coerced::<String>::from_js(ctx, value.clone()) {
            Ok(Coerced(head)) => head,
            Err(_) => {
                // A `toString` that throws, or no memory to run it.
                let _ = ctx.catch();
                "unknown".to_owned()
            }
        };
        if is_error(&value) && head == "InternalError: out of memory" {
            return Stop::Memory;
        }
        let stack = value
            .into_exception()
            .and_then(|exception| exception.stack())
            .unwrap_or_default();
        let own_frames = |line: &&str| !line.contains("(owl:");
        Stop::Thrown {
            head,
            stack: stack
                .lines()
                .filter(own_frames)
                .collect::<Vec<_>>()
                .join("\n"),
        }
    }

    /// Something that the proxy itself objects to.
    pub fn thrown(head: String) -> Self {
        Stop::Thrown {
            head,
            stack: String::new(),
        }
    }

    /// The answer to `/init`.
    pub fn into_init_reply(self) -> Reply {
        match self {
            Stop::Time => Reply::error(502, OUT_OF_TIME),
            Stop::Memory => Reply::error(502, OUT_OF_MEMORY),
            Stop::Thrown { head, stack } if stack.is_empty() => Reply::init_failed(&head),
            Stop::Thrown { head, stack } => Reply::init_failed(&format!("{head}\n{stack}")),
        }
    }

    /// The answer to `/run`.
    pub fn into_run_reply(self) -> Reply {
        match self {
            Stop::Time => Reply::error(502, OUT_OF_TIME),
            Stop::Memory => Reply::error(502, OUT_OF_MEMORY),
            Stop::Thrown { head, .. } => {
                Reply::error(502, &format!("An error has occurred: {head}"))
            }
        }
    }
}

/// Whether this process has ever used most of what the engine may have. The engine frees what a
/// failed call held before anybody can look, so the peak is what tells.
pub fn memory_was_tight(memory: usize) -> bool {
    let peak = getrusage(UsageWho::RUSAGE_SELF).map_or(0, |usage| usage.max_rss());
    usize::try_from(peak)
        .unwrap_or_default()
        .saturating_mul(1024)
        >= memory / 4 * 3
}

fn is_error(value: &Value<'_>) -> bool {
    value.as_object().is_some_and(|object| object.is_error())
}
