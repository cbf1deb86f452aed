//! What is known of calls: kept by others, and acted upon by others.

use std::sync::Arc;
use std::time::Instant;

use smol::channel::Receiver;

use super::{Driver, Inner, Lease, State, Warm};
use crate::pool::warmth::Warmth;
use crate::pool::{Key, Needs};

/// Expected calls that wait for somebody to start their sandboxes.
pub(super) const MOST: usize = 16;

impl Driver {
    /// Looks at what is known of calls, or changes it.
    pub fn with_warmth<T>(&self, with: impl FnOnce(&mut Warmth, Instant) -> T) -> T {
        let mut state = self.inner.lock();
        let answer = with(state.pool.warmth(), Instant::now());
        state.told = state.pool.warmth().has_changed();
        self.inner.arm(&mut state);
        answer
    }

    /// Waits until something is known of calls that [`Warmth::records`] has not given yet.
    pub async fn has_learnt(&self) {
        loop {
            let told = self.inner.learnt.listen();
            if self.inner.lock().pool.warmth().has_changed() {
                return;
            }
            told.await;
        }
    }

    /// Calls that are expected, by [`Key::whose`]: a sandbox is to be started in a place that
    /// [`Driver::reserve`] gives.
    pub fn expected(&self) -> Receiver<Arc<str>> {
        self.inner.expected.1.clone()
    }

    /// A place for a sandbox that is made ready ahead of a call, if there is one that nobody else
    /// needs, and the stem cell in it, if there is one.
    pub fn reserve(&self, key: &Key, needs: &Needs) -> Option<(Lease, Option<Warm>)> {
        let mut state = self.inner.lock();
        let mut decisions = Vec::new();
        let now = Instant::now();
        state.look_again(now, &mut decisions);
        let slot = state.pool.reserve(now, key, needs);
        let stem = slot.and_then(|slot| state.warm.remove(&slot));
        self.inner.carry_out(state, decisions);
        Some((Lease::new(self.inner.clone(), slot?), stem))
    }

    /// Whether requests wait because the machine is short of memory.
    pub fn is_held(&self) -> bool {
        self.inner.lock().pool.is_held()
    }

    /// Whether an engine is away, and nothing is started or run in it.
    pub fn is_down(&self, engine: &str) -> bool {
        self.inner.lock().pool.is_down(engine)
    }
}

impl Inner {
    /// Tells, once, that something was learnt of calls.
    pub(super) fn learn(&self, state: &mut State) {
        if !state.told && state.pool.warmth().has_changed() {
            state.told = true;
            self.learnt.notify(usize::MAX);
        }
    }
}
