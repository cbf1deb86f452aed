//! Carries the pool's decisions out: keeps the sandboxes, hands them to invocations as leases,
//! and removes those that have to go.

mod ahead;
mod alarm;
mod crew;
mod events;
mod lease;
mod places;
mod reconfigure;
mod succession;
mod tasks;
#[cfg(test)]
mod tests;
mod view;
mod watch;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use event_listener::Event;
use smol::channel::{Receiver, Sender, bounded};

use super::{Counts, Decision, Key, Needs, Outlook, Pool, Refusal, Settings, Slot, Tally, Ticket};
use crate::Executor;
use crate::engine::Hold;
use crate::sync::lock;
use alarm::Alarm;
use crew::Crew;
pub use lease::{Grant, Lease, Queued, Wait, Warm};
use places::Places;
pub use places::Settling;
pub use tasks::Nursery;
pub use view::MemoryView;
pub use watch::Watch;

/// The pool with its sandboxes. Cheap to clone.
#[derive(Clone)]
pub struct Driver {
    inner: Arc<Inner>,
}

struct Inner {
    executor: Executor,
    state: Mutex<State>,
    alarm: Alarm,
    /// Told when something is known of calls that was not kept.
    learnt: Event,
    /// Calls that are expected, and for which a sandbox is to be started.
    expected: (Sender<Arc<str>>, Receiver<Arc<str>>),
}

struct State {
    pool: Pool,
    /// Watches the memory of the machine, where that is wanted.
    watch: Option<Watch>,
    /// Whether [`Inner::learnt`] was told since what is known was kept.
    told: bool,
    /// The idle sandboxes and the stem cells.
    warm: HashMap<Slot, Warm>,
    /// The sandboxes that may have several runs at the same time.
    crews: HashMap<Slot, Crew>,
    /// What engines may have of each place.
    places: Places,
    /// Starts stem cells.
    nursery: Option<Nursery>,
    /// The requests that wait.
    waiting: HashMap<Ticket, Sender<Grant>>,
    next_ticket: Ticket,
    /// When the pool is told of the time next.
    armed: Option<Instant>,
    /// Sandboxes that were removed.
    removed: u64,
    /// Told when the last sandbox is gone.
    emptied: Vec<Sender<()>>,
}

/// Counts for the log and the status.
#[derive(Clone, Copy, Debug, Default)]
pub struct Statistics {
    /// Sandboxes by phase, and waiting requests.
    pub counts: Counts,
    /// What the pool has decided so far.
    pub tally: Tally,
    /// Sandboxes that were removed: to make room, after their idle time, or because they could
    /// not be used again.
    pub removed: u64,
    /// Sandboxes that there may be at a time.
    pub capacity: usize,
    /// MB that the memory limits of all sandboxes come to.
    pub memory: u64,
    /// MB that they may come to.
    pub memory_budget: u64,
    /// Whether no sandbox is started, because the machine is short of memory.
    pub held: bool,
    /// Engines that do not answer.
    pub down: usize,
}

impl Driver {
    /// An empty pool whose background work runs on `executor`.
    pub fn new(executor: Executor, settings: Settings) -> Self {
        Self::watching(executor, settings, None)
    }

    /// An empty pool that starts nothing, and lets idle sandboxes go, while the machine is short of
    /// memory.
    pub fn watching(executor: Executor, settings: Settings, watch: Option<Watch>) -> Self {
        let (alarm, bell) = Alarm::new();
        let inner = Arc::new(Inner {
            executor: executor.clone(),
            state: Mutex::new(State {
                pool: Pool::new(Instant::now(), settings),
                watch,
                told: false,
                warm: HashMap::new(),
                crews: HashMap::new(),
                places: Places::default(),
                nursery: None,
                waiting: HashMap::new(),
                next_ticket: 0,
                armed: None,
                removed: 0,
                emptied: Vec::new(),
            }),
            alarm,
            learnt: Event::new(),
            expected: bounded(ahead::MOST),
        });
        let ticks = alarm::ticks(Arc::downgrade(&inner), bell);
        executor.spawn(ticks).detach();
        Driver { inner }
    }

