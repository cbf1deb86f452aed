//! The pool's decisions: events and a clock in, decisions out. No I/O, no threads.

use std::time::Instant;

use super::decision::{Cause, Decision, Outlook, Refusal, Slot, Ticket};
use super::dispatch::{Bounds, Walk};
use super::down::Down;
use super::key::{Key, Needs};
use super::queue::Queue;
use super::room::Room;
use super::settings::Settings;
use super::slots::{Phase, Sandbox, Slots};
use super::stems::Stems;
use super::tally::Tally;
use super::warmth::Warmth;

/// How many sandboxes are in which phase, and how many requests wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Being started.
    pub starting: usize,
    /// Being initialised, or running an activation.
    pub busy: usize,
    /// Warm and free, frozen or not.
    pub idle: usize,
    /// Of those, frozen.
    pub frozen: usize,
    /// Stem cells, those among them that are being started.
    pub stems: usize,
    /// Going.
    pub removing: usize,
    /// Requests without a sandbox.
    pub waiting: usize,
}

/// A warm sandbox that a request got at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The sandbox.
    pub slot: Slot,
    /// Whether it has to be thawed first.
    pub frozen: bool,
}

/// The state machine.
#[derive(Debug)]
pub struct Pool {
    pub(super) settings: Settings,
    pub(super) slots: Slots,
    pub(super) queue: Queue,
    pub(super) tally: Tally,
    pub(super) warmth: Warmth,
    /// Whether no sandbox is started, because the machine is short of memory.
    pub(super) held: bool,
    /// Requests that wait for what is coming to them, or for their turn to be started.
    promised: usize,
    /// The stem cells that are to be there.
    pub(super) stems: Vec<Stems>,
    /// The engines on which nothing is started now.
    pub(super) down: Down,
    pub(super) stopping: bool,
    /// When it was made: checks of the watermarks are whole periods after that.
    pub(super) epoch: Instant,
    /// When the watermarks are checked next, if they need to be.
    pub(super) check: Option<Instant>,
    /// When [`Pool::tick`] may have something to do; never too late.
    pub(super) due: Option<Instant>,
}

impl Pool {
    /// An empty pool.
    pub fn new(now: Instant, settings: Settings) -> Self {
        Pool {
            warmth: Warmth::new(now, settings.warmth()),
            held: false,
            settings,
            slots: Slots::default(),
            queue: Queue::default(),
            tally: Tally::default(),
            promised: 0,
            stems: Vec::new(),
            down: Down::default(),
            stopping: false,
            epoch: now,
            check: None,
            due: None,
        }
    }

    /// A request that can be served at once by a warm sandbox of its action: the short way, which
    /// nearly all take.
    pub fn take(&mut self, now: Instant, key: &Key) -> Option<Taken> {
        if self.queue.waiting() > 0 {
            return None;
        }
        let sandbox = self.slots.ready(key)?;
        if self.down.contains(sandbox.class.engine) {
            return None;
        }
        let (slot, frozen) = (sandbox.slot, sandbox.phase() == Phase::Frozen);
        self.warmth.arrived(now, key.whose());
        self.warmth.gone(slot);
        self.slots.enter(now, slot);
        self.tally.hits += 1;
        Some(Taken { slot, frozen })
    }

    /// A request: it gets a sandbox now, or waits.
    ///
    /// # Errors
    /// It is refused: it neither gets anything nor waits.
    pub fn request(
        &mut self,
        now: Instant,
        ticket: Ticket,
        key: Key,
        needs: Needs,
        out: &mut Vec<Decision>,
    ) -> Result<(), Refusal> {
        if let Some(refusal) = self.refusal(&needs) {
            self.tally.refused += 1;
            return Err(refusal);
        }
        self.warmth.arrived(now, key.whose());
        self.queue.push(now, ticket, key, needs);
        let before = out.len();
        self.dispatch(now, out);
        let is_granted = out[before..].iter().any(|decision| decision.grants(ticket));
        self.tally.waited += u64::from(!is_granted);
        // A place that is coming is as good as a free one: such a request waits for the removal
        // only, and does so even where waiting is switched off.
        if self.queue.waiting() - self.promised > self.settings.queue_length
            && self.queue.cancel(ticket)
        {
            self.tally.refused += 1;
            self.tally.waited -= 1;
            self.dispatch(now, out);
            return Err(match self.held {
                true => Refusal::NoMemory,
                false => Refusal::QueueFull(self.queue.waiting() - self.promised),
            });
        }
        Ok(())
    }

