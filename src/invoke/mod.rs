//! One invocation, from arguments to activation record.
//!
//! An invocation runs in a task of its own, so that a caller who goes away stops nothing. What
//! has been promised to a caller is in the store first: a 202 is answered only after the pending
//! record is durable, and a restart runs or closes what it finds there ([`recover`]). Sequences and
//! compositions are loops over that one function ([`composite`]), noted in the store while they run.

mod account;
pub mod admission;
mod adopt;
mod answer;
mod arguments;
mod arrivals;
mod bar;
mod budget;
mod builtin;
mod burst;
mod call;
mod choice;
mod closing;
mod cold;
mod composite;
mod composition;
mod conductor;
mod ended;
mod engines;
mod execute;
mod fired;
mod flights;
mod follow;
mod given;
mod images;
mod pending;
mod prepare;
mod record;
mod recover;
mod renew;
mod rules;
mod run;
mod runnable;
mod sequence;
mod settings;
mod stem_notes;
mod stems;
mod throttle;
mod within;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use smol::channel::bounded;
use smol::{Task, Timer};

pub use burst::Tiers;
pub use call::{Call, InvokeError, Outcome};
pub use engines::Engines;
pub use fired::Fire;
pub use given::was_fired;
pub use recover::Recovered;
pub use settings::{Live, Settings};
pub use throttle::{Rates, Throttled, Throttles};

use crate::Executor;
use crate::builtin::Services;
use crate::catalog::{Catalog, Manifest};
use crate::deadline;
use crate::engine::Listener;
use crate::engine::proxy::Bounds;
use crate::entity::{ActivationId, Identity};
use crate::metrics::Metrics;
use crate::pool::{Driver, Refusal, Statistics};
use crate::store::{Store, StoreError};
use crate::sync::Current;
use answer::Landed;
use arguments::Arguments;
use budget::{Budget, Room};
use burst::{Burst, Place};
use flights::{Flight, Flights};
use run::{Flown, Runner};
use stem_notes::StemNotes;
use within::Within;

/// How things stand with the invoker.
#[derive(Clone, Copy, Debug, Default)]
pub struct Figures {
    /// What the pool holds and has done.
    pub pool: Statistics,
    /// Activations that run, or wait for a sandbox.
    pub running: usize,
    /// Whether it takes calls: it does not while it stops, without a place for a sandbox here and
    /// tiers that take over, or while the disk does not keep up.
    pub accepts: bool,
}

/// What an invoker works with.
pub struct Rooms {
    /// Where its tasks run.
    pub executor: Executor,
    /// Actions; in the store that keeps the records.
    pub catalog: Catalog,
    /// Sandboxes.
    pub pool: Driver,
    /// What fills the pool.
    pub engines: Arc<Engines>,
    /// The kinds that there are.
    pub manifest: Current<Arc<Manifest>>,
    /// Counts what namespaces do; shared with the API.
    pub throttles: Arc<Throttles>,
    /// What is built in.
    pub builtins: Arc<Services>,
    /// What takes over what cannot run here; none: nothing does.
    pub tiers: Option<Tiers>,
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
    manifest: Current<Arc<Manifest>>,
    throttles: Arc<Throttles>,
    builtins: Arc<Services>,
    burst: Option<Burst>,
    flights: Flights,
    settings: Settings,
    metrics: Arc<Metrics>,
    stopping: AtomicBool,
    /// What stem cells were initialised with.
    stem_notes: StemNotes,
    /// Bytes of finished records that are not durable yet.
    unstored: AtomicU64,
    /// What fired triggers may hold.
    fired: Budget,
    /// What large payloads may hold.
    payloads: Budget,
}

/// Bytes of finished records that may wait for the disk. Callers have their answers by then, so
/// nothing else bounds them where a disk is slower than its callers.
const MOST_UNSTORED: u64 = 16 << 20;

/// Bytes of large payloads that calls may hold, from their acceptance to their record: 30 of 1 MB,
/// as many as one namespace may have in flight.
const MOST_PAYLOADS: u64 = 32 << 20;

/// Bytes of a payload that count: the length of the queue bounds smaller ones.
const LARGE_PAYLOAD: usize = 8 << 10;

impl Invoker {
    /// An invoker over these rooms.
    pub fn new(rooms: Rooms, settings: Settings) -> Self {
        let Rooms {
            executor,
            catalog,
            pool,
            engines,
            manifest,
            throttles,
            builtins,
            tiers,
        } = rooms;
        Invoker {
            inner: Arc::new(Inner {
                executor,
                store: catalog.store().clone(),
                catalog,
                pool,
                engines,
                manifest,
                throttles,
                builtins,
                burst: tiers.and_then(Burst::new),
                flights: Flights::default(),
                settings,
                metrics: Arc::default(),
                stopping: AtomicBool::new(false),
                stem_notes: StemNotes::default(),
                unstored: AtomicU64::new(0),
                fired: Budget::new(rules::MOST_HELD),
                payloads: Budget::new(MOST_PAYLOADS),
            }),
        }
    }

