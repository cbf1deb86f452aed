//! One invocation, from arguments to activation record.
//!
//! An invocation runs in a task of its own, so that a caller who goes away stops nothing. What
//! has been promised to a caller is in the store first: a 202 is answered only after the pending
//! record is durable, and a restart runs or closes what it finds there ([`pending`]).

mod arguments;
mod engines;
mod execute;
mod flights;
pub mod pending;
mod record;
mod throttle;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::value::RawValue;
use smol::Timer;
use smol::channel::{Sender, bounded};

pub use engines::Engines;
pub use throttle::{Rates, Throttled, Throttles};

use crate::Executor;
use crate::catalog::{Catalog, Manifest, Resolved};
use crate::entity::{Action, Activation, ActivationId, Identity, Status};
use crate::pool::{Driver, Grant, Key, Refusal, Statistics, Wait};
use crate::store::{ActivationRow, Store};
use arguments::Arguments;
use execute::{Attempt, Finished, MOST_ATTEMPTS, not_run};
use flights::{Flight, Flights};

/// What the API asks for, after its own checks: rights, throttles, sizes, final parameters.
pub struct Call {
    /// Who invokes; gets the record and pays.
    pub identity: Arc<Identity>,
    /// What is invoked, with all default parameters merged.
    pub action: Arc<Action>,
    /// The binding it was reached through, as `ns/binding`.
    pub binding: Option<String>,
    /// The payload, a JSON object; none means `{}`.
    pub payload: Option<Box<RawValue>>,
    /// Transaction id of the request.
    pub transaction_id: String,
    /// How long the caller waits for the result; none for a non-blocking call.
    pub wait: Option<Duration>,
}

impl Call {
    /// The call of an action that a caller reached.
    pub fn new(
        identity: Arc<Identity>,
        resolved: Resolved,
        payload: Option<Box<RawValue>>,
        transaction_id: String,
        wait: Option<Duration>,
    ) -> Self {
        Call {
            identity,
            action: resolved.action,
            binding: resolved.binding,
            payload,
            transaction_id,
            wait,
        }
    }
}

/// How a call was answered.
pub enum Outcome {
    /// It will run, or still runs: its id. The record is durable.
    Accepted(ActivationId),
    /// It has ended: its record (`logs` empty: they are collected afterwards).
    Finished(Arc<Activation>),
}

/// Why a call was not accepted. Nothing was run and no record exists.
#[derive(Debug)]
pub enum InvokeError {
    /// As many calls as may wait for a sandbox do so already: 429 with this text.
    Overloaded(String),
    /// Nothing is run here, the daemon is stopping, or the store does not take records: 503 with
    /// this text.
    Unavailable(String),
}

impl fmt::Display for InvokeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Overloaded(text) | Self::Unavailable(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for InvokeError {}

/// Bounds and addresses that hold for every invocation.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Longest wait for a sandbox.
    pub longest_wait: Duration,
    /// Time that a new sandbox has to accept a connection.
    pub boot_timeout: Duration,
    /// Largest result in bytes (reference section 7.6).
    pub max_response: u64,
    /// MB of memory that `cpu-shares` are computed from (reference section 7.8).
    pub pool_memory: u32,
    /// Whether images of blackbox actions are pulled.
    pub auto_pull: bool,
}

/// Runs actions. Cheap to clone.
#[derive(Clone)]
pub struct Invoker {
    inner: Arc<Inner>,
}

struct Inner {
    executor: Executor,
    store: Store,
    catalog: Catalog,
    pool: Driver,
    engines: Arc<Engines>,
    manifest: Arc<Manifest>,
    flights: Flights,
    settings: Settings,
    stopping: AtomicBool,
    /// Bytes of finished records that are not durable yet.
    unstored: AtomicU64,
}

/// Bytes of finished records that may wait for the disk. Callers have their answers by then, so
/// nothing else bounds them where a disk is slower than its callers.
const MOST_UNSTORED: u64 = 16 << 20;

impl Invoker {
    /// An invoker over a pool and the engines that fill it.
    pub fn new(
        executor: Executor,
        catalog: Catalog,
        pool: Driver,
        engines: Arc<Engines>,
        manifest: Arc<Manifest>,
        settings: Settings,
    ) -> Self {
        Invoker {
            inner: Arc::new(Inner {
                executor,
                store: catalog.store().clone(),
                catalog,
                pool,
                engines,
                manifest,
                flights: Flights::default(),
                settings,
                stopping: AtomicBool::new(false),
                unstored: AtomicU64::new(0),
            }),
        }
    }

    /// Invokes an action (reference sections 4.2 and 4.5).
    ///
    /// # Errors
    /// The call was refused; nothing was run and there is no record.
    pub async fn invoke(&self, call: Call) -> Result<Outcome, InvokeError> {
        let inner = &self.inner;
        if inner.stopping.load(Ordering::Relaxed) {
            return Err(InvokeError::Unavailable(Refusal::Stopping.to_string()));
        }
        if inner.unstored.load(Ordering::Relaxed) > MOST_UNSTORED {
            return Err(InvokeError::Unavailable(
                "The disk of this gateway does not keep up with its activation records.".into(),
            ));
        }
        let call = Arc::new(call);
        let received = Instant::now();
        let id = ActivationId::random();
        let flight = inner.flights.begin(&call.identity.namespace);
        let place = inner.request(&call)?;
        let wait = call.wait;
        if wait.is_none() {
            let document = pending::document(&call);
            inner.store.accept(id, document).await.map_err(|error| {
                log::error!("cannot store an accepted invocation: {error}");
                InvokeError::Unavailable(format!("The invocation could not be stored: {error}"))
            })?;
        }
        let (sender, receiver) = bounded(1);
        let task = Flown {
            call: call.clone(),
            id,
            received,
            sender: wait.is_some().then_some(sender),
            flight,
        };
        inner
            .executor
            .spawn(inner.clone().fly(task, Some(place)))
            .detach();
        let Some(wait) = wait else {
            return Ok(Outcome::Accepted(id));
        };
        let finished = smol::future::or(async { receiver.recv().await.ok() }, async {
            Timer::after(wait).await;
            None
        })
        .await;
        match finished {
            Some(activation) => Ok(Outcome::Finished(activation)),
            None => Ok(self.promise(&call, id).await),
        }
    }

