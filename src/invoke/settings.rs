//! What an invoker is told at its start.

use std::time::Duration;

use crate::entity::ActionRanges;
use crate::sync::Current;

/// Bounds and addresses that hold for every invocation.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What may change while invocations run.
    pub live: Current<Live>,
    /// Largest result in bytes (reference section 7.6).
    pub max_response: u64,
    /// What the limits of actions may be.
    pub actions: ActionRanges,
    /// Actions in a sequence, and components of a composition.
    pub sequence_length: u32,
    /// How much longer than its time limit a component may take to give its result: it may have
    /// to wait for its sandbox (reference sections 5.2 and 5.3).
    pub component_grace: Duration,
    /// Whether the answer of a blocking invocation waits until its record is on the disk.
    pub durable_answers: bool,
}

/// Bounds that may change while invocations run: what begins after that goes by them.
#[derive(Clone, Copy, Debug)]
pub struct Live {
    /// Longest wait for a sandbox.
    pub longest_wait: Duration,
    /// Time that a new sandbox has to accept a connection.
    pub boot_timeout: Duration,
    /// MB of memory that `cpu-shares` are computed from (reference section 7.8).
    pub pool_memory: u32,
    /// Whether images of blackbox actions are pulled.
    pub auto_pull: bool,
}
