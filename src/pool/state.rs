//! The pool's decisions: events and a clock in, decisions out. No I/O, no threads.
//!
//! Sandboxes are numbered slots. A slot counts against the capacity from the decision to start it
//! until its removal is reported, so the capacity holds at every instant.
//!
//! Invocations wait first in, first out per action; the actions take turns. A sandbox that comes
//! free goes to the next invocation of its own action, which costs nothing, unless another
//! action has waited longer by [`Settings::patience`]: then it makes room for that one.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a warm sandbox may be used for again: the invoking namespace, the action, and its version
/// (reference section 8.2).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key(Arc<str>);

impl Key {
    /// The key of one state of an action for one invoking namespace. `revision` tells apart a
    /// deleted and recreated action.
    pub fn new(invoker: &str, action: &str, version: &str, revision: u64) -> Self {
        Key(format!("{action}\0{invoker}\0{version}\0{revision}").into())
    }

    /// `ns/[package/]name` of the action.
    pub fn action(&self) -> &str {
        self.0.split('\0').next().unwrap_or_default()
    }
}

/// Number of a sandbox; never used twice.
pub type Slot = u64;

/// Number of a request for a sandbox; never used twice.
pub type Ticket = u64;

/// The bounds of the pool.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Sandboxes at the same time.
    pub capacity: usize,
    /// Requests that may wait at the same time.
    pub queue_length: usize,
    /// How much longer another action must have waited to get the place of a warm sandbox whose
    /// own action still has requests.
    pub patience: Duration,
    /// Time after which an idle sandbox is removed.
    pub idle: Duration,
}

/// What the driver has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The request runs in this idle sandbox.
    Run {
        /// The request.
        ticket: Ticket,
        /// The sandbox.
        slot: Slot,
    },
    /// The request runs in a sandbox that has to be started first.
    Start {
        /// The request.
        ticket: Ticket,
        /// The new sandbox.
        slot: Slot,
    },
    /// This sandbox goes; report [`Pool::removed`] when it is gone.
    Remove {
        /// The sandbox.
        slot: Slot,
    },
}

/// Why a request was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The capacity is zero: nothing runs here.
    NoCapacity,
    /// As many requests as may wait do so already; their number.
    QueueFull(usize),
    /// The pool is being emptied.
    Stopping,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCapacity => {
                f.write_str("This gateway does not run actions (its host capacity is 0).")
            }
            Self::QueueFull(0) => f.write_str("All sandboxes of this gateway are busy."),
            Self::QueueFull(waiting) => write!(
                f,
                "All sandboxes of this gateway are busy, and as many invocations wait as may ({waiting})."
            ),
            Self::Stopping => f.write_str("This gateway is stopping."),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Busy,
    Idle(Instant),
    Removing,
}

#[derive(Debug)]
struct Sandbox {
    slot: Slot,
    key: Key,
    phase: Phase,
    /// Its action was changed or deleted: it goes as soon as it is not busy.
    retired: bool,
}

impl Sandbox {
    /// Whether a request with this key could have it at once.
    fn is_free_for(&self, key: &Key) -> bool {
        !self.retired && matches!(self.phase, Phase::Idle(_)) && self.key == *key
    }
}

/// What a request would get now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outlook {
    /// A sandbox that has run its action before.
    Warm,
    /// A place, in which a sandbox is started.
    Place,
    /// It would wait, with so many before it.
    Wait(usize),
    /// Nothing.
    Refused,
}

/// How many sandboxes are in which phase, and how many requests wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Running an activation, or starting for one.
    pub busy: usize,
    /// Warm and free.
    pub idle: usize,
    /// Going.
    pub removing: usize,
    /// Requests without a sandbox.
    pub waiting: usize,
}

/// The state machine.
#[derive(Debug)]
pub struct Pool {
    settings: Settings,
    sandboxes: Vec<Sandbox>,
    /// Waiting requests of each action, oldest first; no empty queues.
    queues: HashMap<Key, VecDeque<(Ticket, Instant)>>,
    /// The actions that have waiting requests, in the order of their turns.
    turns: VecDeque<Key>,
    waiting: usize,
    next_slot: Slot,
    stopping: bool,
}

impl Pool {
    /// An empty pool.
    pub fn new(settings: Settings) -> Self {
        Pool {
            settings,
            sandboxes: Vec::new(),
            queues: HashMap::new(),
            turns: VecDeque::new(),
            waiting: 0,
            next_slot: 0,
            stopping: false,
        }
    }

