//! What the pool has done since it was made.

use super::decision::Cause;

/// Counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Requests that got a warm sandbox.
    pub hits: u64,
    /// Requests that got a stem cell.
    pub stems: u64,
    /// Requests that had to start one.
    pub colds: u64,
    /// Sandboxes that were started ahead of a call.
    pub prepared: u64,
    /// Requests that had to wait for what they got, or got nothing.
    pub waited: u64,
    /// Requests that were refused.
    pub refused: u64,
    /// Stem cells that could not be started, or have ended by themselves.
    pub stems_failed: u64,
    /// Sandboxes that had to go, by [`Cause`].
    removals: [u64; Cause::ALL.len()],
}

impl Tally {
    /// How many sandboxes had to go for this cause.
    pub const fn removals(&self, cause: Cause) -> u64 {
        self.removals[cause as usize]
    }

    pub(super) const fn count(&mut self, cause: Cause) {
        self.removals[cause as usize] += 1;
    }
}
