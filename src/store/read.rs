//! Reading. Nothing here waits for a writer.

use std::ops::{Bound, ControlFlow};
use std::sync::atomic::Ordering;

use super::Store;
use super::environment::{AnyTxn, Environment};
use super::error::StoreError;
use super::layout::{
    EntityHeader, HeadHeader, ListKey, TimeKey, entity_list_prefix, list_range, name_group,
    namespace_group, path_key, pending_key, start_of, time_key, time_of_list_key,
};
use super::parts;
use super::retention::Usage;
use super::types::{ActivationFilter, Collection, EntityList, Progress, Stored};
use crate::entity::ActivationId;

/// What [`Store::pending`] gives for each activation: id, progress, document.
pub type Pending = (ActivationId, Progress, Vec<u8>);

/// Head and tail of an activation.
pub type Halves = (Vec<u8>, Vec<u8>);

/// Head, and if it was asked for tail, of an activation in a list.
pub type Listed = (Vec<u8>, Option<Vec<u8>>);

impl Store {
    /// The entity of a path.
    pub fn entity(&self, path: &str) -> Result<Option<Stored>, StoreError> {
        let environment = self.environment();
        let txn = environment.read()?;
        let record = environment.entities.get(&txn, &path_key(path))?;
        environment.looked_at(1, record.map_or(0, <[u8]>::len));
        record.map(stored).transpose()
    }

    /// Commits of this process so far that may have changed an action or a package: what was read
    /// at an earlier number may be outdated.
    pub fn catalogue_changes(&self) -> u64 {
        let changes = &self.environment().catalogue_changes;
        changes.load(Ordering::Acquire)
    }

    /// The code of an entity.
    pub fn code(&self, path: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let environment = self.environment();
        let txn = environment.read()?;
        let code = parts::get(environment.code, &txn, &path_key(path))?;
        environment.looked_at(1, code.as_ref().map_or(0, Vec::len));
        Ok(code)
    }

