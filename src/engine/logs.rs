//! What a sandbox prints, cut into activations at the sentinels (reference section 7.7).

use std::sync::{Arc, Mutex};
use std::time::SystemTime;

/// The line that runtimes print once on each stream after each run.
pub const SENTINEL: &str = "XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX";

/// Which stream a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// The log lines of one activation.
#[derive(Clone, Debug, Default)]
pub struct Logs {
    /// Lines in OpenWhisk's form: `<timestamp padded to 30> stdout: <line>`.
    pub lines: Vec<String>,
    /// The limit was reached, or the sentinels did not come: the sandbox must go.
    pub incomplete: bool,
}

/// Collects what one sandbox prints. Memory is bounded by the limit of the running activation.
#[derive(Clone, Default)]
pub struct LogSink {
    _inner: Arc<Mutex<()>>,
}

impl LogSink {
    /// An empty sink.
    pub fn new() -> Self {
        Self::default()
    }

    /// Called by the engine for each chunk that arrives; chunks may end within a line.
    pub fn push(&self, _stream: Stream, _bytes: &[u8], _now: SystemTime) {}

    /// Called by the engine when no more will come.
    pub fn close(&self) {}

    /// Starts an activation: forgets what is left over, and keeps at most `limit` bytes from now on.
    pub fn begin(&self, _limit: u64) {}

    /// Ends an activation. With `wait`, waits for both sentinels as section 7.7 says; else takes
    /// what is there.
    pub async fn collect(&self, _wait: bool) -> Logs {
        Logs::default()
    }
}
