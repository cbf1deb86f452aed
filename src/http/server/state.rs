//! What the parts of one connection tell each other.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use hyper::body::Incoming;

use super::refusal::Refusal;
use crate::sync::lock;

/// Memory for bodies that is left, over all connections, in bytes.
#[derive(Debug)]
pub(super) struct Budget(AtomicU64);

impl Budget {
    pub(super) fn new(bytes: u64) -> Self {
        Budget(AtomicU64::new(bytes))
    }

    fn take(&self, bytes: u64) -> bool {
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(bytes)
            })
            .is_ok()
    }

    fn give_back(&self, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// The state that gate, bodies and driver of a connection share.
///
/// They run in one task, so the lock is never waited for; it is there because a task may move
/// from thread to thread.
pub(super) struct State {
    inner: Mutex<Inner>,
    budget: Arc<Budget>,
}

#[derive(Default)]
pub(super) struct Inner {
    /// Until when bytes of the client are waited for.
    pub(super) read_until: Option<Instant>,
    /// Until when the client may take to read what is written.
    pub(super) write_until: Option<Instant>,
    /// Nothing of a next request has come.
    pub(super) idle: bool,
    /// Why a request was replaced by a placeholder, which hyper is about to see.
    pub(super) refused_head: Option<Refusal>,
    /// Why a body cannot be read: to be answered in place of what its handler says.
    pub(super) refused_body: Option<Refusal>,
    /// The client may still be sending: closing at once would reset the connection, and the
    /// answer might be lost.
    pub(super) unread: bool,
    /// A body that its handler dropped before the end.
    pub(super) dropped: Option<Incoming>,
    /// Bytes taken from the budget for the request that is being served.
    reserved: u64,
}

impl State {
    pub(super) fn new(budget: Arc<Budget>) -> Self {
        State {
            inner: Mutex::default(),
            budget,
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }

    /// Takes memory for a body up to `total` bytes; false if there is not enough.
    pub(super) fn reserve(&self, total: u64) -> bool {
        let mut inner = self.lock();
        let more = total.saturating_sub(inner.reserved);
        if more > 0 {
            if !self.budget.take(more) {
                return false;
            }
            inner.reserved = total;
        }
        true
    }

    /// The handler is through: what it collected is gone.
    pub(super) fn release(&self) {
        let bytes = std::mem::take(&mut self.lock().reserved);
        if bytes > 0 {
            self.budget.give_back(bytes);
        }
    }
}

impl Drop for State {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_shared_by_connections_and_comes_back() {
        let budget = Arc::new(Budget::new(100));
        let one = State::new(budget.clone());
        let two = State::new(budget);
        assert!(one.reserve(60));
        assert!(!two.reserve(60));
        // Growing counts the difference only.
        assert!(one.reserve(100));
        assert!(!two.reserve(1));
        one.release();
        assert!(two.reserve(100));
        drop(two);
        assert!(one.reserve(100));
    }
}