    /// A blocking caller does not wait any longer: from now on the activation is promised, so it
    /// has to be in the store. One that has just ended is there already, and stays ended.
    async fn promise(&self, call: &Call, id: ActivationId) -> Outcome {
        let accepted = self.inner.store.accept(id, pending::document(call));
        let started = self.inner.store.mark_started(id);
        if let Err(error) = accepted.await.and(started.await) {
            // It runs all the same, and its record may still find room.
            log::error!("cannot store the running activation {id}: {error}");
        }
        Outcome::Accepted(id)
    }

    /// How many activations of a namespace are queued or running, for the concurrency throttle.
    pub fn in_flight(&self, namespace: &str) -> usize {
        self.inner.flights.of(namespace)
    }

    /// An action was changed or deleted: sandboxes of its older versions go, busy ones when they
    /// have finished. `path` is `ns/[package/]name`.
    pub fn retire(&self, path: &str) {
        self.inner.pool.retire(path);
    }

    /// What the pool holds and has done.
    pub fn statistics(&self) -> Statistics {
        self.inner.pool.statistics()
    }

    /// Stops: takes no more calls, gives running activations `grace` to finish and be stored,
    /// and removes every sandbox. What has not finished by then is closed at the next start.
    pub async fn drain(&self, grace: Duration) {
        let inner = &self.inner;
        inner.stopping.store(true, Ordering::Relaxed);
        let running = inner.flights.total();
        if running > 0 {
            log::info!(
                "waiting up to {} s for {running} running activations",
                grace.as_secs()
            );
        }
        let finished = smol::future::or(
            async {
                inner.flights.none().await;
                true
            },
            async {
                Timer::after(grace).await;
                false
            },
        )
        .await;
        if !finished {
            log::warn!(
                "{} activations have not finished: they are closed at the next start",
                inner.flights.total()
            );
        }
        // Busy sandboxes that do not finish are removed by their engine.
        smol::future::or(inner.pool.stop(), async {
            if finished {
                Timer::after(Duration::from_secs(10)).await;
            }
        })
        .await;
    }
}

/// One invocation on its way.
struct Flown {
    call: Arc<Call>,
    id: ActivationId,
    received: Instant,
    /// Where a blocking caller waits for the result.
    sender: Option<Sender<Arc<Activation>>>,
    flight: Flight,
}

impl Inner {
    /// Asks the pool for a sandbox for a call.
    fn request(&self, call: &Call) -> Result<Wait, InvokeError> {
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

    /// Carries an invocation through: sandbox, run, answer, logs, record.
    async fn fly(self: Arc<Self>, flown: Flown, mut place: Option<Wait>) {
        let Flown {
            call,
            id,
            received,
            sender,
            mut flight,
        } = flown;
        let mut started = sender.is_some();
        let mut attempts = 0;
        let finished = loop {
            let place = match place.take() {
                Some(place) => place,
                None => match self.request(&call) {
                    Ok(place) => place,
                    Err(error) => break not_run(Status::InternalError, &error.to_string()),
                },
            };
            let Some(grant) = self.granted(place).await else {
                if self.stopping.load(Ordering::Relaxed) {
                    if !started {
                        // It stays in the store as accepted: the next start runs it.
                        return;
                    }
                    break not_run(Status::InternalError, &Refusal::Stopping.to_string());
                }
                let message = format!(
                    "No sandbox came free on this gateway within {} seconds.",
                    self.settings.longest_wait.as_secs_f32()
                );
                break not_run(Status::InternalError, &message);
            };
            if !started {
                // From here on a restart must not run it again.
                if let Err(error) = self.store.mark_started(id).await {
                    log::error!("cannot mark activation {id} as started: {error}");
                }
                started = true;
            }
            attempts += 1;
            match self.attempt(&call, id, received, grant).await {
                Attempt::Finished(finished) => break *finished,
                Attempt::Again if attempts < MOST_ATTEMPTS => {}
                Attempt::Again => {
                    let message = "Failed to provision resources to run the action.";
                    break not_run(Status::InternalError, message);
                }
            }
        };
        let Finished { executed, used } = finished;
        let activation = Arc::new(record::activation(&call, id, executed));
        flight.landed();
        if let Some(sender) = sender {
            let _ = sender.try_send(activation.clone());
        }
        let logs = match used {
            Some(used) => self.finish(&call, &activation, used).await,
            None => Vec::new(),
        };
        self.store_record(&activation, &logs).await;
        drop(flight);
    }

    /// Waits for a place, within the bound.
    async fn granted(&self, place: Wait) -> Option<Grant> {
        match place {
            Wait::Granted(grant) => Some(grant),
            Wait::Queued(queued) => queued.granted(self.settings.longest_wait).await,
        }
    }

    /// Stores the final record; the pending one goes with the same commit.
    async fn store_record(&self, activation: &Activation, logs: &[String]) {
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
}

#[cfg(test)]
mod tests;
