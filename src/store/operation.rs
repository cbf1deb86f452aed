//! What can be written, and what each write does to the databases.

use heed::RwTxn;

use super::environment::Environment;
use super::error::StoreError;
use super::layout::{
    EntityHeader, HeadHeader, entity_list_keys, entity_list_prefix, list_key, name_group,
    namespace_group, path_key, pending_key, start_of, started_key, time_key,
};
use super::types::{ActivationRow, Change, CodeChange, EntityList, EntityWrite, Expect};
use super::{key_records, retention};
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
            Self::PutEntity(write) => bytes_of(write),
            Self::Changes(changes) => changes
                .iter()
                .map(|change| match change {
                    Change::Put(write) => bytes_of(write) + PLACE,
                    Change::Delete { .. } => PLACE,
                    Change::Stays { .. } | Change::Emptied { .. } => 0,
                })
                .sum(),
            Self::Accept(_, document) | Self::NoteRunning(_, document) => document.len(),
            Self::PutActivation(row) => row.head.len() + row.tail.len(),
            Self::DeleteEntity(..)
            | Self::MarkStarted(_)
            | Self::Forget(_)
            | Self::PutKey(_)
            | Self::ChangeKey(..)
            | Self::DeleteKey(_) => 0,
        };
        (payload + PLACE) as u64
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
            Self::PutEntity(write) => put_entity(environment, txn, write, revision),
            Self::DeleteEntity(path, revision) => delete_entity(environment, txn, path, *revision),
            Self::Changes(list) => changes(environment, txn, list, revision),
            Self::Accept(id, document) => accept(environment, txn, id, document),
            Self::MarkStarted(id) => mark_started(environment, txn, id),
            Self::NoteRunning(id, document) => note_running(environment, txn, id, document),
            Self::PutActivation(row) => put_activation(environment, txn, row),
            Self::Forget(id) => forget(environment, txn, id),
            Self::PutKey(key) => key_records::put(environment, txn, key),
            Self::ChangeKey(namespace, change) => {
                key_records::change(environment, txn, namespace, change)
            }
            Self::DeleteKey(namespace) => key_records::delete(environment, txn, namespace),
        }
    }
}

/// About how many bytes an entity takes beside its document and code.
const PLACE: usize = 512;

fn bytes_of(write: &EntityWrite) -> usize {
    let code = match &write.code {
        CodeChange::Set(code) => code.len(),
        CodeChange::Keep | CodeChange::Remove => 0,
    };
    write.document.len() + code
}

fn header_of(
    environment: &Environment,
    txn: &RwTxn<'_>,
    key: &[u8],
) -> Result<Option<EntityHeader>, heed::Error> {
    let record = environment.entities.get(txn, key)?;
    Ok(record
        .and_then(EntityHeader::split)
        .map(|(header, _)| header))
}

fn put_entity(
    environment: &Environment,
    txn: &mut RwTxn<'_>,
    write: &EntityWrite,
    revision: u64,
) -> Result<Done, heed::Error> {
    if let Err(refusal) = expected(environment, txn, &write.path, write.expect)? {
        return Ok(Err(refusal));
    }
    write_entity(environment, txn, write, revision)?;
    Ok(Ok(revision))
}

fn delete_entity(
    environment: &Environment,
    txn: &mut RwTxn<'_>,
    path: &str,
    revision: u64,
) -> Result<Done, heed::Error> {
    if let Err(refusal) = expected(environment, txn, path, Expect::Revision(revision))? {
        return Ok(Err(refusal));
    }
    remove_entity(environment, txn, path)?;
    Ok(Ok(revision))
}

/// Everything is looked at before anything is written, so a refusal leaves all as it was. No path
/// is in the list twice.
fn changes(
    environment: &Environment,
    txn: &mut RwTxn<'_>,
    changes: &[Change],
    revision: u64,
) -> Result<Done, heed::Error> {
    for change in changes {
        let allowed = match change {
            Change::Put(write) => expected(environment, txn, &write.path, write.expect)?,
            Change::Delete { path, revision } | Change::Stays { path, revision } => {
                expected(environment, txn, path, Expect::Revision(*revision))?
            }
            Change::Emptied { path } => emptied(environment, txn, path, changes)?,
        };
        if let Err(refusal) = allowed {
            return Ok(Err(refusal));
        }
    }
    for change in changes {
        match change {
            Change::Put(write) => write_entity(environment, txn, write, revision)?,
            Change::Delete { path, .. } => remove_entity(environment, txn, path)?,
            Change::Stays { .. } | Change::Emptied { .. } => {}
        }
    }
    Ok(Ok(revision))
}