    /// A request: it gets a sandbox now, or waits, or is refused.
    pub fn request(
        &mut self,
        now: Instant,
        ticket: Ticket,
        key: Key,
        out: &mut Vec<Decision>,
    ) -> Result<(), Refusal> {
        if self.stopping {
            return Err(Refusal::Stopping);
        }
        if self.settings.capacity == 0 {
            return Err(Refusal::NoCapacity);
        }
        if let Some(sandbox) = self.freshest_idle(&key) {
            sandbox.phase = Phase::Busy;
            let slot = sandbox.slot;
            out.push(Decision::Run { ticket, slot });
            return Ok(());
        }
        if self.waiting == 0 && self.sandboxes.len() < self.settings.capacity {
            self.start(ticket, key, out);
            return Ok(());
        }
        // A place that an idle sandbox can give up is as good as a free one: such a request waits
        // for the removal only, and does so even where waiting is switched off.
        let places = self.reclaimable();
        if self.waiting >= places + self.settings.queue_length {
            return Err(Refusal::QueueFull(self.waiting - places));
        }
        self.enqueue(now, ticket, key);
        self.make_room(out);
        Ok(())
    }

    /// What a request with this key would get now.
    pub fn outlook(&self, key: &Key) -> Outlook {
        if self.stopping || self.settings.capacity == 0 {
            return Outlook::Refused;
        }
        if self
            .sandboxes
            .iter()
            .any(|sandbox| sandbox.is_free_for(key))
        {
            return Outlook::Warm;
        }
        let places = self.reclaimable();
        let free = self.settings.capacity.saturating_sub(self.sandboxes.len());
        if self.waiting < free + places {
            return Outlook::Place;
        }
        match self.waiting - places {
            waiting if waiting >= self.settings.queue_length => Outlook::Refused,
            waiting => Outlook::Wait(waiting),
        }
    }

    /// A busy sandbox has finished. `keep` tells whether it may be used again.
    pub fn done(&mut self, now: Instant, slot: Slot, keep: bool, out: &mut Vec<Decision>) {
        let Some(index) = self.position(slot) else {
            return;
        };
        if !keep || self.sandboxes[index].retired || self.stopping {
            self.remove(index, out);
            return;
        }
        let key = self.sandboxes[index].key.clone();
        if self.own_request_goes_first(&key) {
            let ticket = self.dequeue(&key).expect("its queue is not empty");
            out.push(Decision::Run { ticket, slot });
            return;
        }
        self.sandboxes[index].phase = Phase::Idle(now);
        self.make_room(out);
    }

    /// An idle sandbox has ended by itself.
    pub fn died(&mut self, slot: Slot, out: &mut Vec<Decision>) {
        if let Some(index) = self.position(slot) {
            self.remove(index, out);
        }
    }

    /// A removal has been carried out (or there was nothing to remove).
    pub fn removed(&mut self, slot: Slot, out: &mut Vec<Decision>) {
        self.sandboxes.retain(|sandbox| sandbox.slot != slot);
        while self.sandboxes.len() < self.settings.capacity {
            let Some(key) = self.turns.front().cloned() else {
                return;
            };
            let ticket = self.dequeue(&key).expect("its queue is not empty");
            // Its turn is over: the others come first now.
            if self.turns.front() == Some(&key) {
                self.turns.rotate_left(1);
            }
            self.start(ticket, key, out);
        }
    }

    /// A request is withdrawn. Returns false if it does not wait (any more).
    pub fn cancel(&mut self, ticket: Ticket) -> bool {
        let found = self.queues.iter().find_map(|(key, queue)| {
            let index = queue.iter().position(|(waiting, _)| *waiting == ticket)?;
            Some((key.clone(), index))
        });
        let Some((key, index)) = found else {
            return false;
        };
        let queue = self.queues.get_mut(&key).expect("it was just found");
        queue.remove(index);
        let empty = queue.is_empty();
        self.dequeued(&key, empty);
        true
    }

    /// An action was changed or deleted: its sandboxes go, busy ones when they have finished.
    pub fn retire(&mut self, action: &str, out: &mut Vec<Decision>) {
        self.retire_where(|sandbox| sandbox.key.action() == action, out);
    }

    /// A sandbox is not fit for further use: it goes, if it is busy when it has finished.
    pub fn retire_slot(&mut self, slot: Slot, out: &mut Vec<Decision>) {
        self.retire_where(|sandbox| sandbox.slot == slot, out);
    }

    fn retire_where(&mut self, which: impl Fn(&Sandbox) -> bool, out: &mut Vec<Decision>) {
        for index in 0..self.sandboxes.len() {
            let sandbox = &mut self.sandboxes[index];
            if which(sandbox) {
                sandbox.retired = true;
                if matches!(sandbox.phase, Phase::Idle(_)) {
                    self.remove(index, out);
                }
            }
        }
    }

    /// Time has passed: sandboxes that were idle for too long go.
    pub fn tick(&mut self, now: Instant, out: &mut Vec<Decision>) {
        for index in 0..self.sandboxes.len() {
            if let Phase::Idle(since) = self.sandboxes[index].phase
                && now.saturating_duration_since(since) >= self.settings.idle
            {
                self.remove(index, out);
            }
        }
    }

