//! One invocation, from arguments to activation record.

use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;

use crate::entity::{Action, Activation, ActivationId, Identity};

/// What the API asks for, after its own checks: rights, throttles, sizes, final parameters.
pub struct Call {
    /// Who invokes; gets the record and pays.
    pub identity: Arc<Identity>,
    /// What is invoked, with all default parameters merged.
    pub action: Arc<Action>,
    /// The binding it was reached through, as `ns/binding`.
    pub binding: Option<String>,
    /// The payload, a JSON object; none means `{}`.
    pub payload: Option<Box<RawValue>>,
    /// Transaction id of the request.
    pub transaction_id: String,
    /// How long the caller waits for the result; none for a non-blocking call.
    pub wait: Option<Duration>,
}

/// How a call was answered.
pub enum Outcome {
    /// It will run, or still runs: its id. The record is durable.
    Accepted(ActivationId),
    /// It has ended: its record (`logs` empty: they are collected afterwards).
    Finished(Arc<Activation>),
}

/// Why a call was not accepted. Nothing was run and no record exists.
#[derive(Debug)]
pub enum InvokeError {
    /// The queue is full, or no sandbox came free within the bounded wait: 429 with this text.
    Overloaded(String),
    /// The daemon is stopping, or the store does not take records: 503 with this text.
    Unavailable(String),
}

/// Runs actions. Cheap to clone.
#[derive(Clone)]
pub struct Invoker {}

impl Invoker {
    /// Invokes an action.
    pub async fn invoke(&self, _call: Call) -> Result<Outcome, InvokeError> {
        Err(InvokeError::Unavailable("not built yet".into()))
    }

    /// How many activations of a namespace are queued or running, for the concurrency throttle.
    pub fn in_flight(&self, _namespace: &str) -> usize {
        0
    }
}
