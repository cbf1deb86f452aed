//! Carries the pool's decisions out: keeps the sandboxes, hands them to invocations as leases,
//! and removes those that have to go.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::{Duration, Instant};

use smol::Timer;
use smol::channel::{Receiver, Sender, bounded};

use super::state::{Counts, Decision, Key, Outlook, Pool, Refusal, Settings, Slot, Ticket};
use crate::Executor;
use crate::engine::Sandbox;
use crate::engine::proxy::Proxy;

/// The pool with its sandboxes. Cheap to clone.
#[derive(Clone)]
pub struct Driver {
    inner: Arc<Inner>,
}

struct Inner {
    executor: Executor,
    state: Mutex<State>,
    /// Wakes the task that removes sandboxes after their idle time.
    alarm: Sender<()>,
}

struct State {
    pool: Pool,
    /// The idle sandboxes.
    idle: HashMap<Slot, Warm>,
    /// The requests that wait.
    waiting: HashMap<Ticket, Sender<Grant>>,
    next_ticket: Ticket,
    /// When the idle task wakes up next.
    armed: Option<Instant>,
    /// Sandboxes handed out warm, and to be started.
    hits: u64,
    colds: u64,
    /// Sandboxes that are being started.
    starting: usize,
    /// Sandboxes that were removed.
    removed: u64,
    /// Told when the last sandbox is gone.
    emptied: Vec<Sender<()>>,
}

/// A started sandbox and the connection to its proxy.
pub struct Warm {
    /// The sandbox.
    pub sandbox: Arc<dyn Sandbox>,
    /// Speaks `/init` and `/run` to it.
    pub proxy: Proxy,
}

/// What a request got.
pub enum Grant {
    /// A sandbox that has run this action before.
    Warm(Lease, Warm),
    /// A place: the holder starts and initialises a sandbox in it.
    Cold(Lease),
}

/// How a request stands when it was made.
pub enum Wait {
    /// It has its sandbox.
    Granted(Grant),
    /// It waits for its turn.
    Queued(Queued),
}

/// A request that waits. Dropping it withdraws it.
pub struct Queued {
    inner: Arc<Inner>,
    ticket: Ticket,
    receiver: Receiver<Grant>,
}

/// The right to a place in the pool. Dropping it gives the place up together with its sandbox;
/// [`Lease::keep`] returns the sandbox for further use.
pub struct Lease {
    inner: Arc<Inner>,
    slot: Slot,
    returned: bool,
    /// Whether its sandbox is not there yet.
    starting: bool,
}

/// Counts for the log and the status.
#[derive(Clone, Copy, Debug, Default)]
pub struct Statistics {
    /// Sandboxes by phase, and waiting requests.
    pub counts: Counts,
    /// Requests that got a warm sandbox.
    pub hits: u64,
    /// Requests that had to start one.
    pub colds: u64,
    /// Sandboxes that are being started; busy ones, too.
    pub starting: usize,
    /// Sandboxes that were removed: to make room, after their idle time, or because they could
    /// not be used again.
    pub removed: u64,
    /// Sandboxes that there may be at a time.
    pub capacity: usize,
}

impl Driver {
    /// An empty pool whose background work runs on `executor`.
    pub fn new(executor: Executor, settings: Settings) -> Self {
        let (alarm, bell) = bounded(1);
        let inner = Arc::new(Inner {
            executor: executor.clone(),
            state: Mutex::new(State {
                pool: Pool::new(settings),
                idle: HashMap::new(),
                waiting: HashMap::new(),
                next_ticket: 0,
                armed: None,
                hits: 0,
                colds: 0,
                starting: 0,
                removed: 0,
                emptied: Vec::new(),
            }),
            alarm,
        });
        executor
            .spawn(expire_idle(Arc::downgrade(&inner), bell))
            .detach();
        Driver { inner }
    }

