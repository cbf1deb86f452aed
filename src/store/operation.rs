//! What can be written, and what each write does to the databases.

use heed::RwTxn;

use super::environment::Environment;
use super::error::StoreError;
use super::layout::{
    HeadHeader, list_key, name_group, namespace_group, pending_key, start_of, started_key, time_key,
};
use super::types::{ActivationRow, Change, Collection, EntityWrite};
use super::{entity_changes, key_records, retention};
use crate::entity::ActivationId;

/// One write. Either all of it is in a commit or nothing.
pub(super) enum Operation {
    /// Writes an entity.
    PutEntity(EntityWrite),
    /// Removes the entity of a path, with its code, if it is at a revision.
    DeleteEntity(String, u64),
    /// Writes and removes several entities, or none of them.
    Changes(Vec<Change>),
    /// Keeps the document of an activation that has not run yet.
    Accept(ActivationId, Vec<u8>),
    /// [`Operation::Accept`], if no activation has its id.
    AcceptNew(ActivationId, Vec<u8>),
    /// Marks it as started.
    MarkStarted(ActivationId),
    /// Keeps what is known of an activation that has started and not ended.
    NoteRunning(ActivationId, Vec<u8>),
    /// Keeps the record of a finished activation in the place of the pending one.
    PutActivation(ActivationRow),
    /// Removes what is pending of an activation whose record is not kept.
    Forget(ActivationId),
    /// Gives a namespace its uuid and sealed key.
    PutKey(key_records::NewKey),
    /// Changes what goes with the key of a namespace.
    ChangeKey(String, key_records::KeyChange),
    /// Removes the key of a namespace.
    DeleteKey(String),
}

/// What an operation gave: a number, or a refusal that leaves the transaction as it was.
pub(super) type Done = Result<u64, StoreError>;

impl Operation {
    /// About how many bytes the operation holds in memory and adds to the store.
    pub(super) fn bytes(&self) -> u64 {
        let payload = match self {
            Self::PutEntity(write) => entity_changes::bytes_of(write),
            Self::Changes(changes) => entity_changes::bytes_of_all(changes),
            Self::Accept(_, document)
            | Self::AcceptNew(_, document)
            | Self::NoteRunning(_, document) => document.len(),
            Self::PutActivation(row) => row.head.len() + row.tail.len(),
            Self::DeleteEntity(..)
            | Self::MarkStarted(_)
            | Self::Forget(_)
            | Self::PutKey(_)
            | Self::ChangeKey(..)
            | Self::DeleteKey(_) => 0,
        };
        (payload + entity_changes::PLACE) as u64
    }

    /// Whether it may change an action or a package.
    pub(super) fn changes_catalogue(&self) -> bool {
        let counts = |write: &EntityWrite| {
            matches!(write.collection, Collection::Actions | Collection::Packages)
        };
        match self {
            Self::PutEntity(write) => counts(write),
            Self::DeleteEntity(..) => true,
            Self::Changes(changes) => changes.iter().any(|change| match change {
                Change::Put(write) => counts(write),
                Change::Delete { .. } | Change::Drop { .. } => true,
                Change::Stays { .. }
                | Change::Emptied { .. }
                | Change::Note { .. }
                | Change::Unnote { .. }
                | Change::Activation { .. }
                | Change::Noted { .. } => false,
            }),
            _ => false,
        }
    }

    /// Whether it belongs to an activation that was let in before.
    pub(super) fn continues_activation(&self) -> bool {
        matches!(
            self,
            Self::MarkStarted(_) | Self::NoteRunning(..) | Self::PutActivation(_) | Self::Forget(_)
        )
    }

    /// Whether somebody waits for the commit: not for the record of an activation that has ended,
    /// whose caller has the answer, or whose pending record is durable, and not for a note.
    pub(super) fn is_urgent(&self) -> bool {
        !matches!(
            self,
            Self::PutActivation(_) | Self::NoteRunning(..) | Self::Forget(_)
        )
    }