    /// Asks for a sandbox. What the action needs is asked for only if none is warm.
    ///
    /// # Errors
    /// There is none, and none to wait for.
    pub fn request(&self, key: Key, needs: impl FnOnce() -> Needs) -> Result<Wait, Refusal> {
        if let Some(grant) = self.take(&key) {
            return Ok(Wait::Granted(grant));
        }
        let mut state = self.inner.lock();
        let ticket = state.next_ticket;
        state.next_ticket += 1;
        let (sender, receiver) = bounded(1);
        state.waiting.insert(ticket, sender);
        let mut decisions = Vec::new();
        let now = Instant::now();
        // One that may have to be started: is there memory for it?
        state.look_again(now, &mut decisions);
        let asked = state
            .pool
            .request(now, ticket, key, needs(), &mut decisions);
        if let Err(refusal) = asked {
            state.waiting.remove(&ticket);
            self.inner.carry_out(state, decisions);
            return Err(refusal);
        }
        self.inner.carry_out(state, decisions);
        let queued = Queued::new(self.inner.clone(), ticket, receiver);
        Ok(queued.now())
    }

    /// A warm sandbox that is free.
    fn take(&self, key: &Key) -> Option<Grant> {
        loop {
            let (lease, warm) = {
                let mut state = self.inner.lock();
                let taken = state.pool.take(Instant::now(), key)?;
                self.inner.learn(&mut state);
                let kind = if taken.frozen {
                    Grant::Frozen
                } else {
                    Grant::Warm
                };
                match self.inner.grant(&mut state, taken.slot, kind) {
                    Grant::Warm(lease, warm) => (lease, warm),
                    grant => return Some(grant),
                }
            };
            if !warm.sandbox.has_exited() {
                return Some(Grant::Warm(lease, warm));
            }
            // It died while nobody looked: this request takes another one.
            log::info!("sandbox {} ended while it was idle", warm.sandbox.id());
            lease.discard(Some(warm));
        }
    }

    /// What a request with this key would get now.
    pub fn outlook(&self, key: &Key, needs: &Needs) -> Outlook {
        let mut state = self.inner.lock();
        let mut decisions = Vec::new();
        if state.pool.is_held() {
            // There may be memory again, and nobody has asked since.
            state.look_again(Instant::now(), &mut decisions);
        }
        let outlook = state.pool.outlook(key, needs);
        self.inner.carry_out(state, decisions);
        outlook
    }

    /// Removes the sandboxes of an action that was changed or deleted, busy ones when they have
    /// finished. `action` is `ns/[package/]name`.
    pub fn retire(&self, action: &str) {
        self.inner
            .tell(|pool, now, out| pool.retire(now, action, out));
    }

    /// Removes a sandbox that was found not to be fit for further use, if it is still there: at
    /// once if it is idle, else when it has finished.
    pub fn retire_slot(&self, slot: Slot) {
        self.inner
            .tell(|pool, now, out| pool.retire_slot(now, slot, out));
    }

    /// Takes no more requests and withdraws those that wait: their [`Queued::granted`] gives
    /// `None`. Waits until every sandbox is gone; the caller sets the limit.
    pub async fn stop(&self) {
        let _ = self.close().recv().await;
    }

    /// Begins to stop. What is given ends when every sandbox is gone.
    fn close(&self) -> Receiver<()> {
        let (sender, receiver) = bounded(1);
        {
            let mut state = self.inner.lock();
            let mut decisions = Vec::new();
            for ticket in state.pool.stop(Instant::now(), &mut decisions) {
                // Dropping the sender tells the one who waits.
                state.waiting.remove(&ticket);
            }
            // What an engine that is away has is removed by the next process.
            for slot in state.places.give_up() {
                state.pool.removed(Instant::now(), slot, &mut decisions);
            }
            state.emptied.push(sender);
            self.inner.carry_out(state, decisions);
        }
        receiver
    }

    /// What the pool holds and has done.
    pub fn statistics(&self) -> Statistics {
        self.inner.lock().statistics()
    }
}

