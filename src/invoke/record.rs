//! The activation record of one run (reference section 2.6).

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::Call;
use crate::entity::{Activation, ActivationId, Response, Status};

/// What happened to an activation, up to its result.
pub struct Executed {
    /// The outcome.
    pub response: Response,
    /// Start of init, or of run when warm, in milliseconds since 1970.
    pub start: u64,
    /// End of run, in milliseconds since 1970.
    pub end: u64,
    /// Milliseconds of init and run.
    pub duration: u64,
    /// What is only known when something was run.
    pub timing: Option<Timing>,
}

/// Annotations of an activation that was run.
pub struct Timing {
    /// Milliseconds from the receipt of the request to `start`.
    pub wait: u64,
    /// Milliseconds of init; none when warm.
    pub init: Option<u64>,
    /// Whether the time limit was hit.
    pub timed_out: bool,
}

impl Executed {
    /// An activation that ended without having been run.
    pub fn not_run(now: u64, status: Status, message: &str) -> Self {
        Executed {
            response: Response::error(status, message),
            start: now,
            end: now,
            duration: 0,
            timing: None,
        }
    }
}

fn json(value: impl Serialize) -> Box<RawValue> {
    to_raw_value(&value).expect("plain values are always valid JSON")
}

/// The record, without logs: they are collected after the caller has its answer.
pub fn activation(call: &Call, id: ActivationId, executed: Executed) -> Activation {
    let action = &*call.action;
    let path = action.path();
    let mut annotations = vec![
        ("path", json(&path)),
        ("kind", json(action.exec.kind())),
        ("limits", json(action.limits)),
    ];
    if let Some(timing) = &executed.timing {
        annotations.push(("timeout", json(timing.timed_out)));
        annotations.push(("waitTime", json(timing.wait)));
        if let Some(init) = timing.init {
            annotations.push(("initTime", json(init)));
        }
    } else {
        annotations.push(("timeout", json(false)));
    }
    if let Some(binding) = &call.binding {
        annotations.push(("binding", json(binding)));
    }
    Activation {
        id,
        namespace: call.identity.namespace.clone(),
        name: action.name.clone(),
        filter_name: filter_name(call.binding.as_deref(), &path),
        subject: call.identity.subject.clone(),
        version: action.version.clone(),
        cause: None,
        start: executed.start,
        end: Some(executed.end),
        duration: Some(executed.duration),
        response: executed.response,
        logs: Vec::new(),
        annotations,
    }
}

/// What `?name=` is compared with (reference section 3.7.1): the package comes from the binding
/// if there is one, else from a path of three segments.
pub fn filter_name(binding: Option<&str>, path: &str) -> String {
    let mut segments = path.split('/').skip(1);
    let (first, second) = (segments.next().unwrap_or_default(), segments.next());
    let bound = binding.and_then(|binding| binding.split('/').nth(1));
    match (bound, second) {
        (Some(package), name) => format!("{package}/{}", name.unwrap_or(first)),
        (None, Some(name)) => format!("{first}/{name}"),
        (None, None) => first.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_for_the_filter() {
        assert_eq!(filter_name(None, "ns/a"), "a");
        assert_eq!(filter_name(None, "ns/p/a"), "p/a");
        assert_eq!(filter_name(Some("me/b"), "ns/p/a"), "b/a");
    }
}
