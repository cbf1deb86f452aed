//! Running one action: a sandbox or a built-in function, the answer, the logs, the record.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use smol::Timer;
use smol::channel::Sender;

use super::answer::Landed;
use super::burst::{Place, Reason};
use super::ended::{UNPROVIDED, Unable};
use super::execute::{Attempt, Finished, MOST_ATTEMPTS, Printed};
use super::flights::Flight;
use super::record::Reached;
use super::{Call, Inner, record};
use crate::entity::{Action, Activation, ActivationId, Exec, Identity};
use crate::pool::{Grant, Key, Refusal, Wait};
use crate::store::ActivationRow;

/// How long to wait before another try, where other calls have taken every place in the queue.
pub(super) const PAUSE: Duration = Duration::from_millis(200);

/// How long the removal of an idle sandbox may take, for which also those wait who are not to wait
/// until one comes free.
const MAKING_ROOM: Duration = Duration::from_secs(10);

/// One activation on its way.
pub(super) struct Flown {
    /// What is invoked.
    pub(super) call: Arc<Call>,
    /// Its id.
    pub(super) id: ActivationId,
    /// The sequence or composition that it is part of.
    pub(super) cause: Option<ActivationId>,
    /// When the request for it came.
    pub(super) received: Instant,
    /// Where somebody waits for the result; none for a promised one, which is in the store.
    pub(super) sender: Option<Sender<Landed>>,
    /// Its place among those in flight.
    pub(super) flight: Flight,
}

/// An activation that is to be run, here or elsewhere.
pub(super) struct Errant<'a> {
    /// What is invoked.
    pub(super) call: &'a Arc<Call>,
    /// Its id.
    pub(super) id: ActivationId,
    /// The sequence or composition that it is part of.
    pub(super) cause: Option<ActivationId>,
    /// When the request for it came.
    pub(super) received: Instant,
    /// Whether nobody waits for it, and the store has it.
    pub(super) promised: bool,
    /// Whether a restart would not run it again.
    pub(super) started: bool,
}

/// What came of it here.
pub(super) enum Ran {
    /// It has its result.
    Finished(Box<Finished>),
    /// It cannot be run here.
    Unable(Unable),
    /// It stays in the store as accepted, and the next start of the daemon runs it.
    Left,
}

/// What runs an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Runner {
    /// A sandbox.
    Sandbox,
    /// A function of OWL.
    Builtin,
    /// Its components, one after another.
    Sequence,
    /// Itself, as the conductor of others.
    Conductor,
}

impl Runner {
    /// What runs an action.
    pub(super) fn of(action: &Action) -> Self {
        match action.exec {
            Exec::Sequence { .. } => Runner::Sequence,
            _ if action.annotations.is_truthy("conductor") == Some(true) => Runner::Conductor,
            _ => Runner::plain(action),
        }
    }

    /// What runs an action that is not a sequence, if it need not be a conductor.
    pub(super) fn plain(action: &Action) -> Self {
        match action.exec {
            Exec::Builtin => Runner::Builtin,
            _ => Runner::Sandbox,
        }
    }

    /// Whether other activations do the work, and count as in flight.
    pub(super) fn is_composite(self) -> bool {
        matches!(self, Runner::Sequence | Runner::Conductor)
    }
}

impl Inner {
    /// What a sandbox must be for to run a call.
    pub(super) fn key(call: &Call) -> Key {
        let action = &call.action;
        Key::new(
            &call.identity.namespace,
            &action.path(),
            &action.version,
            action.revision,
        )
    }

    /// Asks the pool for a sandbox for a call.
    pub(super) fn request(&self, call: &Call) -> Result<Wait, Refusal> {
        self.pool.request(Self::key(call), || self.needs(call))
    }

    /// [`Inner::request`] for a call that was let in before: it waits for a place in the queue, as
    /// long as it would wait in it.
    async fn request_patiently(&self, call: &Call) -> Result<Wait, Refusal> {
        let asked = Instant::now();
        loop {
            match self.request(call) {
                Err(Refusal::QueueFull(_)) if asked.elapsed() < self.live().longest_wait => {
                    Timer::after(PAUSE).await;
                }
                answer => return answer,
            }
        }
    }

