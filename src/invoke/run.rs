//! Running one action: a sandbox or a built-in function, the answer, the logs, the record.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use smol::Timer;
use smol::channel::Sender;

use super::ended::not_run;
use super::execute::{Attempt, Finished, MOST_ATTEMPTS, Printed};
use super::flights::Flight;
use super::record::Reached;
use super::{Call, Inner, InvokeError, record};
use crate::entity::{Action, Activation, ActivationId, Exec, Identity};
use crate::pool::{Grant, Key, Refusal, Wait};
use crate::store::ActivationRow;

/// How long to wait before another try, where other calls have taken every place in the queue.
pub(super) const PAUSE: Duration = Duration::from_millis(200);

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
    pub(super) sender: Option<Sender<Arc<Activation>>>,
    /// Its place among those in flight.
    pub(super) flight: Flight,
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
    /// Asks the pool for a sandbox for a call.
    pub(super) fn request(&self, call: &Call) -> Result<Wait, InvokeError> {
        let action = &call.action;
        let key = Key::new(
            &call.identity.namespace,
            &action.path(),
            &action.version,
            action.revision,
        );
        self.pool.request(key).map_err(|refusal| match refusal {
            Refusal::Stopping | Refusal::NoCapacity => {
                InvokeError::Unavailable(refusal.to_string())
            }
            _ => InvokeError::Overloaded(refusal.to_string()),
        })
    }

    /// [`Inner::request`] for a call that was let in before: it waits for a place in the queue, as
    /// long as it would wait in it.
    async fn request_patiently(&self, call: &Call) -> Result<Wait, InvokeError> {
        let asked = Instant::now();
        loop {
            match self.request(call) {
                Err(InvokeError::Overloaded(_)) if asked.elapsed() < self.settings.longest_wait => {
                    Timer::after(PAUSE).await;
                }
                answer => return answer,
            }
        }
    }

    /// Carries an invocation of one action through: run, answer, logs, record. `place` is where
    /// it runs, if that has been asked for.
    pub(super) async fn fly(self: Arc<Self>, flown: Flown, place: Option<Wait>) {
        let Flown {
            call,
            id,
            cause,
            received,
            sender,
            mut flight,
        } = flown;
        let promised = sender.is_none();
        let finished = match call.action.exec {
            Exec::Builtin => Some(self.built_in(&call, id, received, promised).await),
            _ => self.in_sandbox(&call, id, received, promised, place).await,
        };
        let Some(Finished { executed, printed }) = finished else {
            return;
        };
        let blocked = matches!(executed.reached, Reached::Blocked);
        let activation = Arc::new(record::activation(&call, id, cause, executed));
        flight.landed();
        if let Some(sender) = sender {
            let _ = sender.try_send(activation.clone());
        }
        let logs = match printed {
            Printed::Nothing => Vec::new(),
            Printed::Lines(lines) => lines,
            Printed::Sandbox(used) => self.finish(&call, &activation, used).await,
        };
        if blocked {
            self.forget(id).await;
        } else {
            self.store_record(&call.identity, &activation, &logs).await;
        }
        drop(flight);
    }

    /// Runs an action in a sandbox. None if it has not begun and the daemon stops: then it stays
    /// in the store as accepted, and the next start runs it.
    async fn in_sandbox(
        &self,
        call: &Call,
        id: ActivationId,
        received: Instant,
        promised: bool,
        mut place: Option<Wait>,
    ) -> Option<Finished> {
        let mut started = !promised;
        let mut attempts = 0;
        loop {
            let place = match place.take() {
                Some(place) => place,
                None => match self.request_patiently(call).await {
                    Ok(place) => place,
                    Err(error) => return Some(not_run(&error.to_string())),
                },
            };
            let Some(grant) = self.granted(place).await else {
                if self.stopping.load(Ordering::Relaxed) {
                    return started.then(|| not_run(&Refusal::Stopping.to_string()));
                }
                let message = format!(
                    "No sandbox came free on this gateway within {} seconds.",
                    self.settings.longest_wait.as_secs_f32()
                );
                return Some(not_run(&message));
            };
            if !started {
                // From here on a restart must not run it again.
                if let Err(error) = self.store.mark_started(id).await {
                    log::error!("cannot mark activation {id} as started: {error}");
                }
                started = true;
            }
            attempts += 1;
            match self.attempt(call, id, received, grant).await {
                Attempt::Finished(finished) => return Some(*finished),
                Attempt::Again if attempts < MOST_ATTEMPTS => {}
                Attempt::Again => {
                    return Some(not_run("Failed to provision resources to run the action."));
                }
            }
        }
    }

    /// Waits for a place, within the bound.
    async fn granted(&self, place: Wait) -> Option<Grant> {
        match place {
            Wait::Granted(grant) => Some(grant),
            Wait::Queued(queued) => queued.granted(self.settings.longest_wait).await,
        }
    }

    /// Counts an activation of a caller and stores its final record, unless the caller's namespace
    /// is to have none; the pending one goes with the same commit. Every record goes this way.
    pub(super) async fn store_record(
        &self,
        identity: &Identity,
        activation: &Activation,
        logs: &[String],
    ) {
        self.metrics.activations.add(activation);
        if !identity.limits.stores_activations() {
            return self.forget(activation.id).await;
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
        if let Err(error) = self.store.put_activation(row).await {
            log::error!("cannot store activation {}: {error}", activation.id);
        }
        self.unstored.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Removes the pending record of an activation that leaves no other.
    async fn forget(&self, id: ActivationId) {
        if let Err(error) = self.store.forget(id).await {
            log::error!("cannot forget activation {id}: {error}");
        }
    }
}
