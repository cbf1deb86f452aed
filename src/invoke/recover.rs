//! What a restart does with activations that an earlier run of the daemon has left.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use smol::Timer;
use smol::lock::Semaphore;

use super::burst::unclear;
use super::closing::{CLOSED_AT_A_TIME, Closing};
use super::pending::{Document, Invocation, Open, Underway};
use super::record::Reached;
use super::run::{Flown, PAUSE, Runner};
use super::within::Within;
use super::{Call, InvokeError, Invoker};
use crate::catalog::{AccessError, CatalogError, Resolved};
use crate::clock::now;
use crate::entity::{
    Action, ActionLimits, ActivationId, Exec, Identity, Parameters, Response, Secret, Status,
    Whereabouts, names,
};
use crate::store::{Progress, StoreError};

/// Calls of an earlier run that are under way at the same time.
const AT_A_TIME: usize = 4;

/// Calls of an earlier run that tiers are asked about at the same time.
const ASKED_AT_A_TIME: usize = 32;

/// What the record of an activation says that was running when the daemon ended.
const STOPPED: &str = "The gateway stopped while this activation was running; it was not repeated.";

/// How many promised invocations a restart found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Not started before, or taken by a tier: they run now, or are asked for there.
    pub run: usize,
    /// Started before: they are closed as internal errors.
    pub closed: usize,
}

/// What becomes of one that an earlier run has left.
enum Settled {
    /// It runs now.
    Again(Box<Call>),
    /// It runs on a tier, which is asked for its result.
    Asked(Box<Call>, Whereabouts<'static>),
    /// The rules of a fired trigger are followed now.
    Follows,
    /// There are so many records to be stored.
    Closed(usize),
}

impl Invoker {
    /// Settles what an earlier run of the daemon has left: invocations that were accepted but
    /// not started are run, those that had started are closed as internal errors, so that none
    /// runs twice and none stays without a record. What cannot be read is left for a later start,
    /// perhaps of another version: it must not keep the gateway from starting.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn recover(&self) -> Result<Recovered, StoreError> {
        let mut recovered = Recovered::default();
        let mut again = Vec::new();
        let mut asked = Vec::new();
        let mut closings = Vec::new();
        let left = self.inner.store.pending()?;
        let known: HashSet<ActivationId> = left.iter().map(|(id, ..)| *id).collect();
        for (id, progress, document) in left {
            if closings.len() >= CLOSED_AT_A_TIME {
                self.inner.store_all(&mut closings).await;
            }
            let text = String::from_utf8_lossy(&document);
            let document = match Document::read(&text) {
                Ok(document) => document,
                Err(error) => {
                    log::error!("the pending activation {id} cannot be read: {error}");
                    continue;
                }
            };
            match self.settle((id, progress), document, &known, &mut closings) {
                Ok(Settled::Closed(number)) => recovered.closed += number,
                Ok(Settled::Follows) => recovered.run += 1,
                Ok(Settled::Asked(call, tier)) => {
                    recovered.run += 1;
                    asked.push((*call, id, tier));
                }
                Ok(Settled::Again(call)) => {
                    recovered.run += 1;
                    again.push((*call, id));
                }
                Err(error) => log::error!("the pending activation {id} stays so: {error}"),
            }
        }
        self.inner.store_all(&mut closings).await;
        self.run_again(again);
        self.ask_again(asked);
        Ok(recovered)
    }