    /// Why a request cannot be served, now or later.
    pub(super) fn refusal(&self, needs: &Needs) -> Option<Refusal> {
        let (needed, budget) = (needs.class.memory.into(), self.settings.memory);
        if self.stopping {
            Some(Refusal::Stopping)
        } else if self.settings.capacity == 0 {
            Some(Refusal::NoCapacity)
        } else if needed > budget {
            Some(Refusal::TooLarge { needed, budget })
        } else {
            None
        }
    }

    /// What a request would get now.
    pub fn outlook(&self, key: &Key, needs: &Needs) -> Outlook {
        if self.refusal(needs).is_some() {
            return Outlook::Refused;
        }
        let is_down = self.down.contains(needs.class.engine);
        if !is_down && self.slots.ready(key).is_some() {
            return Outlook::Warm;
        }
        if !is_down && self.queue.waiting_for(key) < self.slots.opening(key) {
            return Outlook::Place;
        }
        // Those that were promised something need no more than what they were promised.
        let waiting = self.queue.waiting() - self.promised;
        let idle = self.slots.iter();
        let idle = idle.filter(|sandbox| {
            let is_idle = sandbox.is_free() || sandbox.is_stem();
            is_idle && !self.down.contains(sandbox.class.engine)
        });
        let idle = idle.fold(Room::default(), |room, sandbox| {
            room.plus(Room::of(&sandbox.class))
        });
        let leaving = self.down.going(&self.slots);
        let staying = self.slots.used().minus(leaving);
        let mut room = self.settings.room().minus(staying).plus(idle);
        room.places = room.places.saturating_sub(self.promised);
        if waiting == 0 && !self.held && !is_down && room.fits(Room::of(&needs.class)) {
            return Outlook::Place;
        }
        if waiting >= self.settings.queue_length {
            return Outlook::Refused;
        }
        Outlook::Wait(waiting)
    }

    /// The sandbox of a place is there, and is initialised next.
    pub fn started(&mut self, now: Instant, slot: Slot, out: &mut Vec<Decision>) {
        let sandbox = self.slots.get(slot);
        if sandbox.is_some_and(|sandbox| sandbox.phase() == Phase::Starting) {
            self.slots.set(now, slot, Phase::Busy);
            self.dispatch(now, out);
        }
    }

    /// A sandbox has finished one of the runs that it was given out for. `keep` tells whether it may
    /// be used again: if not, it goes when the last of them is over, and takes no more until then.
    pub fn done(&mut self, now: Instant, slot: Slot, keep: bool, out: &mut Vec<Decision>) {
        let Some(sandbox) = self.slots.get_mut(slot) else {
            return;
        };
        if !keep {
            sandbox.retired.get_or_insert(Cause::Failed);
        }
        // Others come to their end in it first.
        if sandbox.leave() {
            return self.dispatch(now, out);
        }
        let cause = match self.stopping {
            true => Some(Cause::Stopped),
            false => sandbox.retired,
        };
        match cause {
            Some(cause) => self.remove(now, slot, cause, out),
            None => {
                self.slots.set(now, slot, Phase::Idle);
                self.idle_since(now, slot);
            }
        }
        self.dispatch(now, out);
        self.rested(now, slot, out);
    }

    /// A removal has been carried out (or there was nothing to remove).
    pub fn removed(&mut self, now: Instant, slot: Slot, out: &mut Vec<Decision>) {
        if self.slots.forget(slot) {
            self.dispatch(now, out);
        }
    }

    /// A request is withdrawn. Returns false if it does not wait (any more).
    pub fn cancel(&mut self, now: Instant, ticket: Ticket, out: &mut Vec<Decision>) -> bool {
        let waited = self.queue.cancel(ticket);
        if waited {
            // What was promised to it is there for others.
            self.dispatch(now, out);
        }
        waited
    }

    /// An action was changed or deleted: its sandboxes go, busy ones when they have finished.
    pub fn retire(&mut self, now: Instant, action: &str, out: &mut Vec<Decision>) {
        let of_action = |sandbox: &Sandbox| {
            let key = sandbox.key.as_ref();
            key.is_some_and(|key| key.action() == action)
        };
        self.retire_where(now, Cause::Changed, of_action, out);
        self.warmth.look_again(action);
        // Who was promised one of them gets a place.
        self.dispatch(now, out);
    }

