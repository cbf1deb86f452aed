//! What the driver tells of the pool and of the machine's memory, when somebody asks.

use std::time::Instant;

use super::Driver;
use crate::pool::pressure::Reading;
use crate::pool::{Snapshot, Statistics};

/// How the memory of the machine stands.
#[derive(Clone, Copy, Debug)]
pub struct MemoryView {
    /// What the kernel tells now.
    pub reading: Reading,
    /// Bytes that are to stay available; 0: only stalls count.
    pub floor: u64,
}

impl Driver {
    /// Everything that the pool holds, with the figures of the same moment, and the machine's
    /// memory where it is watched. Nothing is counted for it in advance.
    pub fn snapshot(&self) -> (Snapshot, Statistics, Option<MemoryView>) {
        let state = self.inner.lock();
        let memory = state.watch.as_ref().map(|watch| watch.view());
        let snapshot = state.pool.snapshot(Instant::now());
        (snapshot, state.statistics(), memory)
    }
}