    /// Carries an invocation of one action through: run, answer, logs, record. `place` is where
    /// it runs, if that has been asked for.
    pub(super) async fn fly(self: Arc<Self>, flown: Flown, place: Option<Place>) {
        let Flown {
            ref call,
            id,
            cause,
            received,
            ref sender,
            ..
        } = flown;
        let promised = sender.is_none();
        let finished = match call.action.exec {
            Exec::Builtin => Some(self.built_in(call, id, received, promised).await),
            _ => {
                let errant = Errant {
                    call,
                    id,
                    cause,
                    received,
                    promised,
                    started: !promised,
                };
                self.anywhere(errant, place).await
            }
        };
        if let Some(finished) = finished {
            self.land(flown, finished).await;
        }
    }

    /// Answers whoever waits for an activation that has its result, and stores its record.
    pub(super) async fn land(&self, flown: Flown, finished: Finished) {
        let Flown {
            call,
            id,
            cause,
            sender,
            mut flight,
            ..
        } = flown;
        let Finished {
            executed,
            printed,
            place,
            refusal,
        } = finished;
        let blocked = matches!(executed.reached, Reached::Blocked);
        let mut activation = record::activation(&call, id, cause, executed);
        activation.annotations.extend(place);
        let activation = Arc::new(activation);
        flight.landed();
        let landed = Landed {
            activation: activation.clone(),
            refusal,
        };
        let waiting = self.answer(&call, cause.is_some(), sender, landed).await;
        let logs = match printed {
            Printed::Nothing => Vec::new(),
            Printed::Lines(lines) => lines,
            Printed::Sandbox(used) => self.finish(&call, &activation, used).await,
            Printed::Elsewhere(there) => self.printed(&call, there).await,
        };
        let is_settled = if blocked {
            self.forget(id).await;
            true
        } else {
            let awaited = waiting.is_some();
            self.store_record(&call.identity, &activation, &logs, awaited)
                .await
        };
        if let Some(waiting) = waiting {
            waiting.give(is_settled);
        }
        drop(flight);
    }

    /// Runs an action in a sandbox.
    pub(super) async fn in_sandbox(&self, errant: &mut Errant<'_>, mut place: Option<Wait>) -> Ran {
        let Errant {
            call, id, received, ..
        } = *errant;
        let mut attempts = 0;
        loop {
            let place = match place.take() {
                Some(place) => place,
                None => match self.request_patiently(call).await {
                    Ok(place) => place,
                    Err(refusal) => return Ran::Unable(refusal.into()),
                },
            };
            let Some(grant) = self.granted(place).await else {
                if self.is_leaving(errant) {
                    return Ran::Left;
                }
                if self.stopping.load(Ordering::Relaxed) {
                    return Ran::Unable(Refusal::Stopping.into());
                }
                // The pool may have got smaller meanwhile.
                let refusal = self.pool.refusal(&self.needs(call));
                let unable = refusal.map(Unable::from);
                return Ran::Unable(unable.unwrap_or_else(|| self.waited_in_vain(call)));
            };
            self.begin(errant).await;
            attempts += 1;
            let cold = matches!(grant, Grant::Cold(_));
            let begun = Instant::now();
            match self.attempt(call, id, received, grant).await {
                Attempt::Finished(finished) => {
                    if let Some(burst) = &self.burst {
                        let took = cold.then(|| begun.elapsed());
                        burst.ran_here(call, took, &finished.executed);
                    }
                    return Ran::Finished(finished);
                }
                Attempt::Unable(unable) => return Ran::Unable(unable),
                Attempt::Later(unable) => {
                    let waited = received.elapsed();
                    let stopping = self.stopping.load(Ordering::Relaxed);
                    if stopping || waited >= self.live().longest_wait {
                        return Ran::Unable(unable);
                    }
                    // The pool is told that the engine is down about now, and keeps it waiting.
                    attempts -= 1;
                    Timer::after(PAUSE).await;
                }
                Attempt::Again if attempts < MOST_ATTEMPTS => {}
                Attempt::Again => {
                    return Ran::Unable(Unable::unprovided(Reason::Start, UNPROVIDED));
                }
            }
        }
    }