impl State {
    fn statistics(&self) -> Statistics {
        let settings = self.pool.settings();
        Statistics {
            counts: self.pool.counts(),
            tally: *self.pool.tally(),
            removed: self.removed,
            capacity: settings.capacity,
            memory: self.pool.memory(),
            memory_budget: settings.memory,
            held: self.pool.is_held(),
            down: self.pool.down(),
        }
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Tells the pool what has happened, and carries out what it decides.
    fn tell<T>(
        self: &Arc<Self>,
        event: impl FnOnce(&mut Pool, Instant, &mut Vec<Decision>) -> T,
    ) -> T {
        self.tell_in(self.lock(), event)
    }

    /// [`Inner::tell`] of a place whose sandbox, if there is one, is the driver's again.
    fn tell_with<T>(
        self: &Arc<Self>,
        slot: Slot,
        warm: Option<Warm>,
        event: impl FnOnce(&mut Pool, Instant, &mut Vec<Decision>) -> T,
    ) -> T {
        let mut state = self.lock();
        if let Some(warm) = warm {
            state.returned(slot, warm);
        }
        self.tell_in(state, event)
    }

    fn tell_in<T>(
        self: &Arc<Self>,
        mut state: MutexGuard<'_, State>,
        event: impl FnOnce(&mut Pool, Instant, &mut Vec<Decision>) -> T,
    ) -> T {
        let mut decisions = Vec::new();
        let answer = event(&mut state.pool, Instant::now(), &mut decisions);
        self.carry_out(state, decisions);
        answer
    }

    /// A place, with its sandbox as `kind` if there is one.
    fn grant(
        self: &Arc<Self>,
        state: &mut State,
        slot: Slot,
        kind: fn(Lease, Warm) -> Grant,
    ) -> Grant {
        let lease = Lease::new(self.clone(), slot);
        if let Some(warm) = state.warm.remove(&slot) {
            return kind(lease, warm);
        }
        match state.crews.get_mut(&slot) {
            Some(crew) => Grant::Warm(lease, crew.join(&self.executor)),
            None => Grant::Cold(lease),
        }
    }

    /// Carries decisions out, and those that follow from them.
    fn carry_out(self: &Arc<Self>, mut state: MutexGuard<'_, State>, decisions: Vec<Decision>) {
        // Grants are handed over after the lock is released: one whose receiver is gone gives its
        // place back, which takes the lock again.
        let mut grants = Vec::new();
        let mut decisions = VecDeque::from(decisions);
        while let Some(decision) = decisions.pop_front() {
            match decision {
                Decision::Run {
                    ticket,
                    slot,
                    frozen,
                } => {
                    let kind = if frozen { Grant::Frozen } else { Grant::Warm };
                    let grant = self.grant(&mut state, slot, kind);
                    grants.push((state.waiting.remove(&ticket), grant));
                }
                Decision::Init { ticket, slot } => {
                    let grant = self.grant(&mut state, slot, Grant::Stem);
                    grants.push((state.waiting.remove(&ticket), grant));
                }
                Decision::Start { ticket, slot } => {
                    let grant = Grant::Cold(Lease::new(self.clone(), slot));
                    grants.push((state.waiting.remove(&ticket), grant));
                }
                Decision::Prepare { whose } => {
                    // More than can be started at a time are of no use.
                    let _ = self.expected.0.try_send(whose);
                }
                Decision::Grow { slot, class } => {
                    let (hold, held) = Hold::new();
                    state.places.hold(slot, held);
                    self.grow(slot, class, hold, state.nursery.clone());
                }
                Decision::Freeze { slot } => match state.warm.remove(&slot) {
                    Some(warm) => {
                        if let Some(crew) = state.crews.get_mut(&slot) {
                            crew.disconnect();
                        }
                        self.freeze(slot, warm);
                    }
                    None => log::error!("sandbox {slot} of the pool is lost: it cannot be frozen"),
                },
                Decision::Remove { slot } => {
                    state.crews.remove(&slot);
                    let warm = state.warm.remove(&slot);
                    let held = state.places.leave(slot);
                    if warm.is_some() || !held.is_empty() {
                        self.remove(slot, warm, held);
                    } else {
                        let mut more = Vec::new();
                        state.pool.removed(Instant::now(), slot, &mut more);
                        decisions.extend(more);
                    }
                }
            }
        }
        self.learn(&mut state);
        self.arm(&mut state);
        if state.pool.is_empty() {
            state.emptied.clear();
        }
        drop(state);
        for (sender, grant) in grants {
            match sender {
                Some(sender) => {
                    if let Err(unwanted) = sender.try_send(grant) {
                        unwanted.into_inner().give_back();
                    }
                }
                None => grant.give_back(),
            }
        }
    }

    /// Sees to it that the pool is told of the time early enough.
    fn arm(&self, state: &mut State) {
        let due = state.next_tick();
        if due.is_some_and(|due| state.armed.is_none_or(|armed| due < armed)) {
            state.armed = due;
            self.alarm.ring();
        }
    }
}
