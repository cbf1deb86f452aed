//! Fired triggers come to be stored, and go: what is written of them.

use std::time::Instant;

use smol::channel::bounded;

use super::Fires;
use super::book;
use super::error::FireError;
use super::fire::StoredFire;
use super::record::{Cause, Stage, row};
use crate::entity::ActivationId;
use crate::invoke::was_fired;
use crate::store::{Change, StoreError};

impl Fires {
    /// Stores one, in a task of its own: a caller who goes away leaves nothing half done.
    pub(super) async fn store(&self, fire: StoredFire) -> Result<ActivationId, FireError> {
        let (sender, receiver) = bounded(1);
        let fires = self.clone();
        let stored = async move {
            let _ = sender.try_send(fires.admit(fire).await);
        };
        self.0.rooms.executor.spawn(stored).detach();
        receiver.recv().await.unwrap_or(Err(FireError::Stopping))
    }

    async fn admit(&self, fire: StoredFire) -> Result<ActivationId, FireError> {
        let _turn = self.0.turn.lock().await;
        self.obey_in_turn()?;
        let text = fire.text();
        let bytes = text.len() as u64 + book::PLACE;
        let (number, going, mut counts) = self.state(|state| {
            let going = state.queue.room_for(bytes, fire.priority);
            (state.queue.next_number(), going, state.counts)
        });
        let going = going.ok_or(FireError::Full(self.0.limit))?;
        counts.stored += 1;
        let mut changes = vec![book::creation(number, text)];
        if fire.recorded {
            let row = row(&fire, &Stage::Waiting, self.url());
            changes.push(Change::Activation { row, new: true });
        }
        for given_up in &going {
            counts.add_given_up(Cause::Displaced);
            changes.extend(self.given_up(*given_up, Cause::Displaced)?);
        }
        changes.push(book::counted(&counts));
        let store = &self.0.rooms.store;
        match store.write_all(changes).await {
            Ok(_) => {}
            Err(StoreError::Exists) => {
                return match was_fired(store, &fire.namespace, &fire.trigger, fire.id) {
                    Ok(true) => Ok(fire.id),
                    _ => Err(FireError::Taken(fire.id)),
                };
            }
            Err(error) => return Err(error.into()),
        }
        self.state(|state| {
            for number in &going {
                state.queue.remove(*number);
            }
            state.queue.add(self.entry(number, &fire, bytes));
            state.counts = counts;
        });
        self.0.changed.notify(usize::MAX);
        Ok(fire.id)
    }

    /// What is changed in the store when one is given up. Told to the log, too.
    pub(super) fn given_up(&self, number: u64, cause: Cause) -> Result<Vec<Change>, StoreError> {
        let fire = self.0.book.fire(number)?;
        if let Some(fire) = &fire {
            let (id, path, why) = (fire.id, fire.path(), cause.text());
            log::debug!("the trigger {path}, fired as {id}: {why}");
            if let Some(times) = self.state(|state| state.given_up.add(Instant::now())) {
                log::warn!(
                    "{times} fired triggers for the master were given up; of the last, {path}: \
                     {why}. owl sync status has the numbers"
                );
            }
        }
        Ok(self.ended(number, fire.as_ref(), &Stage::GivenUp(cause)))
    }

    /// What is changed in the store when one waits no longer.
    pub(super) fn ended(
        &self,
        number: u64,
        fire: Option<&StoredFire>,
        stage: &Stage,
    ) -> Vec<Change> {
        let mut changes = vec![book::removal(number)];
        if let Some(fire) = fire.filter(|fire| fire.recorded) {
            let row = row(fire, stage, fire.master_or(self.url()));
            changes.push(Change::Activation { row, new: false });
        }
        changes
    }
}
