//! What is asked of the invoker, and how it answers.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;
use smol::lock::SemaphoreGuardArc;

use super::burst::Sent;
use crate::catalog::Resolved;
use crate::entity::{Action, Activation, ActivationId, Identity};

/// What the API asks for, after its own checks: rights, throttles, sizes, final parameters.
pub struct Call {
    /// Who invokes; gets the record and pays.
    pub identity: Arc<Identity>,
    /// What is invoked, with the parameters of its package and binding under its own.
    pub action: Arc<Action>,
    /// The binding it was reached through, as `ns/binding`.
    pub binding: Option<String>,
    /// The payload: a JSON object, or in a sequence an array; none means `{}`.
    pub payload: Option<Box<RawValue>>,
    /// Transaction id of the request.
    pub transaction_id: String,
    /// How long the caller waits for the result; none for a non-blocking call.
    pub wait: Option<Duration>,
    /// The OWLs that the request has come through, as its header `X-Owl-Via` names them.
    pub via: Option<Box<str>>,
    /// Given back when the activation has ended, by whoever bounds how many are under way.
    pub held: Option<SemaphoreGuardArc>,
    /// The tier that it was sent to.
    pub(super) sent: Sent,
}

impl Call {
    /// The call of an action that a caller reached.
    pub fn new(
        identity: Arc<Identity>,
        resolved: Resolved,
        payload: Option<Box<RawValue>>,
        transaction_id: String,
        wait: Option<Duration>,
    ) -> Self {
        Call {
            identity,
            action: resolved.action,
            binding: resolved.binding,
            payload,
            transaction_id,
            wait,
            via: None,
            held: None,
            sent: Sent::default(),
        }
    }
}

/// How a call was answered.
pub enum Outcome {
    /// It will run, or still runs: its id. The record is durable.
    Accepted(ActivationId),
    /// It has ended: its record (`logs` empty: they are collected afterwards).
    Finished(Arc<Activation>),
    /// It was let in, but could not be run in the time that it may wait: why. Its record says so,
    /// too.
    Refused(ActivationId, InvokeError),
}

/// Why a call was not accepted. Nothing was run and no record exists.
#[derive(Debug)]
pub enum InvokeError {
    /// As many calls as may wait for a sandbox do so already: 429 with this text.
    Overloaded(String),
    /// Nothing is run here, the daemon is stopping, or the store does not take records: 503 with
    /// this text.
    Unavailable(String),
    /// Another activation has the id that was given: 409 with this text.
    Taken(String),
}

impl fmt::Display for InvokeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Overloaded(text) | Self::Unavailable(text) | Self::Taken(text) => {
                f.write_str(text)
            }
        }
    }
}

impl std::error::Error for InvokeError {}