    /// Asks for a sandbox.
    pub fn request(&self, key: Key) -> Result<Wait, Refusal> {
        loop {
            let mut state = self.inner.lock();
            let ticket = state.next_ticket;
            state.next_ticket += 1;
            let (sender, receiver) = bounded(1);
            state.waiting.insert(ticket, sender);
            let mut decisions = Vec::new();
            let asked = state
                .pool
                .request(Instant::now(), ticket, key.clone(), &mut decisions);
            if let Err(refusal) = asked {
                state.waiting.remove(&ticket);
                return Err(refusal);
            }
            self.inner.carry_out(state, decisions);
            return Ok(match receiver.try_recv() {
                Ok(Grant::Warm(lease, warm)) if warm.sandbox.has_exited() => {
                    // It died while nobody looked: this request takes another one.
                    log::info!("sandbox {} ended while it was idle", warm.sandbox.id());
                    lease.discard(Some(warm));
                    continue;
                }
                Ok(grant) => Wait::Granted(grant),
                Err(_) => Wait::Queued(Queued {
                    inner: self.inner.clone(),
                    ticket,
                    receiver,
                }),
            });
        }
    }

    /// What a request with this key would get now.
    pub fn outlook(&self, key: &Key) -> Outlook {
        self.inner.lock().pool.outlook(key)
    }

    /// Removes the sandboxes of an action that was changed or deleted, busy ones when they have
    /// finished. `action` is `ns/[package/]name`.
    pub fn retire(&self, action: &str) {
        let mut state = self.inner.lock();
        let mut decisions = Vec::new();
        state.pool.retire(action, &mut decisions);
        self.inner.carry_out(state, decisions);
    }

    /// Removes a sandbox that was found not to be fit for further use, if it is still there: at
    /// once if it is idle, else when it has finished.
    pub fn retire_slot(&self, slot: Slot) {
        let mut state = self.inner.lock();
        let mut decisions = Vec::new();
        state.pool.retire_slot(slot, &mut decisions);
        self.inner.carry_out(state, decisions);
    }

    /// Takes no more requests and withdraws those that wait: their [`Queued::granted`] gives
    /// `None`. Waits until every sandbox is gone; the caller sets the limit.
    pub async fn stop(&self) {
        let (sender, receiver) = bounded(1);
        {
            let mut state = self.inner.lock();
            let mut decisions = Vec::new();
            for ticket in state.pool.stop(&mut decisions) {
                // Dropping the sender tells the one who waits.
                state.waiting.remove(&ticket);
            }
            state.emptied.push(sender);
            self.inner.carry_out(state, decisions);
        }
        let _ = receiver.recv().await;
    }

    /// What the pool holds and has done.
    pub fn statistics(&self) -> Statistics {
        let state = self.inner.lock();
        Statistics {
            counts: state.pool.counts(),
            hits: state.hits,
            colds: state.colds,
            starting: state.starting,
            removed: state.removed,
            capacity: state.pool.capacity(),
        }
    }
}

impl Grant {
    /// Nobody wants it any more: a warm sandbox stays in the pool, a place becomes free.
    pub fn give_back(self) {
        match self {
            Grant::Warm(lease, warm) => _ = lease.keep(warm),
            Grant::Cold(lease) => lease.discard(None),
        }
    }
}

impl Queued {
    /// Waits for the sandbox. `None` when the longest wait is over or the pool is being emptied.
    pub async fn granted(self, longest: Duration) -> Option<Grant> {
        smol::future::or(async { self.receiver.recv().await.ok() }, async {
            Timer::after(longest).await;
            None
        })
        .await
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        let mut state = self.inner.lock();
        state.waiting.remove(&self.ticket);
        state.pool.cancel(self.ticket);
        drop(state);
        // A grant that came at the last moment goes to somebody else.
        if let Ok(grant) = self.receiver.try_recv() {
            grant.give_back();
        }
    }
}

impl Lease {
    /// The sandbox of a place is there.
    pub fn started(&mut self) {
        if std::mem::take(&mut self.starting) {
            self.inner.lock().starting -= 1;
        }
    }

    /// Returns the sandbox: it may be used again. Gives its number, for
    /// [`Driver::retire_slot`].
    pub fn keep(mut self, warm: Warm) -> Slot {
        self.returned = true;
        let mut state = self.inner.lock();
        let mut decisions = Vec::new();
        state.idle.insert(self.slot, warm);
        state
            .pool
            .done(Instant::now(), self.slot, true, &mut decisions);
        self.inner.carry_out(state, decisions);
        self.slot
    }