    /// When [`Pool::tick`] has something to do next.
    pub fn next_tick(&self) -> Option<Instant> {
        let oldest = self.sandboxes.iter().filter_map(|s| match s.phase {
            Phase::Idle(since) => Some(since),
            _ => None,
        });
        oldest.min().map(|since| since + self.settings.idle)
    }

    /// No new requests from now on; idle sandboxes go, busy ones when they have finished.
    /// Requests that wait are returned: they get no sandbox any more.
    pub fn stop(&mut self, out: &mut Vec<Decision>) -> Vec<Ticket> {
        self.stopping = true;
        for index in 0..self.sandboxes.len() {
            if matches!(self.sandboxes[index].phase, Phase::Idle(_)) {
                self.remove(index, out);
            }
        }
        self.turns.clear();
        self.waiting = 0;
        let queues = std::mem::take(&mut self.queues);
        queues
            .into_values()
            .flatten()
            .map(|(ticket, _)| ticket)
            .collect()
    }

    /// Sandboxes that there may be at a time.
    pub const fn capacity(&self) -> usize {
        self.settings.capacity
    }

    /// How many of what there are.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts {
            waiting: self.waiting,
            ..Counts::default()
        };
        for sandbox in &self.sandboxes {
            match sandbox.phase {
                Phase::Busy => counts.busy += 1,
                Phase::Idle(_) => counts.idle += 1,
                Phase::Removing => counts.removing += 1,
            }
        }
        counts
    }

    fn position(&self, slot: Slot) -> Option<usize> {
        self.sandboxes
            .iter()
            .position(|sandbox| sandbox.slot == slot)
    }

    /// The idle sandbox of this key that was used last: its memory is most likely still at hand.
    fn freshest_idle(&mut self, key: &Key) -> Option<&mut Sandbox> {
        self.sandboxes
            .iter_mut()
            .filter(|sandbox| !sandbox.retired && sandbox.key == *key)
            .filter_map(|sandbox| match sandbox.phase {
                Phase::Idle(since) => Some((since, sandbox)),
                _ => None,
            })
            .max_by_key(|(since, _)| *since)
            .map(|(_, sandbox)| sandbox)
    }

    fn start(&mut self, ticket: Ticket, key: Key, out: &mut Vec<Decision>) {
        let slot = self.next_slot;
        self.next_slot += 1;
        self.sandboxes.push(Sandbox {
            slot,
            key,
            phase: Phase::Busy,
            retired: false,
        });
        out.push(Decision::Start { ticket, slot });
    }

    fn remove(&mut self, index: usize, out: &mut Vec<Decision>) {
        let sandbox = &mut self.sandboxes[index];
        if sandbox.phase != Phase::Removing {
            sandbox.phase = Phase::Removing;
            let slot = sandbox.slot;
            out.push(Decision::Remove { slot });
        }
    }

    /// Places that are becoming free or can be made so.
    fn reclaimable(&self) -> usize {
        let counts = self.counts();
        counts.idle + counts.removing
    }

    /// Removes idle sandboxes, longest idle first, until each waiting request has a place coming.
    fn make_room(&mut self, out: &mut Vec<Decision>) {
        let counts = self.counts();
        let mut coming =
            counts.removing + self.settings.capacity.saturating_sub(self.sandboxes.len());
        while coming < self.waiting {
            let idlest = self
                .sandboxes
                .iter()
                .enumerate()
                .filter_map(|(index, sandbox)| match sandbox.phase {
                    Phase::Idle(since) => Some((since, index)),
                    _ => None,
                })
                .min();
            let Some((_, index)) = idlest else { return };
            self.remove(index, out);
            coming += 1;
        }
    }

    /// Whether the next request of a key runs in its own free sandbox, or has to let others pass.
    fn own_request_goes_first(&self, key: &Key) -> bool {
        let Some(&(_, own)) = self.queues.get(key).and_then(VecDeque::front) else {
            return false;
        };
        let oldest_other = self
            .queues
            .iter()
            .filter(|(other, _)| *other != key)
            .filter_map(|(_, queue)| queue.front())
            .map(|(_, since)| *since)
            .min();
        oldest_other.is_none_or(|other| own <= other + self.settings.patience)
    }

    fn enqueue(&mut self, now: Instant, ticket: Ticket, key: Key) {
        let queue = self.queues.entry(key.clone()).or_default();
        if queue.is_empty() {
            self.turns.push_back(key);
        }
        queue.push_back((ticket, now));
        self.waiting += 1;
    }

    fn dequeue(&mut self, key: &Key) -> Option<Ticket> {
        let queue = self.queues.get_mut(key)?;
        let (ticket, _) = queue.pop_front()?;
        let empty = queue.is_empty();
        self.dequeued(key, empty);
        Some(ticket)
    }

    fn dequeued(&mut self, key: &Key, empty: bool) {
        self.waiting -= 1;
        if empty {
            self.queues.remove(key);
            self.turns.retain(|turn| turn != key);
        }
    }
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
