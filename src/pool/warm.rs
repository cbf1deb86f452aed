//! What is done so that sandboxes are warm when they are called, and what is not done while the
//! machine is short of memory.

use std::time::Instant;

use super::decision::{Cause, Decision, Slot};
use super::key::{Key, Needs};
use super::room::Room;
use super::slots::{Phase, Sandbox};
use super::state::Pool;
use super::warmth::{Advice, Cost, Warmth};

impl Pool {
    /// A place for a sandbox that is made ready ahead of a call: a stem cell, if there is one that
    /// fits, else only a place that is free and that nobody waits for. It is like the place of a
    /// request from then on.
    pub fn reserve(&mut self, now: Instant, key: &Key, needs: &Needs) -> Option<Slot> {
        let free = self.settings.room().minus(self.slots.used());
        let starting = self.slots.being_started();
        if self.stopping
            || self.held
            || self.down.contains(needs.class.engine)
            || self.queue.waiting() > 0
            || self.slots.ready(key).is_some()
            || self.slots.opening(key) > 0
        {
            return None;
        }
        let stem = self.slots.stem(&needs.class).map(|stem| stem.slot);
        let has_room = starting < self.settings.starts && free.fits(Room::of(&needs.class));
        if stem.is_none() && !has_room {
            return None;
        }
        let slot = stem.unwrap_or_else(|| {
            let key = Some(key.clone());
            self.slots.add(now, key, needs, Phase::Starting)
        });
        if let Some(sandbox) = self.slots.get_mut(slot) {
            sandbox.ahead = true;
        }
        if stem.is_some() {
            self.slots.name(now, slot, key, needs.concurrency);
            self.stem_used(&needs.class);
        }
        self.tally.prepared += 1;
        Some(slot)
    }

    /// Whether the machine is too short of memory for sandboxes to be started: requests that need
    /// one wait then.
    pub fn hold(&mut self, now: Instant, held: bool, out: &mut Vec<Decision>) {
        let ends = self.held && !held;
        self.held = held;
        if ends {
            self.dispatch(now, out);
        }
    }

    /// Whether no sandbox is started now.
    pub const fn is_held(&self) -> bool {
        self.held
    }

    /// The machine is short of memory: the idle sandbox goes that is worth least.
    pub fn shed(&mut self, now: Instant, out: &mut Vec<Decision>) {
        if let Some(slot) = self.warmth.least_worth(now) {
            self.release(now, slot, Cause::Pressure, out);
        }
    }

    /// An idle sandbox goes; one that is being frozen, when that has ended.
    fn release(&mut self, now: Instant, slot: Slot, cause: Cause, out: &mut Vec<Decision>) {
        self.warmth.gone(slot);
        self.retire_where(now, cause, |sandbox| sandbox.slot == slot, out);
    }

    /// A sandbox has its code, and would run its action now.
    pub fn initialised(&mut self, now: Instant, slot: Slot, out: &mut Vec<Decision>) {
        if let Some(sandbox) = self.slots.get(slot)
            && let Some(key) = &sandbox.key
        {
            let took = now.saturating_duration_since(sandbox.made);
            self.warmth.started_cold(key.whose(), took);
        }
        self.thawed(now, slot, out);
    }

    /// A busy sandbox has its code and is awake: if it may have several runs, it takes more.
    pub fn thawed(&mut self, now: Instant, slot: Slot, out: &mut Vec<Decision>) {
        if self.slots.get_mut(slot).is_some_and(Sandbox::open) {
            self.dispatch(now, out);
        }
    }

    /// How many runs are under way in a sandbox.
    pub fn under_way(&self, slot: Slot) -> u32 {
        self.slots.get(slot).map_or(0, Sandbox::under_way)
    }

    /// Whether a sandbox may have several runs at the same time.
    pub fn is_shared(&self, slot: Slot) -> bool {
        self.slots.get(slot).is_some_and(Sandbox::is_shared)
    }

    /// What is known of calls.
    pub const fn warmth(&mut self) -> &mut Warmth {
        &mut self.warmth
    }

    /// A sandbox is not busy any more with what it was given out for.
    pub(super) fn rested(&mut self, now: Instant, slot: Slot, out: &mut Vec<Decision>) {
        let Some(sandbox) = self.slots.get_mut(slot) else {
            return;
        };
        let ahead = std::mem::take(&mut sandbox.ahead);
        let Some(key) = &sandbox.key else {
            return;
        };
        let whose = key.whose();
        let cost = Cost {
            memory: sandbox.class.memory,
            factor: sandbox.class.factor(),
        };
        let mut advice = Vec::new();
        match (sandbox.is_free(), ahead) {
            (true, true) => self.warmth.prepared(now, slot, whose, cost, &mut advice),
            (true, false) => self.warmth.idled(now, slot, whose, cost, &mut advice),
            (false, true) => {}
            (false, false) => self.warmth.ended(now, whose),
        }
        self.follow(now, advice, out);
    }

    /// Time has passed.
    pub(super) fn look_ahead(&mut self, now: Instant, out: &mut Vec<Decision>) {
        let mut advice = Vec::new();
        self.warmth.tick(now, &mut advice);
        self.follow(now, advice, out);
    }

    pub(super) fn follow(&mut self, now: Instant, advice: Vec<Advice>, out: &mut Vec<Decision>) {
        for advice in advice {
            match advice {
                Advice::Release { slot } => self.release(now, slot, Cause::Idle, out),
                Advice::Prepare { .. } if self.stopping || self.held => {}
                Advice::Prepare { whose, .. } => out.push(Decision::Prepare { whose }),
            }
        }
    }
}