    /// Invokes an action (reference sections 4.2 and 4.5).
    ///
    /// # Errors
    /// The call was refused; nothing was run and there is no record.
    pub async fn invoke(&self, call: Call) -> Result<Outcome, InvokeError> {
        self.invoke_as(ActivationId::random(), call).await
    }

    /// [`Invoker::invoke`] with an id that was chosen before.
    ///
    /// # Errors
    /// As [`Invoker::invoke`].
    pub async fn invoke_as(&self, id: ActivationId, call: Call) -> Result<Outcome, InvokeError> {
        let inner = &self.inner;
        self.check_open()?;
        let call = Arc::new(call);
        let received = Instant::now();
        let runner = Runner::of(&call.action);
        let room = inner.room(runner, &call)?;
        let flight = inner.flight(runner, &call).holding(room);
        let place = match runner {
            Runner::Sandbox => Some(inner.place(&call)?),
            Runner::Builtin | Runner::Sequence | Runner::Conductor => None,
        };
        let (sender, receiver) = bounded(1);
        let flown = Flown {
            call: call.clone(),
            id,
            cause: None,
            received,
            sender: call.wait.is_some().then_some(sender),
            flight,
        };
        let Some(wait) = call.wait else {
            return self.promise_and_start(runner, flown, place).await;
        };
        inner
            .start(runner, flown, Within::default(), place)
            .detach();
        // Nothing comes of one that has ended without an answer, either.
        let finished = deadline::within(wait, receiver.recv()).await;
        match finished.ok().and_then(Result::ok) {
            Some(Landed {
                activation,
                refusal: None,
            }) => Ok(Outcome::Finished(activation)),
            Some(Landed {
                activation,
                refusal: Some(refusal),
            }) => Ok(Outcome::Refused(activation.id, *refusal)),
            None => Ok(self.promise(runner, &call, id).await),
        }
    }

    /// Starts a call that nobody waits for, once the store has it. In a task of its own: a caller
    /// who went away meanwhile would leave it in the store for a later start of the daemon.
    async fn promise_and_start(
        &self,
        runner: Runner,
        flown: Flown,
        place: Option<Place>,
    ) -> Result<Outcome, InvokeError> {
        let id = flown.id;
        let (sender, receiver) = bounded(1);
        let invoker = self.clone();
        let promised = async move {
            let document = pending::invocation(&flown.call, None);
            let accepted = invoker.accept(id, document).await;
            let goes_on = accepted.is_ok();
            let _ = sender.try_send(accepted);
            if goes_on {
                let inner = &invoker.inner;
                inner
                    .start(runner, flown, Within::default(), place)
                    .detach();
            }
        };
        self.inner.executor.spawn(promised).detach();
        match receiver.recv().await {
            Ok(accepted) => accepted.map(|()| Outcome::Accepted(id)),
            Err(_) => Err(InvokeError::Unavailable(Refusal::Stopping.to_string())),
        }
    }

    /// Whether anything is taken in.
    fn check_open(&self) -> Result<(), InvokeError> {
        let inner = &self.inner;
        if inner.stopping.load(Ordering::Relaxed) {
            return Err(InvokeError::Unavailable(Refusal::Stopping.to_string()));
        }
        if inner.is_behind() {
            return Err(InvokeError::Unavailable(
                "The disk of this gateway does not keep up with its activation records.".into(),
            ));
        }
        Ok(())
    }

    /// Makes what was accepted durable.
    async fn accept(&self, id: ActivationId, document: Vec<u8>) -> Result<(), InvokeError> {
        let stored = self.inner.store.accept(id, document).await;
        stored.map_err(|error| not_stored(&error))
    }

    /// A blocking caller does not wait any longer: from now on the activation is promised, so it
    /// has to be in the store. One that has just ended is there already, and stays ended.
    async fn promise(&self, runner: Runner, call: &Call, id: ActivationId) -> Outcome {
        // Where no record is kept nobody can ask for one, and what is running is not repeated.
        if !call.identity.limits.stores_activations() {
            return Outcome::Accepted(id);
        }
        let store = &self.inner.store;
        if !runner.is_composite() {
            store.note_running(id, pending::running(call, None));
        }
        // A composite has noted itself. Durable is what was written before this, too.
        if let Err(error) = store.mark_started(id).await {
            // It runs all the same, and its record may still find room.
            log::error!("cannot store the running activation {id}: {error}");
        }
        Outcome::Accepted(id)
    }