    /// Finds what becomes of one activation; a record that closes it goes into `closings`.
    fn settle(
        &self,
        (id, progress): (ActivationId, Progress),
        document: Document<'_>,
        known: &HashSet<ActivationId>,
        closings: &mut Vec<Closing>,
    ) -> Result<Settled, StoreError> {
        let found = match document {
            Document::Invocation(found) => found,
            Document::Composite(found) => {
                let closed = self.close_composite(id, &found, known, closings)?;
                return Ok(Settled::Closed(closed));
            }
            Document::Fired(fired) => {
                let fired = fired.into_owned();
                let closing = self.recover_fired(id, progress, fired, known)?;
                let settled = match &closing {
                    None => Settled::Follows,
                    Some(_) => Settled::Closed(1),
                };
                closings.extend(closing);
                return Ok(settled);
            }
        };
        if let Some(tier) = &found.tier {
            let tier = tier.clone().into_owned();
            return Ok(match self.call_again(&found)? {
                Ok(call) if self.inner.may_ask(&tier) => Settled::Asked(Box::new(call), tier),
                Ok(call) | Err(call) => {
                    let response = lost_at(&tier);
                    let reached = Reached::Action;
                    let closing = Closing::not_run(&call, id, found.cause, reached, response);
                    closings.push(closing.sent_to(&tier));
                    Settled::Closed(1)
                }
            });
        }
        let (call, reached, response) = match (progress, self.call_again(&found)?) {
            (Progress::Accepted, Ok(call)) => return Ok(Settled::Again(Box::new(call))),
            (Progress::Accepted, Err(call)) => {
                let message = "Action could not be found or may have been deleted.";
                let response = Response::error(Status::ApplicationError, message);
                (call, Reached::Nothing, response)
            }
            (Progress::Started, Ok(call) | Err(call)) => (call, Reached::Action, stopped()),
        };
        closings.push(Closing::not_run(&call, id, found.cause, reached, response));
        Ok(Settled::Closed(1))
    }

    /// Closes a sequence or composition, and before it those of its children that have neither a
    /// record nor a document of their own. Gives how many that were.
    fn close_composite(
        &self,
        id: ActivationId,
        found: &Underway<'_>,
        known: &HashSet<ActivationId>,
        closings: &mut Vec<Closing>,
    ) -> Result<usize, StoreError> {
        let before = closings.len();
        let own = &found.invocation;
        for child in &found.open {
            let stored = self.inner.store.activation(own.namespace, child.id)?;
            if known.contains(&child.id) || stored.is_some() {
                continue;
            }
            let (Ok(call) | Err(call)) = self.call_again(&invocation_of(child, own))?;
            let reached = Reached::Action;
            closings.push(Closing::not_run(
                &call,
                child.id,
                Some(id),
                reached,
                stopped(),
            ));
        }
        let (Ok(call) | Err(call)) = self.call_again(own)?;
        let ids = (id, own.cause);
        let record = found
            .account
            .record(found.form, &call, ids, now(), stopped());
        closings.push(Closing {
            identity: call.identity,
            logs: record.logs.clone(),
            record,
        });
        Ok(closings.len() - before)
    }

    /// The call of a pending document: `Err` if it can only be closed, since its action or its
    /// namespace is gone.
    fn call_again(&self, found: &Invocation<'_>) -> Result<Result<Call, Call>, StoreError> {
        // One that is blocked is told so when its turn comes.
        let entry = self.inner.store.key_entry(found.namespace)?;
        let identity = entry.map(|entry| entry.identity);
        let known = identity.is_some();
        let identity = identity.unwrap_or_else(|| stranger(found.namespace).into());
        let resolved = match self.reach(&identity, found) {
            Ok(resolved) => Some(resolved),
            Err(AccessError::Catalog(CatalogError::Store(error))) => return Err(error),
            Err(_) => None,
        };
        let known = known && resolved.is_some();
        let resolved = resolved.unwrap_or_else(|| Resolved {
            action: Arc::new(vanished(&found.action)),
            binding: found.binding.clone(),
        });
        let payload = found.payload.map(ToOwned::to_owned);
        let transaction_id = found.transaction_id.to_string();
        let mut call = Call::new(identity, resolved, payload, transaction_id, None);
        call.via = found.via.as_deref().map(Into::into);
        Ok(if known { Ok(call) } else { Err(call) })
    }

    /// The action of a pending document, reached in the same way as before.
    fn reach(&self, identity: &Identity, found: &Invocation<'_>) -> Result<Resolved, AccessError> {
        let (place, name) = names::place_and_name(&found.action);
        let place = found.binding.as_deref().unwrap_or(place);
        let (namespace, package) = names::namespace_and_package(place);
        self.inner
            .catalog
            .resolve(identity, namespace, package, name)
    }

