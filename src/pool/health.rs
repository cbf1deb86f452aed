//! What happens to sandboxes and engines by itself.

use std::time::Instant;

use super::decision::{Cause, Decision, Slot};
use super::key::{Key, Needs};
use super::room::Room;
use super::slots::Phase;
use super::state::Pool;

impl Pool {
    /// A sandbox has ended by itself. One that is busy is given up by whoever it was given to.
    pub fn died(&mut self, now: Instant, slot: Slot, out: &mut Vec<Decision>) {
        self.retire_where(now, Cause::Failed, |sandbox| sandbox.slot == slot, out);
        self.dispatch(now, out);
    }

    /// An engine does not answer: nothing is started on it, and nothing of it is handed out.
    /// What is kept for those that wait for it is there for others meanwhile.
    pub fn engine_down(&mut self, now: Instant, engine: &'static str, out: &mut Vec<Decision>) {
        if self.down.goes(engine) {
            self.dispatch(now, out);
        }
    }

    /// An engine answers again. Those of its sandboxes that are no more were reported before; those
    /// that were frozen were let go when it went.
    pub fn engine_up(&mut self, now: Instant, engine: &str, out: &mut Vec<Decision>) {
        self.down.comes(engine);
        self.resume(now, engine, out);
    }

    /// What an engine has is there again, unless there is another reason why it is not.
    fn resume(&mut self, now: Instant, engine: &str, out: &mut Vec<Decision>) {
        if self.down.contains(engine) {
            return;
        }
        self.dispatch(now, out);
        let of_engine = self.slots.iter();
        let of_engine = of_engine.filter(|sandbox| sandbox.class.engine == engine);
        let (mut thawed, mut freezes) = (Vec::new(), None);
        for sandbox in of_engine {
            match sandbox.phase() {
                Phase::Frozen => thawed.push(sandbox.slot),
                Phase::Idle => freezes = [freezes, sandbox.freezes].into_iter().flatten().min(),
                _ => {}
            }
        }
        for slot in thawed {
            self.freeze(now, slot, out);
        }
        if let Some(freezes) = freezes {
            self.wake_at(freezes);
        }
    }

    /// Whether an engine does not answer.
    pub fn is_down(&self, engine: &str) -> bool {
        self.down.is_away(engine)
    }

    /// How many engines do not answer.
    pub const fn down(&self) -> usize {
        self.down.away().len()
    }

    /// It is being looked for what an engine has of an earlier process: until that has ended nothing
    /// is started on it.
    pub fn settle(&mut self, now: Instant, engine: &'static str, out: &mut Vec<Decision>) {
        self.down.settle(engine, true);
        self.dispatch(now, out);
    }

    /// All that an engine has of an earlier process is known, or gone.
    pub fn settled(&mut self, now: Instant, engine: &'static str, out: &mut Vec<Decision>) {
        self.down.settle(engine, false);
        self.resume(now, engine, out);
    }

    /// A warm sandbox of an earlier process is there. It becomes one of the pool, idle, if there is
    /// room that nobody waits for; none: there is not. While its engine is settling nobody waits for
    /// room that could be had without it.
    pub fn adopt(
        &mut self,
        now: Instant,
        key: Key,
        needs: &Needs,
        out: &mut Vec<Decision>,
    ) -> Option<Slot> {
        let free = self.settings.room().minus(self.slots.used());
        let is_settling = self.down.contains(needs.class.engine);
        let is_free = is_settling || self.queue.waiting() == 0;
        let has_room = free.fits(Room::of(&needs.class)) && is_free;
        if self.stopping || !has_room {
            return None;
        }
        let slot = self.slots.add(now, Some(key), needs, Phase::Idle);
        self.idle_since(now, slot);
        self.rested(now, slot, out);
        // Who was promised the room that it takes is promised other room.
        self.dispatch(now, out);
        Some(slot)
    }

    /// The sandboxes that are warm and free, frozen or not.
    pub fn idle(&self) -> Vec<Slot> {
        let idle = self.slots.iter().filter(|sandbox| sandbox.is_free());
        idle.map(|sandbox| sandbox.slot).collect()
    }

    /// A sandbox was frozen, or runs on. `again` tells whether it may be tried again.
    pub fn frozen(
        &mut self,
        now: Instant,
        slot: Slot,
        is_frozen: bool,
        again: bool,
        out: &mut Vec<Decision>,
    ) {
        let Some(sandbox) = self.slots.get_mut(slot) else {
            return;
        };
        sandbox.freezable &= again;
        let expires = sandbox.since + self.settings.idle;
        match (sandbox.retired, is_frozen) {
            (Some(cause), _) => self.remove(now, slot, cause, out),
            (None, true) => self.slots.set(now, slot, Phase::Frozen),
            (None, false) => self.slots.set(now, slot, Phase::Idle),
        }
        self.wake_at(expires);
        self.dispatch(now, out);
    }
}
