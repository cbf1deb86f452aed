//! Firing triggers: each active rule's action is invoked as if the caller had done so (reference
//! section 3.6.2).
//!
//! A fired trigger is in the store before its 202. Before the first of its rules is followed, it
//! is marked as started: from there on a restart follows none of them again, but closes its record
//! with what is known of each. The ids of the activations are chosen beforehand for that.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use smol::channel::{Sender, bounded};
use smol::lock::Semaphore;

use super::budget::Room;
use super::closing::Closing;
use super::fired::{Fire, Fired};
use super::flights::Flight;
use super::follow::{Failure, Following};
use super::recover::stranger;
use super::{InvokeError, Invoker, given, not_stored, pending};
use crate::clock::now;
use crate::entity::{ActivationId, Identity};
use crate::pool::Refusal;
use crate::store::{Progress, StoreError};

/// Most activations of one fired trigger that are under way at the same time: a trigger with very
/// many rules does not take every place of the queue from others.
const MOST_AT_A_TIME: usize = 16;

/// Bytes of arguments that one fired trigger has under way, if it is more than one copy of them.
const MOST_COPIES: usize = 4 << 20;

/// Bytes that fired triggers may hold until their rules have been followed.
pub(super) const MOST_HELD: u64 = 32 << 20;

/// What the log of a fired trigger says of a rule that may have been followed.
const STOPPED: &str =
    "The gateway stopped before this action was known to be invoked; it was not invoked again.";

/// Bytes that a fired trigger holds beside its document and arguments.
const PLACE: usize = 4 << 10;

/// A fired trigger on its way.
struct Firing {
    id: ActivationId,
    fired: Fired,
    identity: Arc<Identity>,
    /// A stop waits for it.
    _flight: Flight,
    _room: Option<Room>,
}

/// How many activations with arguments of so many bytes may be under way at the same time.
fn at_a_time(argument_bytes: usize) -> usize {
    (MOST_COPIES / argument_bytes.max(1)).clamp(1, MOST_AT_A_TIME)
}

/// Bytes that a fired trigger holds whose document has so many: arguments are about as large.
fn held_by(document_bytes: usize) -> u64 {
    (document_bytes * (1 + at_a_time(document_bytes)) + PLACE) as u64
}

impl Invoker {
    /// Fires a trigger; gives the id of its activation, which is durable then, or nothing if no
    /// rule is active: then there is no activation.
    ///
    /// # Errors
    /// The trigger was not fired, and there is no record.
    pub async fn fire(&self, fire: Fire) -> Result<Option<ActivationId>, InvokeError> {
        match fire.id {
            None => self.fire_as(ActivationId::random(), fire).await,
            Some(id) => self.fire_once(id, fire).await,
        }
    }

    /// [`Invoker::fire`] under an id that nothing was fired under yet, as far as is known.
    ///
    /// # Errors
    /// As [`Invoker::fire`]; [`InvokeError::Taken`] if an activation has the id.
    pub(super) async fn fire_as(
        &self,
        id: ActivationId,
        fire: Fire,
    ) -> Result<Option<ActivationId>, InvokeError> {
        if !fire.trigger.has_active_rule() {
            return Ok(None);
        }
        self.check_open()?;
        let identity = fire.identity.clone();
        let fired = Fired::new(fire, now());
        let document = pending::fired(&fired);
        let room = self.inner.fired.take(held_by(document.len()))?;
        let firing = self.firing(id, fired, identity, Some(room));
        let (sender, receiver) = bounded(1);
        // A task of its own, so that a caller who goes away leaves nothing half done.
        let promised = self.clone().promise_and_follow(firing, document, sender);
        self.inner.executor.spawn(promised).detach();
        match receiver.recv().await {
            Ok(stored) => stored.map(|()| Some(id)),
            Err(_) => Err(InvokeError::Unavailable(Refusal::Stopping.to_string())),
        }
    }