    /// Writes into the transaction. `revision` is the one that an entity gets.
    ///
    /// # Errors
    /// Those of LMDB, after which the transaction must be aborted. A refusal is not one of them:
    /// it is found before anything is written.
    pub(super) fn apply(
        &self,
        environment: &Environment,
        txn: &mut RwTxn<'_>,
        revision: u64,
    ) -> Result<Done, heed::Error> {
        match self {
            Self::PutEntity(write) => entity_changes::put(environment, txn, write, revision),
            Self::DeleteEntity(path, revision) => {
                entity_changes::delete(environment, txn, path, *revision)
            }
            Self::Changes(list) => entity_changes::all(environment, txn, list, revision),
            Self::Accept(id, document) => done(accept(environment, txn, id, document)),
            Self::AcceptNew(id, document) => {
                if is_taken(environment, txn, id)? {
                    return Ok(Err(StoreError::Exists));
                }
                done(accept(environment, txn, id, document))
            }
            Self::MarkStarted(id) => done(mark_started(environment, txn, id)),
            Self::NoteRunning(id, document) => done(note_running(environment, txn, id, document)),
            Self::PutActivation(row) => done(put_activation(environment, txn, row)),
            Self::Forget(id) => done(forget(environment, txn, id)),
            Self::PutKey(key) => key_records::put(environment, txn, key),
            Self::ChangeKey(namespace, change) => {
                key_records::change(environment, txn, namespace, change)
            }
            Self::DeleteKey(namespace) => key_records::delete(environment, txn, namespace),
        }
    }
}

/// What is told of a write that is never refused.
fn done(written: Result<(), heed::Error>) -> Result<Done, heed::Error> {
    written.map(|()| Ok(0))
}

/// Whether an activation has an id, be it ended or not.
pub(super) fn is_taken(
    environment: &Environment,
    txn: &RwTxn<'_>,
    id: &ActivationId,
) -> Result<bool, heed::Error> {
    Ok(environment.ids.get(txn, id.as_bytes())?.is_some()
        || environment.pending.get(txn, &pending_key(id))?.is_some())
}

fn accept(
    environment: &Environment,
    txn: &mut RwTxn<'_>,
    id: &ActivationId,
    document: &[u8],
) -> Result<(), heed::Error> {
    // One that has ended already (its end did not wait for room in the queue) is not pending.
    if environment.ids.get(txn, id.as_bytes())?.is_none() {
        environment.pending.put(txn, &pending_key(id), document)?;
    }
    Ok(())
}

fn mark_started(
    environment: &Environment,
    txn: &mut RwTxn<'_>,
    id: &ActivationId,
) -> Result<(), heed::Error> {
    if environment.pending.get(txn, &pending_key(id))?.is_some() {
        environment.pending.put(txn, &started_key(id), &[])?;
    }
    Ok(())
}

fn note_running(
    environment: &Environment,
    txn: &mut RwTxn<'_>,
    id: &ActivationId,
    document: &[u8],
) -> Result<(), heed::Error> {
    accept(environment, txn, id, document)?;
    mark_started(environment, txn, id)
}

pub(super) fn put_activation(
    environment: &Environment,
    txn: &mut RwTxn<'_>,
    row: &ActivationRow,
) -> Result<(), heed::Error> {
    let known = environment.ids.get(txn, row.id.as_bytes())?;
    if let Some(start) = known.and_then(start_of) {
        retention::remove(environment, txn, &time_key(start, &row.id))?;
    }
    let key = time_key(row.start, &row.id);
    let header = HeadHeader {
        namespace: namespace_group(&row.namespace),
        name: name_group(&row.namespace, &row.filter_name),
    };
    environment
        .heads
        .put(txn, &key, &header.record(&row.head))?;
    environment.tails.put(txn, &key, &row.tail)?;
    for group in [&header.namespace, &header.name] {
        environment.lists.put(txn, &list_key(group, &key), &[])?;
    }
    environment
        .ids
        .put(txn, row.id.as_bytes(), &row.start.to_be_bytes())?;
    forget(environment, txn, &row.id)
}

fn forget(
    environment: &Environment,
    txn: &mut RwTxn<'_>,
    id: &ActivationId,
) -> Result<(), heed::Error> {
    environment.pending.delete(txn, &pending_key(id))?;
    environment.pending.delete(txn, &started_key(id))?;
    Ok(())
}
