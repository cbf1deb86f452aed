//! Other bounds, and other kinds, while the pool is at work. What runs is not touched: where there
//! is less room than before, sandboxes go that are idle, and of those that are busy as many as are
//! too many when they have finished.

use std::time::Instant;

use super::decision::{Cause, Decision, Slot, Ticket};
use super::key::Class;
use super::preemption;
use super::room::Room;
use super::settings::Settings;
use super::slots::{Phase, Sandbox};
use super::state::Pool;

impl Pool {
    /// These bounds hold from now on. Requests that wait stay where they are, be there more than may
    /// wait now or not; but those that can never be served under these bounds are returned: they
    /// get no sandbox any more.
    pub fn reconfigure(
        &mut self,
        now: Instant,
        settings: Settings,
        out: &mut Vec<Decision>,
    ) -> Vec<Ticket> {
        self.settings = settings;
        let mut advice = Vec::new();
        self.warmth.set(now, self.settings.warmth(), &mut advice);
        self.follow(now, advice, out);
        self.shrink(now, out);
        self.freeze_again();
        let withdrawn = self.withdraw_refused();
        // What time changes is looked at at once; the watermarks, at their next period.
        self.check = None;
        self.wake_at(now);
        self.dispatch(now, out);
        withdrawn
    }

    /// What the kinds of some classes run in has changed: `made_of` gives the class that such
    /// sandboxes are of from now on, and none for those that stay as they are. What was made before
    /// goes, if it is busy when it has finished; who waits gets what is made now.
    pub fn remake(
        &mut self,
        now: Instant,
        made_of: impl Fn(&Class) -> Option<Class>,
        out: &mut Vec<Decision>,
    ) {
        let is_old = |sandbox: &Sandbox| made_of(&sandbox.class).is_some();
        self.retire_where(now, Cause::Changed, is_old, out);
        self.queue.each_needs(|needs| {
            if let Some(class) = made_of(&needs.class) {
                needs.class = class.into();
            }
        });
        self.dispatch(now, out);
    }

    /// Lets as many sandboxes go as there are too many of: the idle ones first.
    fn shrink(&mut self, now: Instant, out: &mut Vec<Decision>) {
        let staying = self.slots.iter().filter(|sandbox| stays(sandbox));
        let taken = staying.fold(Room::default(), |room, sandbox| {
            room.plus(Room::of(&sandbox.class))
        });
        let mut missing = taken.minus(self.settings.room());
        if missing == Room::default() {
            return;
        }
        let idle = preemption::least_first(&self.slots, &self.warmth, now);
        let mut chosen: Vec<Slot> = match preemption::enough(&idle, missing) {
            Some(chosen) => chosen,
            None => idle.iter().map(|sandbox| sandbox.slot).collect(),
        };
        for sandbox in idle.iter().filter(|idle| chosen.contains(&idle.slot)) {
            missing = missing.minus(Room::of(&sandbox.class));
        }
        if missing != Room::default() {
            let others = self.slots.iter();
            let others = others.filter(|sandbox| stays(sandbox) && !is_idle(sandbox));
            let mut others: Vec<&Sandbox> = others.collect();
            // What nobody uses comes before what somebody does.
            others.sort_by_key(|sandbox| is_used(sandbox));
            chosen.extend(preemption::enough(&others, missing).unwrap_or_default());
        }
        let is_chosen = |sandbox: &Sandbox| chosen.contains(&sandbox.slot);
        self.retire_where(now, Cause::Stopped, is_chosen, out);
    }

    /// Idle sandboxes are frozen after the time that holds now; frozen ones stay so.
    fn freeze_again(&mut self) {
        let grace = self.settings.freeze_after;
        self.slots.each_mut(|sandbox| {
            if sandbox.phase() == Phase::Idle {
                let freezes = grace.map(|grace| sandbox.since + grace);
                sandbox.freezes = freezes.filter(|_| sandbox.freezable);
            }
        });
    }

    /// Requests that will never be served do not wait: they would keep others waiting.
    fn withdraw_refused(&mut self) -> Vec<Ticket> {
        let lines = self.queue.namespaces().iter();
        let lines = lines.flat_map(|namespace| &namespace.lines);
        let refused = lines.filter(|line| self.refusal(&line.needs).is_some());
        let tickets = refused.flat_map(|line| &line.waiters);
        let tickets: Vec<Ticket> = tickets.map(|waiter| waiter.ticket).collect();
        for ticket in &tickets {
            self.queue.cancel(*ticket);
        }
        self.tally.refused += tickets.len() as u64;
        tickets
    }
}

/// Whether a sandbox is not on its way out.
fn stays(sandbox: &Sandbox) -> bool {
    sandbox.phase() != Phase::Removing && sandbox.retired.is_none()
}

fn is_idle(sandbox: &Sandbox) -> bool {
    sandbox.is_free() || sandbox.is_stem()
}

fn is_used(sandbox: &Sandbox) -> bool {
    matches!(sandbox.phase(), Phase::Busy | Phase::Starting)
}
