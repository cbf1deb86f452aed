//! What writes of entities do to the databases. What is expected is looked at before anything is
//! written, so a refusal leaves all as it was.

use heed::RwTxn;

use super::environment::Environment;
use super::error::StoreError;
use super::layout::{EntityHeader, entity_list_keys, entity_list_prefix, path_key};
use super::operation::{Done, is_taken, put_activation};
use super::parts;
use super::types::{Change, CodeChange, EntityList, EntityWrite, Expect};
use crate::entity::names;

/// About how many bytes an entry takes beside its document and code.
pub(super) const PLACE: usize = 512;

/// Bytes of a document and its code.
pub(super) fn bytes_of(write: &EntityWrite) -> usize {
    let code = match &write.code {
        CodeChange::Set(code) => code.len(),
        CodeChange::Keep | CodeChange::Remove => 0,
    };
    write.document.len() + code
}

/// About how many bytes changes hold and add.
pub(super) fn bytes_of_all(changes: &[Change]) -> usize {
    let bytes = changes.iter().map(|change| match change {
        Change::Put(write) => bytes_of(write) + PLACE,
        Change::Note { text, .. } => text.len() + PLACE,
        Change::Activation { row, .. } => row.head.len() + row.tail.len() + PLACE,
        Change::Delete { .. } | Change::Drop { .. } | Change::Unnote { .. } => PLACE,
        Change::Stays { .. } | Change::Emptied { .. } | Change::Noted { .. } => 0,
    });
    bytes.sum()
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

/// Writes an entity.
pub(super) fn put(
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

/// Removes an entity.
pub(super) fn delete(
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

/// Makes several changes. No path is in the list twice.
pub(super) fn all(
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
            Change::Noted { key, text } => {
                let says = environment.notes.get(txn, &key.0)?;
                if says == text.as_deref() {
                    Ok(())
                } else {
                    Err(StoreError::Changed)
                }
            }
            Change::Activation { row, new: true } if is_taken(environment, txn, &row.id)? => {
                Err(StoreError::Exists)
            }
            Change::Drop { .. }
            | Change::Note { .. }
            | Change::Unnote { .. }
            | Change::Activation { .. } => Ok(()),
        };
        if let Err(refusal) = allowed {
            return Ok(Err(refusal));
        }
    }
    for change in changes {
        match change {
            Change::Put(write) => write_entity(environment, txn, write, revision)?,
            Change::Delete { path, .. } | Change::Drop { path } => {
                remove_entity(environment, txn, path)?;
            }
            Change::Note { key, text } => environment.notes.put(txn, &key.0, text)?,
            Change::Unnote { key } => {
                environment.notes.delete(txn, &key.0)?;
            }
            Change::Activation { row, .. } => put_activation(environment, txn, row)?,
            Change::Stays { .. } | Change::Emptied { .. } | Change::Noted { .. } => {}
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
    let inside = |path: &str| names::place_and_name(path).0 == package;
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
        (Expect::Absent, None) | (Expect::Any, _) => Ok(()),
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
        CodeChange::Remove => parts::delete(environment.code, txn, &key)?,
        CodeChange::Set(code) => parts::put(environment.code, txn, &key, code)?,
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
    parts::delete(environment.code, txn, &key)
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