    async fn promise_and_follow(
        self,
        firing: Firing,
        document: Vec<u8>,
        stored: Sender<Result<(), InvokeError>>,
    ) {
        let accepted = self.inner.store.accept_new(firing.id, document).await;
        let accepted = accepted.map_err(|error| match error {
            StoreError::Exists => InvokeError::Taken(given::taken(firing.id)),
            error => not_stored(&error),
        });
        let goes_on = accepted.is_ok();
        let _ = stored.try_send(accepted);
        if goes_on {
            self.follow_all(firing).await;
        }
    }

    /// Follows the rules of a fired trigger, and stores its record.
    async fn follow_all(&self, firing: Firing) {
        let inner = &self.inner;
        let Firing { id, fired, .. } = &firing;
        if inner.stopping.load(Ordering::Relaxed) {
            // It stays in the store as accepted: the next start follows its rules.
            return;
        }
        if let Err(error) = inner.store.mark_started(*id).await {
            log::error!("cannot mark the fired trigger {id} as started: {error}");
        }
        let arguments = fired.arguments();
        let permits = Arc::new(Semaphore::new(at_a_time(arguments.get().len())));
        let mut following = Vec::with_capacity(fired.rules.len());
        for rule in &fired.rules {
            let Some(activation) = rule.activation else {
                following.push(None);
                continue;
            };
            let held = permits.acquire_arc().await;
            let next = Following {
                identity: firing.identity.clone(),
                action: rule.action.clone(),
                arguments: arguments.clone(),
                activation,
                transaction_id: fired.transaction_id.clone(),
                via: fired.via.clone(),
                held,
            };
            let invoker = self.clone();
            let task = inner
                .executor
                .spawn(async move { invoker.follow(next).await });
            following.push(Some(task));
        }
        let mut logs = Vec::with_capacity(fired.rules.len());
        for (rule, task) in fired.rules.iter().zip(following) {
            let outcome = match task {
                None => Err(rule.inactive()),
                Some(task) => task.await,
            };
            logs.push(rule.entry(&outcome));
        }
        let record = fired.record(*id, &firing.identity);
        inner
            .store_record(&firing.identity, &record, &logs, false)
            .await;
    }

    fn firing(
        &self,
        id: ActivationId,
        fired: Fired,
        identity: Arc<Identity>,
        room: Option<Room>,
    ) -> Firing {
        Firing {
            id,
            fired,
            identity,
            // It is nothing that runs: the activations of its rules count for themselves.
            _flight: self.inner.flights.begin_composite(),
            _room: room,
        }
    }

    /// Settles a trigger that an earlier run of the daemon has fired: its rules are followed now if
    /// none of them has been, else there is a record to be stored. `promised` are the activations
    /// that an earlier run has left without a record.
    pub(super) fn recover_fired(
        &self,
        id: ActivationId,
        progress: Progress,
        fired: Fired,
        promised: &HashSet<ActivationId>,
    ) -> Result<Option<Closing>, StoreError> {
        let store = &self.inner.store;
        let identity = match (progress, store.key_of_namespace(&fired.namespace)?) {
            (Progress::Accepted, Some(identity)) => {
                let firing = self.firing(id, fired, identity, None);
                let invoker = self.clone();
                let follow = async move { invoker.follow_all(firing).await };
                self.inner.executor.spawn(follow).detach();
                return Ok(None);
            }
            (_, identity) => identity.unwrap_or_else(|| stranger(&fired.namespace).into()),
        };
        let mut logs = Vec::with_capacity(fired.rules.len());
        for rule in &fired.rules {
            let outcome = match rule.activation {
                None => Err(rule.inactive()),
                Some(id) if promised.contains(&id) => Ok(id),
                Some(id) => match store.activation(&fired.namespace, id)? {
                    Some(_) => Ok(id),
                    None => Err(Failure::internal(STOPPED)),
                },
            };
            logs.push(rule.entry(&outcome));
        }
        Ok(Some(Closing {
            record: fired.record(id, &identity),
            identity,
            logs,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_arguments_are_copied_less_often() {
        assert_eq!(at_a_time(0), 16);
        assert_eq!(at_a_time(100), 16);
        assert_eq!(at_a_time(1 << 20), 4);
        assert_eq!(at_a_time(5 << 20), 1);
    }
}
