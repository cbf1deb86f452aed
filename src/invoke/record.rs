//! The activation record of one run (reference section 2.6).

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::Call;
use crate::entity::{Activation, ActivationId, Response, SEQUENCE, names};

/// Annotations of the record of an action that was run by itself: path, kind, limits, timeout,
/// waitTime, initTime.
const USUAL_ANNOTATIONS: usize = 6;

/// What happened to an activation, up to its result.
pub(super) struct Executed {
    /// The outcome.
    pub(super) response: Response,
    /// Start of init, or of run when warm, in milliseconds since 1970.
    pub(super) start: u64,
    /// End of run, in milliseconds since 1970.
    pub(super) end: u64,
    /// Milliseconds of init and run.
    pub(super) duration: u64,
    /// How far it came.
    pub(super) reached: Reached,
}

/// How far an activation came.
pub(super) enum Reached {
    /// Its action was not there, or not one that may run here and now (reference section 4.6).
    Nothing,
    /// Its namespace is blocked (reference section 4.6): it leaves no record.
    Blocked,
    /// Its action was to be run, but nothing came to run it.
    Action,
    /// It was run.
    Run(Timing),
}

/// Annotations of an activation that was run.
pub(super) struct Timing {
    /// Milliseconds from the receipt of the request to `start`.
    pub(super) wait: u64,
    /// Milliseconds of init; none when warm.
    pub(super) init: Option<u64>,
    /// Whether the time limit was hit.
    pub(super) timed_out: bool,
}

impl Executed {
    /// An activation that ended without having been run.
    pub(super) fn not_run(now: u64, reached: Reached, response: Response) -> Self {
        Executed {
            response,
            start: now,
            end: now,
            duration: 0,
            reached,
        }
    }
}

/// A plain value of an annotation.
pub(super) fn json(value: impl Serialize) -> Box<RawValue> {
    to_raw_value(&value).expect("plain values are always valid JSON")
}

/// The record of a run, without logs: they are collected after the caller has its answer. `cause`
/// is the sequence or composition that it is part of.
pub(super) fn activation(
    call: &Call,
    id: ActivationId,
    cause: Option<ActivationId>,
    executed: Executed,
) -> Activation {
    let action = &*call.action;
    let path = action.path();
    let mut annotations = Vec::with_capacity(USUAL_ANNOTATIONS);
    annotations.push(("path", json(&path)));
    match &executed.reached {
        Reached::Nothing | Reached::Blocked => annotations.push(("kind", json("unknown"))),
        Reached::Action | Reached::Run(_) => {
            annotations.push(("kind", json(action.exec.kind())));
            annotations.push(("limits", json(action.limits)));
        }
    }
    match &executed.reached {
        Reached::Nothing | Reached::Blocked => {}
        Reached::Action => annotations.push(("timeout", json(false))),
        Reached::Run(timing) => {
            annotations.push(("timeout", json(timing.timed_out)));
            annotations.push(("waitTime", json(timing.wait)));
            if let Some(init) = timing.init {
                annotations.push(("initTime", json(init)));
            }
        }
    }
    if let Some(binding) = &call.binding {
        annotations.push(("binding", json(binding)));
    }
    if cause.is_some() {
        annotations.push(("causedBy", json(SEQUENCE)));
    }
    Activation {
        id,
        namespace: call.identity.namespace.clone(),
        name: action.name.clone(),
        filter_name: filter_name(call.binding.as_deref(), &path),
        subject: call.identity.subject.clone(),
        version: action.version.clone(),
        cause,
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
pub(super) fn filter_name(binding: Option<&str>, path: &str) -> String {
    let (place, name) = names::place_and_name(path);
    match names::namespace_and_package(binding.unwrap_or(place)) {
        (_, Some(package)) => format!("{package}/{name}"),
        (_, None) => name.to_string(),
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
