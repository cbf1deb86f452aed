//! What engines may have of the sandbox of each place: it is free when that is nothing.

use std::collections::HashMap;

use super::{Driver, Inner};
use crate::engine::{Held, Hold};
use crate::pool::Slot;

/// The places that engines hold.
#[derive(Default)]
pub(super) struct Places {
    held: HashMap<Slot, Vec<Held>>,
    /// Those that are only waited for to be free; their sandboxes were removed, as far as the engine
    /// could be asked.
    lingering: Vec<Slot>,
    /// Whether nothing is waited for any more.
    given_up: bool,
}

impl Places {
    /// An engine may have something of a place.
    pub(super) fn hold(&mut self, slot: Slot, held: Held) {
        self.held.entry(slot).or_default().push(held);
    }

    /// What has to be waited for until a place is free.
    pub(super) fn held(&self, slot: Slot) -> Vec<Held> {
        self.held.get(&slot).cloned().unwrap_or_default()
    }

    /// The sandbox of a place is to go. Gives what has to be waited for.
    pub(super) fn leave(&mut self, slot: Slot) -> Vec<Held> {
        let mut held = self.held.remove(&slot).unwrap_or_default();
        held.retain(|held| !held.is_free() && !self.given_up);
        held
    }

    /// A place is only waited for to be free. Tells whether that is still wanted.
    pub(super) fn linger(&mut self, slot: Slot) -> bool {
        if !self.given_up {
            self.lingering.push(slot);
        }
        !self.given_up
    }

    /// A place is free.
    pub(super) fn freed(&mut self, slot: Slot) {
        self.lingering.retain(|lingering| *lingering != slot);
    }

    /// Nothing is waited for any more. Gives those places for which only that was done.
    pub(super) fn give_up(&mut self) -> Vec<Slot> {
        self.given_up = true;
        std::mem::take(&mut self.lingering)
    }
}

impl Inner {
    pub(super) fn hold(&self, slot: Slot) -> Hold {
        let (hold, held) = Hold::new();
        self.lock().places.hold(slot, held);
        hold
    }
}

impl Driver {
    /// It is being looked for what an engine has of an earlier process, for as long as what is given
    /// is kept: requests that need a sandbox of it wait.
    pub fn settle(&self, engine: &'static str) -> Settling {
        self.inner
            .tell(|pool, now, out| pool.settle(now, engine, out));
        Settling {
            driver: self.clone(),
            engine,
        }
    }
}

/// Kept while it is looked for what an engine has of an earlier process.
pub struct Settling {
    driver: Driver,
    engine: &'static str,
}

impl Drop for Settling {
    fn drop(&mut self) {
        let engine = self.engine;
        self.driver
            .inner
            .tell(|pool, now, out| pool.settled(now, engine, out));
    }
}