    /// How many activations of a namespace are queued or running, for the concurrency throttle.
    pub fn in_flight(&self, namespace: &str) -> usize {
        self.inner.flights.of(namespace)
    }

    /// Whether there are other OpenWhisks that may have what an action needs and this gateway has
    /// not: if it may not go there, that is told when it is invoked.
    pub fn has_tiers(&self) -> bool {
        self.inner.burst.is_some()
    }

    /// An action was changed or deleted: sandboxes of its older versions go, busy ones when they
    /// have finished. `path` is `ns/[package/]name`.
    pub fn retire(&self, path: &str) {
        self.inner.pool.retire(path);
    }

    /// Where the events of the engine of this name are to go.
    pub fn listener(&self, engine: &'static str) -> Listener {
        self.inner.pool.listener(engine)
    }

    /// How things stand.
    pub fn figures(&self) -> Figures {
        let inner = &self.inner;
        let pool = inner.pool.statistics();
        let stopping = inner.stopping.load(Ordering::Relaxed);
        let burst = inner.burst.as_ref();
        let goes_on = burst.is_some_and(Burst::is_on_failure);
        Figures {
            running: inner.flights.total(),
            accepts: !stopping && !inner.is_behind() && (pool.capacity > 0 || goes_on),
            pool,
        }
    }

    /// What is counted, activations among it.
    pub fn metrics(&self) -> Arc<Metrics> {
        self.inner.metrics.clone()
    }

    /// Stops: takes no more calls, gives running activations `grace` to finish and be stored,
    /// and removes every sandbox. What has not finished by then is closed at the next start.
    pub async fn drain(&self, grace: Duration) {
        let finished = self.landed(grace).await;
        // Busy sandboxes that do not finish are removed by their engine.
        end_of_pool(finished, self.inner.pool.stop()).await;
    }

    /// As [`Invoker::drain`], but leaves what is warm to the next run of the daemon.
    pub async fn give_way(&self, grace: Duration) {
        let finished = self.landed(grace).await;
        let giving_way = async {
            let left = self.inner.pool.give_way().await;
            log::info!("{left} warm sandboxes are left to the next run");
        };
        end_of_pool(finished, giving_way).await;
    }

    /// Takes no more invocations, and waits for those that run. Tells whether all have ended.
    async fn landed(&self, grace: Duration) -> bool {
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
        finished
    }
}

/// Waits until the pool is empty, as long as that may take.
async fn end_of_pool(finished: bool, ends: impl Future<Output = ()>) {
    smol::future::or(ends, async {
        if finished {
            Timer::after(Duration::from_secs(10)).await;
        }
    })
    .await;
}

/// What is told when the store did not take what was to be promised.
fn not_stored(error: &StoreError) -> InvokeError {
    log::error!("cannot store an accepted invocation: {error}");
    InvokeError::Unavailable(format!("The invocation could not be stored: {error}"))
}

impl Inner {
    /// How large a result of a caller's actions may be.
    fn bounds(&self, identity: &Identity) -> Bounds {
        Bounds {
            max: identity.limits.payload(self.settings.max_response),
            kept: identity.limits.truncation(self.settings.max_response),
        }
    }

    /// Whether the disk does not keep up with the records.
    fn is_behind(&self) -> bool {
        self.unstored.load(Ordering::Relaxed) > MOST_UNSTORED
    }

    /// The room for the payload of a call. A composite holds it twice: its first component gets a
    /// copy.
    fn room(&self, runner: Runner, call: &Call) -> Result<Option<Room>, InvokeError> {
        let bytes = call.payload.as_ref().map_or(0, |text| text.get().len());
        if bytes < LARGE_PAYLOAD {
            return Ok(None);
        }
        let copies = 1 + usize::from(runner.is_composite());
        self.payloads.take((bytes * copies) as u64).map(Some)
    }

    /// The place in flight of a call.
    fn flight(&self, runner: Runner, call: &Call) -> Flight {
        match runner {
            Runner::Sandbox | Runner::Builtin => self.flights.begin(&call.identity.namespace),
            Runner::Sequence | Runner::Conductor => self.flights.begin_composite(),
        }
    }

    /// Starts an activation in a task of its own. `place` is where it runs, if that has been asked
    /// for.
    fn start(
        self: &Arc<Self>,
        runner: Runner,
        flown: Flown,
        within: Within,
        place: Option<Place>,
    ) -> Task<()> {
        let inner = self.clone();
        match runner {
            Runner::Sandbox | Runner::Builtin => self.executor.spawn(inner.fly(flown, place)),
            Runner::Sequence => self.executor.spawn(inner.sequence(flown, within)),
            Runner::Conductor => self.executor.spawn(inner.compose(flown, within)),
        }
    }
}

#[cfg(test)]
mod tests;