    /// Gives the place up and removes the sandbox, if it came to one.
    pub fn discard(mut self, warm: Option<Warm>) {
        self.returned = true;
        self.give_up(warm);
    }

    fn give_up(&self, warm: Option<Warm>) {
        let mut state = self.inner.lock();
        let mut decisions = Vec::new();
        if let Some(warm) = warm {
            state.idle.insert(self.slot, warm);
        }
        state
            .pool
            .done(Instant::now(), self.slot, false, &mut decisions);
        self.inner.carry_out(state, decisions);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.started();
        if !self.returned {
            self.give_up(None);
        }
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while it was held leaves the pool consistent: each event is applied whole.
        self.state
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Carries decisions out, and those that follow from them.
    fn carry_out(self: &Arc<Self>, mut state: MutexGuard<'_, State>, decisions: Vec<Decision>) {
        // Grants are handed over after the lock is released: one whose receiver is gone gives its
        // place back, which takes the lock again.
        let mut grants = Vec::new();
        let mut decisions = std::collections::VecDeque::from(decisions);
        while let Some(decision) = decisions.pop_front() {
            match decision {
                Decision::Run { ticket, slot } => {
                    state.hits += 1;
                    let warm = state.idle.remove(&slot);
                    let sender = state.waiting.remove(&ticket);
                    let grant = match warm {
                        Some(warm) => Grant::Warm(self.lease(slot, false), warm),
                        None => Grant::Cold(self.lease(slot, false)),
                    };
                    grants.push((sender, grant));
                }
                Decision::Start { ticket, slot } => {
                    state.colds += 1;
                    state.starting += 1;
                    let sender = state.waiting.remove(&ticket);
                    grants.push((sender, Grant::Cold(self.lease(slot, true))));
                }
                Decision::Remove { slot } => match state.idle.remove(&slot) {
                    Some(warm) => self.remove(slot, warm),
                    None => {
                        let mut more = Vec::new();
                        state.pool.removed(slot, &mut more);
                        decisions.extend(more);
                    }
                },
            }
        }
        self.arm(&mut state);
        let counts = state.pool.counts();
        if counts.busy + counts.idle + counts.removing == 0 {
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

    fn lease(self: &Arc<Self>, slot: Slot, starting: bool) -> Lease {
        Lease {
            inner: self.clone(),
            slot,
            returned: false,
            starting,
        }
    }

    fn remove(self: &Arc<Self>, slot: Slot, warm: Warm) {
        let inner = self.clone();
        self.executor
            .spawn(async move {
                let Warm { sandbox, proxy } = warm;
                drop(proxy);
                sandbox.remove().await;
                let mut state = inner.lock();
                state.removed += 1;
                let mut decisions = Vec::new();
                state.pool.removed(slot, &mut decisions);
                inner.carry_out(state, decisions);
            })
            .detach();
    }

    /// Wakes the idle task if it would wake up too late.
    fn arm(&self, state: &mut State) {
        let due = state.pool.next_tick();
        let too_late = match (due, state.armed) {
            (Some(due), Some(armed)) => due < armed,
            (Some(_), None) => true,
            (None, _) => false,
        };
        if too_late {
            state.armed = due;
            let _ = self.alarm.try_send(());
        }
    }
}

/// Removes sandboxes after their idle time. Sleeps until the next one is due, or for ever when
/// there is none.
async fn expire_idle(inner: Weak<Inner>, bell: Receiver<()>) {
    loop {
        let due = {
            let Some(inner) = inner.upgrade() else { return };
            let mut state = inner.lock();
            let mut decisions = Vec::new();
            state.pool.tick(Instant::now(), &mut decisions);
            state.armed = state.pool.next_tick();
            let due = state.armed;
            inner.carry_out(state, decisions);
            due
        };
        let rung = async { bell.recv().await.is_ok() };
        let go_on = match due {
            Some(due) => {
                smol::future::or(rung, async {
                    Timer::at(due).await;
                    true
                })
                .await
            }
            None => rung.await,
        };
        if !go_on {
            return;
        }
    }
}

#[cfg(test)]
#[path = "driver_tests.rs"]
mod tests;