    /// Asks tiers for the results of calls that an earlier run has sent there.
    fn ask_again(&self, calls: Vec<(Call, ActivationId, Whereabouts<'static>)>) {
        let permits = Arc::new(Semaphore::new(ASKED_AT_A_TIME));
        for (call, id, tier) in calls {
            let (inner, permits) = (self.inner.clone(), permits.clone());
            let flown = Flown {
                flight: inner.flight(Runner::of(&call.action), &call),
                call: Arc::new(call),
                id,
                cause: None,
                received: Instant::now(),
                sender: None,
            };
            let asked = async move {
                let _permit = permits.acquire().await;
                let finished = inner.ask(&flown, tier).await;
                inner.land(flown, finished).await;
            };
            self.inner.executor.spawn(asked).detach();
        }
    }

    /// Runs calls of an earlier run, a few at a time: all at once may be more than may wait for a
    /// sandbox, and they must not take every place from new calls.
    fn run_again(&self, calls: Vec<(Call, ActivationId)>) {
        let inner = self.inner.clone();
        let flights: Vec<_> = calls
            .iter()
            .map(|(call, _)| inner.flight(Runner::of(&call.action), call))
            .collect();
        let run = async move {
            let permits = Arc::new(Semaphore::new(AT_A_TIME));
            for ((call, id), flight) in calls.into_iter().zip(flights) {
                let permit = permits.acquire_arc().await;
                let runner = Runner::of(&call.action);
                let place = loop {
                    if runner != Runner::Sandbox {
                        break None;
                    }
                    match inner.place(&call) {
                        Err(InvokeError::Overloaded(_)) => {
                            Timer::after(PAUSE).await;
                        }
                        place => break place.ok(),
                    }
                };
                let flown = Flown {
                    flight,
                    call: Arc::new(call),
                    id,
                    cause: None,
                    received: Instant::now(),
                    sender: None,
                };
                let flying = inner.start(runner, flown, Within::default(), place);
                let fly = async move {
                    flying.await;
                    drop(permit);
                };
                inner.executor.spawn(fly).detach();
            }
        };
        self.inner.executor.spawn(run).detach();
    }
}

/// The end of an activation that may have run on a tier, which cannot be asked for it.
fn lost_at(tier: &Whereabouts<'_>) -> Response {
    let why = match tier.activation_id {
        Some(_) => "that is no tier of this gateway any more",
        None => "the gateway stopped before it had an answer",
    };
    Response::error(Status::InternalError, &unclear(tier, why))
}

fn stopped() -> Response {
    Response::error(Status::InternalError, STOPPED)
}

/// The invocation of a child of a sequence or composition.
fn invocation_of<'a>(child: &Open, own: &Invocation<'a>) -> Invocation<'a> {
    Invocation {
        action: child.action.clone(),
        binding: child.binding.clone(),
        payload: None,
        cause: None,
        tier: None,
        via: own.via.clone(),
        ..*own
    }
}

/// Stands in for the caller of a namespace that is gone, in the record that closes its call.
pub(super) fn stranger(namespace: &str) -> Identity {
    Identity {
        subject: namespace.to_string(),
        namespace: namespace.to_string(),
        uuid: String::new(),
        key: Secret::new(String::new()),
        limits: Arc::default(),
    }
}

/// Stands in for an action that is gone (reference section 4.6).
fn vanished(path: &str) -> Action {
    let (namespace, name) = names::place_and_name(path);
    Action {
        namespace: namespace.to_string(),
        name: name.to_string(),
        exec: Exec::Code {
            kind: "unknown".to_string(),
            binary: false,
            main: None,
        },
        parameters: Parameters::default(),
        limits: ActionLimits {
            timeout: 0,
            memory: 0,
            logs: 0,
            concurrency: 1,
            instances: None,
        },
        version: "0.0.1".to_string(),
        publish: false,
        annotations: Parameters::default(),
        updated: 0,
        revision: 0,
    }
}