    /// What becomes of an activation that has waited for as long as it may.
    fn waited_in_vain(&self, call: &Call) -> Unable {
        let seconds = self.live().longest_wait.as_secs_f32();
        let waited = format!("{seconds} seconds (OWL_RETRIES_NUMBER × OWL_RETRIES_TIMEOUT)");
        let engine = self.needs(call).class.engine;
        if self.pool.is_down(engine) {
            let message = format!(
                "The {engine} engine of this gateway does not answer. It was waited for {waited}."
            );
            return Unable::unprovided(Reason::Kind, message);
        }
        let message = match self.pool.is_held() {
            true => format!("{} It was waited for {waited}.", Refusal::NoMemory),
            false => format!("No sandbox came free on this gateway within {waited}."),
        };
        Unable::unprovided(Reason::Wait, message)
    }

    /// Whether an activation stays in the store as accepted: it has not begun, and the daemon stops.
    pub(super) fn is_leaving(&self, errant: &Errant<'_>) -> bool {
        !errant.started && self.stopping.load(Ordering::Relaxed)
    }

    /// From here on a restart must not run it again.
    pub(super) async fn begin(&self, errant: &mut Errant<'_>) {
        if errant.started {
            return;
        }
        errant.started = true;
        if let Err(error) = self.store.mark_started(errant.id).await {
            log::error!("cannot mark activation {} as started: {error}", errant.id);
        }
    }

    /// Waits for a place, within the bound.
    async fn granted(&self, place: Wait) -> Option<Grant> {
        let queued = match place {
            Wait::Granted(grant) => return Some(grant),
            Wait::Queued(queued) => queued,
        };
        // Where nobody waits, only who gets the place of an idle sandbox is queued.
        let longest = match self.live().longest_wait {
            Duration::ZERO => MAKING_ROOM,
            longest => longest,
        };
        let Some(burst) = &self.burst else {
            return queued.granted(longest).await;
        };
        let before = self.pool.statistics().counts.waiting.saturating_sub(1);
        let asked = Instant::now();
        let grant = queued.granted(longest).await;
        burst.waited(before, asked.elapsed());
        grant
    }

    /// Counts an activation of a caller and stores its final record, unless the caller's namespace
    /// is to have none; the pending one goes with the same commit. Every record goes this way. One
    /// that is `awaited` waits for no others to share the commit with. Gives whether it is there.
    pub(super) async fn store_record(
        &self,
        identity: &Identity,
        activation: &Activation,
        logs: &[String],
        awaited: bool,
    ) -> bool {
        self.metrics.activations.add(activation);
        if !identity.limits.stores_activations() {
            self.forget(activation.id).await;
            return false;
        }
        let row = ActivationRow {
            id: activation.id,
            namespace: activation.namespace.clone(),
            filter_name: activation.filter_name.clone(),
            start: activation.start,
            head: activation.head(),
            tail: activation.tail_with(logs),
        };
        let bytes = (row.head.len() + row.tail.len()) as u64;
        self.unstored.fetch_add(bytes, Ordering::Relaxed);
        let stored = self.store.put_activation(row);
        if awaited {
            self.store.hurry();
        }
        let stored = stored.await;
        if let Err(error) = &stored {
            log::error!("cannot store activation {}: {error}", activation.id);
        }
        self.unstored.fetch_sub(bytes, Ordering::Relaxed);
        stored.is_ok()
    }

    /// Removes the pending record of an activation that leaves no other.
    async fn forget(&self, id: ActivationId) {
        if let Err(error) = self.store.forget(id).await {
            log::error!("cannot forget activation {id}: {error}");
        }
    }
}
