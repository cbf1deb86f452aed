//! Other bounds and other kinds, while the pool is at work.

use std::time::Instant;

use super::Driver;
use crate::pool::{Class, Needs, Refusal, Settings};

impl Driver {
    /// These bounds hold from now on, and so many bytes are to stay available on the machine, where
    /// its memory is watched. Requests that can never be served under them are withdrawn: their
    /// [`super::Queued::granted`] gives `None`, and [`Driver::refusal`] says why.
    pub fn reconfigure(&self, settings: Settings, floor: u64) {
        let mut state = self.inner.lock();
        let now = Instant::now();
        let mut decisions = Vec::new();
        for ticket in state.pool.reconfigure(now, settings, &mut decisions) {
            // Dropping the sender tells the one who waits.
            state.waiting.remove(&ticket);
        }
        state.set_floor(now, floor, &mut decisions);
        self.inner.carry_out(state, decisions);
    }

    /// What some kinds run in has changed: `made_of` gives the class that sandboxes of a class are
    /// of from now on, and none for those that stay as they are.
    pub fn remake(&self, made_of: impl Fn(&Class) -> Option<Class>) {
        self.inner
            .tell(|pool, now, out| pool.remake(now, made_of, out));
    }

    /// Why a request cannot be served, now or later.
    pub fn refusal(&self, needs: &Needs) -> Option<Refusal> {
        self.inner.lock().pool.refusal(needs)
    }
}