    /// Shows the entities of a list to `visit`, one after another, until it breaks. Costs the depth
    /// of the index and what is shown, whatever else is stored; `skip` costs its length.
    pub fn visit_entities(
        &self,
        list: EntityList<'_>,
        skip: usize,
        visit: &mut dyn FnMut(Stored) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let environment = self.environment();
        let txn = environment.read()?;
        let prefix = entity_list_prefix(list);
        let entries = environment.entity_list.rev_prefix_iter(&txn, &prefix)?;
        for entry in entries.skip(skip) {
            let (_, key) = entry?;
            let record = environment.entities.get(&txn, key)?.ok_or_else(damaged)?;
            environment.looked_at(1, record.len());
            if visit(stored(record)?).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Shows the entities of a collection in all namespaces to `visit`, in the order of their paths.
    /// Costs a look at each entity that there is.
    pub fn visit_everywhere(
        &self,
        collection: Collection,
        visit: &mut dyn FnMut(Stored),
    ) -> Result<(), StoreError> {
        let environment = self.environment();
        let txn = environment.read()?;
        for entry in environment.entities.iter(&txn)? {
            let (_, record) = entry?;
            environment.looked_at(1, record.len());
            let stored = stored(record)?;
            if stored.collection == collection {
                visit(stored);
            }
        }
        Ok(())
    }

    /// How many entities a list has. Costs a step per entity.
    pub fn count_entities(&self, list: EntityList<'_>) -> Result<u64, StoreError> {
        let environment = self.environment();
        let txn = environment.read()?;
        let prefix = entity_list_prefix(list);
        count(
            environment,
            environment.entity_list.prefix_iter(&txn, &prefix)?,
        )
    }

    /// The activations that were accepted and have not ended.
    pub fn pending(&self) -> Result<Vec<Pending>, StoreError> {
        let environment = self.environment();
        let txn = environment.read()?;
        let mut pending: Vec<Pending> = Vec::new();
        for entry in environment.pending.iter(&txn)? {
            let (key, document) = entry?;
            let Some((id, mark)) = key.split_first_chunk() else {
                return Err(damaged());
            };
            match (mark, pending.last_mut()) {
                ([0], _) => {
                    let id = ActivationId::from_bytes(*id);
                    pending.push((id, Progress::Accepted, document.to_vec()));
                }
                (_, Some(last)) if last.0.as_bytes() == id => last.1 = Progress::Started,
                _ => {}
            }
        }
        Ok(pending)
    }

    /// The document of an activation that was accepted and has not ended.
    pub fn pending_document(&self, id: ActivationId) -> Result<Option<Vec<u8>>, StoreError> {
        let environment = self.environment();
        let txn = environment.read()?;
        let document = environment.pending.get(&txn, &pending_key(&id))?;
        environment.looked_at(1, document.map_or(0, <[u8]>::len));
        Ok(document.map(<[u8]>::to_vec))
    }

    /// Whether there is an activation that has ended, of whatever namespace.
    pub fn has_ended(&self, id: ActivationId) -> Result<bool, StoreError> {
        let environment = self.environment();
        let txn = environment.read()?;
        environment.looked_at(1, 0);
        Ok(environment.ids.get(&txn, id.as_bytes())?.is_some())
    }

    /// Whether there is an activation of a namespace: one that has ended, or that was accepted and
    /// has not.
    pub fn knows_activation(&self, namespace: &str, id: ActivationId) -> Result<bool, StoreError> {
        let environment = self.environment();
        let txn = environment.read()?;
        environment.looked_at(1, 0);
        Ok(located(environment, &txn, namespace, id)?.is_some()
            || environment.pending.get(&txn, &pending_key(&id))?.is_some())
    }

    /// Head and tail of an activation of a namespace.
    pub fn activation(
        &self,
        namespace: &str,
        id: ActivationId,
    ) -> Result<Option<Halves>, StoreError> {
        let environment = self.environment();
        let txn = environment.read()?;
        let Some((key, head)) = located(environment, &txn, namespace, id)? else {
            return Ok(None);
        };
        let tail = environment.tails.get(&txn, &key)?.ok_or_else(damaged)?;
        environment.looked_at(3, tail.len());
        Ok(Some((head.to_vec(), tail.to_vec())))
    }

    /// Heads, and if asked for tails, of the activations of a namespace, the last started first.
    /// Costs the depth of the index and the page, whatever else is stored; `skip` costs its length.
    pub fn activations(
        &self,
        namespace: &str,
        filter: &ActivationFilter,
        skip: usize,
        limit: usize,
        with_tail: bool,
    ) -> Result<Vec<Listed>, StoreError> {
        let environment = self.environment();
        let txn = environment.read()?;
        let mut activations = Vec::new();
        let Some(range) = filter_range(namespace, filter) else {
            return Ok(activations);
        };
        let list = environment.lists.rev_range(&txn, &bounds(&range))?;
        for entry in list.skip(skip).take(limit) {
            let (key, _) = entry?;
            let key = time_of_list_key(key).ok_or_else(damaged)?;
            let (_, head) = head_at(environment, &txn, key)?;
            let tail = match with_tail {
                true => Some(environment.tails.get(&txn, key)?.ok_or_else(damaged)?),
                false => None,
            };
            environment.looked_at(1, head.len() + tail.map_or(0, <[u8]>::len));
            activations.push((head.to_vec(), tail.map(<[u8]>::to_vec)));
        }
        Ok(activations)
    }

    /// How many activations of a namespace pass the filter. Costs a step per activation.
    pub fn count_activations(
        &self,
        namespace: &str,
        filter: &ActivationFilter,
    ) -> Result<u64, StoreError> {
        let environment = self.environment();
        let txn = environment.read()?;
        match filter_range(namespace, filter) {
            Some(range) => count(environment, environment.lists.range(&txn, &bounds(&range))?),
            None => Ok(0),
        }
    }

    /// How much is stored.
    pub fn usage(&self) -> Result<Usage, StoreError> {
        let environment = self.environment();
        let txn = environment.read()?;
        Ok(environment.usage(&txn)?)
    }

    /// What the store holds and has done.
    pub fn figures(&self) -> Result<Figures, StoreError> {
        let environment = self.environment();
        let txn = environment.read()?;
        let mut pending = 0;
        for entry in environment.pending.iter(&txn)? {
            let (key, _) = entry?;
            // Without the marks of those that have started.
            pending += u64::from(key.last() == Some(&0));
        }
        Ok(Figures {
            usage: environment.usage(&txn)?,
            commits: environment.commits(),
            pending,
        })
    }
}

/// What a store holds and has done.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    /// How much is stored.
    pub usage: Usage,
    /// Commits since the store was made.
    pub commits: u64,
    /// Activations that were accepted or noted and have not ended.
    pub pending: u64,
}

/// First and last key of the list that the filter names; none if no time is in it.
fn filter_range(namespace: &str, filter: &ActivationFilter) -> Option<(ListKey, ListKey)> {
    let group = match &filter.name {
        Some(name) => name_group(namespace, name),
        None => namespace_group(namespace),
    };
    let (since, upto) = (filter.since.unwrap_or(0), filter.upto.unwrap_or(u64::MAX));
    (since <= upto).then(|| list_range(&group, since, upto))
}

fn bounds(range: &(ListKey, ListKey)) -> (Bound<&[u8]>, Bound<&[u8]>) {
    (Bound::Included(&range.0), Bound::Included(&range.1))
}

fn count<T>(
    environment: &Environment,
    entries: impl Iterator<Item = Result<T, heed::Error>>,
) -> Result<u64, StoreError> {
    let mut number = 0;
    for entry in entries {
        entry?;
        number += 1;
    }
    environment.looked_at(1, number * size_of::<ListKey>());
    Ok(number as u64)
}

/// Key and head of an activation of a namespace.
fn located<'t>(
    environment: &Environment,
    txn: &'t AnyTxn,
    namespace: &str,
    id: ActivationId,
) -> Result<Option<(TimeKey, &'t [u8])>, StoreError> {
    let start = environment.ids.get(txn, id.as_bytes())?;
    let Some(start) = start.and_then(start_of) else {
        return Ok(None);
    };
    let key = time_key(start, &id);
    let (header, head) = head_at(environment, txn, &key)?;
    Ok((header.namespace == namespace_group(namespace)).then_some((key, head)))
}

fn head_at<'t>(
    environment: &Environment,
    txn: &'t AnyTxn,
    key: &TimeKey,
) -> Result<(HeadHeader, &'t [u8]), StoreError> {
    let record = environment.heads.get(txn, key)?;
    record.and_then(HeadHeader::split).ok_or_else(damaged)
}

fn stored(record: &[u8]) -> Result<Stored, StoreError> {
    let (header, document) = EntityHeader::split(record).ok_or_else(damaged)?;
    Ok(Stored {
        collection: header.collection,
        document: document.to_vec(),
        revision: header.revision,
    })
}

fn damaged() -> StoreError {
    StoreError::Failed(
        "the store is damaged: an index names a record that is not there: restore data.mdb from a \
         backup, or use another data directory"
            .to_owned(),
    )
}
