//! Sandboxes that may have several runs at the same time: each run has a connection of its own.

use std::sync::Arc;

use super::{Driver, Inner, State, Warm};
use crate::Executor;
use crate::engine::Sandbox;
use crate::engine::proxy::Proxy;
use crate::pool::Slot;

/// One such sandbox.
pub(super) struct Crew {
    sandbox: Arc<dyn Sandbox>,
    /// The ways into it that no run uses while others are under way. Never more than it had runs.
    spare: Vec<Proxy>,
}

impl Crew {
    fn new(warm: &Warm) -> Self {
        Crew {
            sandbox: warm.sandbox.clone(),
            spare: Vec::new(),
        }
    }

    /// A way in for one more run.
    pub(super) fn join(&mut self, executor: &Executor) -> Warm {
        let sandbox = self.sandbox.clone();
        let proxy = self.spare.pop();
        // If it cannot be reached, then that is not for what this run does.
        let proxy = proxy.unwrap_or_else(|| Proxy::of_warm(executor.clone(), sandbox.clone()));
        Warm::new(sandbox, proxy)
    }

    /// Closes all connections that no run uses.
    pub(super) fn disconnect(&mut self) {
        self.spare.iter_mut().for_each(Proxy::disconnect);
    }
}

impl State {
    /// A sandbox is the driver's again, or a way into one that has other runs.
    pub(super) fn returned(&mut self, slot: Slot, warm: Warm) {
        match self.crews.get_mut(&slot) {
            Some(crew) if self.pool.under_way(slot) > 1 => crew.spare.push(warm.proxy),
            _ => _ = self.warm.insert(slot, warm),
        }
    }

    /// A sandbox may be used by several from now on, if its action may have several runs in one.
    pub(super) fn share(&mut self, slot: Slot, warm: &Warm) {
        if self.pool.is_shared(slot) {
            self.crews.insert(slot, Crew::new(warm));
        }
    }
}

impl Inner {
    /// A sandbox that was initialised takes its further runs.
    pub(super) fn opened(self: &Arc<Self>, slot: Slot, warm: &Warm) {
        let mut state = self.lock();
        state.share(slot, warm);
        self.tell_in(state, |pool, now, out| pool.initialised(now, slot, out));
    }
}

impl Driver {
    /// How many sandboxes can be shared by several runs.
    #[cfg(test)]
    pub(super) fn crews(&self) -> usize {
        self.inner.lock().crews.len()
    }
}