    /// A sandbox is not fit for further use: it goes, if it is busy when it has finished.
    pub fn retire_slot(&mut self, now: Instant, slot: Slot, out: &mut Vec<Decision>) {
        self.retire_where(now, Cause::Failed, |sandbox| sandbox.slot == slot, out);
        self.dispatch(now, out);
    }

    pub(super) fn retire_where(
        &mut self,
        now: Instant,
        cause: Cause,
        which: impl Fn(&Sandbox) -> bool,
        out: &mut Vec<Decision>,
    ) {
        let chosen = self.slots.iter().filter(|sandbox| which(sandbox));
        let chosen: Vec<Slot> = chosen.map(|sandbox| sandbox.slot).collect();
        for slot in chosen {
            let Some(sandbox) = self.slots.get_mut(slot) else {
                continue;
            };
            sandbox.retired.get_or_insert(cause);
            if sandbox.is_free() || sandbox.is_stem() {
                self.remove(now, slot, cause, out);
            }
        }
    }

    /// No new requests from now on; idle sandboxes go, busy ones when they have finished.
    /// Requests that wait are returned: they get no sandbox any more.
    pub fn stop(&mut self, now: Instant, out: &mut Vec<Decision>) -> Vec<Ticket> {
        self.stopping = true;
        self.retire_where(now, Cause::Stopped, |_| true, out);
        self.promised = 0;
        self.queue.clear()
    }

    /// The bounds of the pool.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What it has done.
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }

    /// MB that the memory limits of all sandboxes come to.
    pub const fn memory(&self) -> u64 {
        self.slots.used().memory
    }

    /// How many of what there are.
    pub const fn counts(&self) -> Counts {
        Counts {
            starting: self.slots.count(Phase::Starting),
            busy: self.slots.count(Phase::Busy),
            idle: self.slots.free() + self.slots.count(Phase::Freezing),
            frozen: self.slots.count(Phase::Frozen),
            stems: self.slots.count(Phase::Stem) + self.slots.count(Phase::Growing),
            removing: self.slots.count(Phase::Removing),
            waiting: self.queue.waiting(),
        }
    }

    /// Whether there is no sandbox, not even one that goes.
    pub fn is_empty(&self) -> bool {
        self.slots.len() == 0
    }

    pub(super) fn remove(
        &mut self,
        now: Instant,
        slot: Slot,
        cause: Cause,
        out: &mut Vec<Decision>,
    ) {
        let stem = self.slots.get(slot).filter(|sandbox| sandbox.key.is_none());
        if let Some(class) = stem.map(|sandbox| sandbox.class.clone())
            && cause == Cause::Failed
        {
            self.stem_failed(now, &class);
        }
        self.slots.set(now, slot, Phase::Removing);
        self.warmth.gone(slot);
        self.tally.count(cause);
        out.push(Decision::Remove { slot });
    }

    /// Hands out what is free, for as long as somebody gets something, or something goes: a walk
    /// that is repeated decides nothing.
    pub(super) fn dispatch(&mut self, now: Instant, out: &mut Vec<Decision>) {
        self.promised = 0;
        while self.queue.waiting() > 0 && self.has_something() {
            let before = out.len();
            let bounds = Bounds {
                settings: &self.settings,
                warmth: &self.warmth,
                held: self.held,
            };
            let walk = Walk::new(
                now,
                bounds,
                &self.queue,
                &self.down,
                &mut self.slots,
                &mut self.tally,
                out,
            );
            let walked = walk.run();
            for decision in &out[before..] {
                if let Decision::Run { slot, .. } | Decision::Remove { slot } = decision {
                    self.warmth.gone(*slot);
                }
            }
            self.promised = walked.promised;
            self.queue.pass_over(now, &walked.passed_over);
            for key in &walked.granted {
                self.queue.served(key);
            }
            for class in &walked.stems {
                self.stem_used(class);
            }
            if walked.granted.is_empty() && !walked.made_room {
                break;
            }
        }
        self.grow(now, out);
        self.watch(now);
    }

    /// Whether there is, or comes, anything that requests could get.
    fn has_something(&self) -> bool {
        self.slots.len() < self.settings.capacity
            || self.slots.are_shared()
            || self.slots.len() > self.slots.count(Phase::Busy) + self.slots.being_started()
    }
}
