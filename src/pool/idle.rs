//! What time does to idle sandboxes.

use std::time::{Duration, Instant};

use super::decision::{Cause, Decision, Slot};
use super::preemption;
use super::slots::{Phase, Sandbox};
use super::state::Pool;

impl Pool {
    /// Time has passed: sandboxes that were idle for too long go, and when it is time for a check
    /// of the watermarks, those that are too many. Others are frozen, and stem cells that could not
    /// be started are tried again.
    pub fn tick(&mut self, now: Instant, out: &mut Vec<Decision>) {
        let idle = self.slots.iter().filter(|sandbox| sandbox.is_free());
        let expired = idle.filter(|sandbox| now >= sandbox.since + self.settings.idle);
        let expired: Vec<Slot> = expired.map(|sandbox| sandbox.slot).collect();
        for slot in expired {
            self.remove(now, slot, Cause::Idle, out);
        }
        if self.check.is_some_and(|check| now >= check) {
            self.check = None;
            for slot in self.too_many(now) {
                self.remove(now, slot, Cause::Watermark, out);
            }
        }
        self.look_ahead(now, out);
        // While an engine is away it may be ending its sandboxes, which takes none that is frozen.
        let is_there = |sandbox: &Sandbox| !self.down.contains(sandbox.class.engine);
        let idle = self.slots.iter();
        let idle = idle.filter(|sandbox| sandbox.freezes(now) && is_there(sandbox));
        let freeze: Vec<Slot> = idle.map(|sandbox| sandbox.slot).collect();
        for slot in freeze {
            self.freeze(now, slot, out);
        }
        let is_there = |sandbox: &Sandbox| !self.down.contains(sandbox.class.engine);
        let idle = self.slots.iter().filter(|sandbox| sandbox.is_free());
        let times = idle.flat_map(|sandbox| {
            let expires = sandbox.since + self.settings.idle;
            let freezes = sandbox.freezes.filter(|_| is_there(sandbox));
            [Some(expires), freezes].into_iter().flatten()
        });
        self.due = times.chain(self.next_retry(now)).min();
        self.dispatch(now, out);
    }

    pub(super) fn freeze(&mut self, now: Instant, slot: Slot, out: &mut Vec<Decision>) {
        if let Some(sandbox) = self.slots.get_mut(slot) {
            sandbox.freezes = None;
            self.slots.set(now, slot, Phase::Freezing);
            out.push(Decision::Freeze { slot });
        }
    }

    /// When [`Pool::tick`] may have something to do next; none: not before another event.
    pub fn next_tick(&self) -> Option<Instant> {
        let dues = [self.due, self.warmth.next_tick()];
        dues.into_iter().flatten().min()
    }

    /// A sandbox has become idle.
    pub(super) fn idle_since(&mut self, now: Instant, slot: Slot) {
        self.wake_at(now + self.settings.idle);
        let freezes = self.settings.freeze_after.map(|grace| now + grace);
        if let Some(sandbox) = self.slots.get_mut(slot) {
            sandbox.freezes = freezes.filter(|_| sandbox.freezable);
            if let Some(freezes) = sandbox.freezes {
                self.wake_at(freezes);
            }
        }
    }

    /// Sees to it that the watermarks are checked, if a check could find something: the upper one
    /// is passed, and there is something that may go.
    pub(super) fn watch(&mut self, now: Instant) {
        let Some(marks) = &self.settings.watermarks else {
            return;
        };
        let there = self.slots.len() - self.slots.count(Phase::Removing);
        if self.slots.free() == 0 || !marks.is_above(there, self.settings.capacity) {
            return;
        }
        let check = match self.check {
            Some(check) => check,
            None => next_period(self.epoch, marks.period, now),
        };
        self.check = Some(check);
        self.wake_at(check);
    }

    /// Idle sandboxes beyond the watermarks, if the upper one is passed.
    fn too_many(&self, now: Instant) -> Vec<Slot> {
        let capacity = self.settings.capacity;
        let mut there = self.slots.len() - self.slots.count(Phase::Removing);
        let marks = match &self.settings.watermarks {
            Some(marks) if marks.is_above(there, capacity) => marks,
            _ => return Vec::new(),
        };
        let idle = self.slots.iter().filter(|sandbox| sandbox.is_free());
        let mut idle: Vec<&Sandbox> = idle.collect();
        preemption::sort(&mut idle, now);
        let too_many = idle.into_iter().take_while(|_| {
            let goes = !marks.is_below(there, capacity);
            there -= usize::from(goes);
            goes
        });
        too_many.map(|sandbox| sandbox.slot).collect()
    }

    pub(super) fn wake_at(&mut self, at: Instant) {
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }
}

/// The first whole period after `now`, counted from `epoch`.
fn next_period(epoch: Instant, period: Duration, now: Instant) -> Instant {
    let passed = now.saturating_duration_since(epoch).as_nanos();
    let into = passed % period.as_nanos().max(1);
    let rest = period.as_nanos() - into;
    now + Duration::from_nanos(u64::try_from(rest).unwrap_or(u64::MAX))
}