/// Whether the removals among these changes leave nothing in a package. That what they remove is
/// there is checked for each of them, so it is enough to count.
fn emptied(
    environment: &Environment,
    txn: &RwTxn<'_>,
    package: &str,
    changes: &[Change],
) -> Result<Result<(), StoreError>, heed::Error> {
    let inside = |path: &str| {
        path.rsplit_once('/')
            .is_some_and(|(place, _)| place == package)
    };
    let removed = changes
        .iter()
        .filter(|change| matches!(change, Change::Delete { path, .. } if inside(path)));
    let prefix = entity_list_prefix(EntityList::Package(package));
    let mut listed = 0;
    for entry in environment.entity_list.prefix_iter(txn, &prefix)? {
        entry?;
        listed += 1;
    }
    Ok(if listed == removed.count() {
        Ok(())
    } else {
        Err(StoreError::Changed)
    })
}

/// Whether what is at a path is what a write expects there.
fn expected(
    environment: &Environment,
    txn: &RwTxn<'_>,
    path: &str,
    expect: Expect,
) -> Result<Result<(), StoreError>, heed::Error> {
    let old = header_of(environment, txn, &path_key(path))?;
    Ok(match (expect, old) {
        (Expect::Absent, None) => Ok(()),
        (Expect::Absent, Some(_)) => Err(StoreError::Exists),
        (Expect::Revision(expected), Some(old)) if old.revision == expected => Ok(()),
        (Expect::Revision(_), _) => Err(StoreError::Changed),
    })
}

fn write_entity(
    environment: &Environment,
    txn: &mut RwTxn<'_>,
    write: &EntityWrite,
    revision: u64,
) -> Result<(), heed::Error> {
    let key = path_key(&write.path);
    unlist(environment, txn, &write.path, &key)?;
    let header = EntityHeader {
        collection: write.collection,
        revision,
        updated: write.updated,
    };
    for list_key in entity_list_keys(&write.path, write.collection, write.updated) {
        environment.entity_list.put(txn, &list_key, &key)?;
    }
    environment
        .entities
        .put(txn, &key, &header.record(&write.document))?;
    match &write.code {
        CodeChange::Keep => {}
        CodeChange::Remove => {
            environment.code.delete(txn, &key)?;
        }
        CodeChange::Set(code) => environment.code.put(txn, &key, code)?,
    }
    Ok(())
}

fn remove_entity(
    environment: &Environment,
    txn: &mut RwTxn<'_>,
    path: &str,
) -> Result<(), heed::Error> {
    let key = path_key(path);
    unlist(environment, txn, path, &key)?;
    environment.entities.delete(txn, &key)?;
    environment.code.delete(txn, &key)?;
    Ok(())
}

/// Takes what is at a path, if anything is, off the lists that it is in.
fn unlist(
    environment: &Environment,
    txn: &mut RwTxn<'_>,
    path: &str,
    key: &[u8],
) -> Result<(), heed::Error> {
    if let Some(old) = header_of(environment, txn, key)? {
        for list_key in entity_list_keys(path, old.collection, old.updated) {
            environment.entity_list.delete(txn, &list_key)?;
        }
    }
    Ok(())
}

fn accept(
    environment: &Environment,
    txn: &mut RwTxn<'_>,
    id: &ActivationId,
    document: &[u8],
) -> Result<Done, heed::Error> {
    // One that has ended already (its end did not wait for room in the queue) is not pending.
    if environment.ids.get(txn, id.as_bytes())?.is_none() {
        environment.pending.put(txn, &pending_key(id), document)?;
    }
    Ok(Ok(0))
}

fn mark_started(
    environment: &Environment,
    txn: &mut RwTxn<'_>,
    id: &ActivationId,
) -> Result<Done, heed::Error> {
    if environment.pending.get(txn, &pending_key(id))?.is_some() {
        environment.pending.put(txn, &started_key(id), &[])?;
    }
    Ok(Ok(0))
}

fn note_running(
    environment: &Environment,
    txn: &mut RwTxn<'_>,
    id: &ActivationId,
    document: &[u8],
) -> Result<Done, heed::Error> {
    let noted = accept(environment, txn, id, document)?;
    Ok(noted.and(mark_started(environment, txn, id)?))
}

fn put_activation(
    environment: &Environment,
    txn: &mut RwTxn<'_>,
    row: &ActivationRow,
) -> Result<Done, heed::Error> {
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
) -> Result<Done, heed::Error> {
    environment.pending.delete(txn, &pending_key(id))?;
    environment.pending.delete(txn, &started_key(id))?;
    Ok(Ok(0))
}
