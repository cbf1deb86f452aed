//! Keys that a master has accepted: sealed like those made here, found by uuid or by namespace.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;

use super::Store;
use super::environment::AnyTxn;
use super::error::StoreError;
use super::key_records::{self, KeyRecord, MAX_UUID};
use super::key_ring::{self, KeyEntry};
use super::learned_records::{Record, all, by_uuid, in_index, last_of, of_uuid};
use super::types::Change;
use crate::entity::{Identity, Secret};

/// Keys that are kept. The one that was accepted longest ago makes way for another.
pub(super) const MOST: usize = 4096;

/// A key that a master has accepted.
#[derive(Clone, Debug)]
pub struct LearnedKey {
    /// Who has it. The limits are those that were set here for its namespace.
    pub identity: Arc<Identity>,
    /// Whether its namespace is blocked here.
    pub blocked: bool,
    /// When it was last accepted, as far as that was kept: milliseconds since 1970.
    pub accepted_at: u64,
}

impl LearnedKey {
    /// The key, as that of its namespace.
    pub(super) fn into_entry(self) -> KeyEntry {
        KeyEntry {
            identity: self.identity,
            blocked: self.blocked,
        }
    }
}

impl Store {
    /// Keeps a key that a master has accepted at a time (milliseconds since 1970) as that of a
    /// namespace, in place of an earlier one with the same uuid. Done when it is durable.
    ///
    /// # Errors
    /// [`StoreError::Failed`] if the uuid or the key is too long; [`StoreError::Full`].
    pub fn learn_key(
        &self,
        namespace: &str,
        uuid: &str,
        key: &Secret,
        accepted_at: u64,
    ) -> impl Future<Output = Result<(), StoreError>> + Send + 'static + use<> {
        let changes = self.learning(namespace, uuid, key, accepted_at);
        let written = changes.map(|changes| self.write_all(changes));
        async move { written?.await.map(drop) }
    }

    fn learning(
        &self,
        namespace: &str,
        uuid: &str,
        key: &Secret,
        accepted_at: u64,
    ) -> Result<Vec<Change>, StoreError> {
        let sealed = self.inner.keys.seal(namespace, uuid, key)?.sealed;
        let record = Record {
            accepted_at,
            namespace,
            sealed: &sealed,
        };
        let mut changes = vec![
            Change::Note {
                key: by_uuid(uuid),
                text: record.record().into(),
            },
            Change::Note {
                key: in_index(namespace, uuid),
                text: Bytes::new(),
            },
        ];
        let environment = &self.inner.environment;
        let txn = environment.read()?;
        match of_uuid(environment, &txn, uuid)? {
            Some(before) if before.namespace != namespace => changes.push(Change::Unnote {
                key: in_index(before.namespace, uuid),
            }),
            Some(_) => {}
            None => {
                let known = all(environment, &txn)?;
                let oldest = known.iter().min_by_key(|(_, record)| record.accepted_at);
                if let Some((uuid, record)) = oldest.filter(|_| known.len() >= MOST) {
                    changes.extend(unlearning(record.namespace, uuid));
                }
            }
        }
        Ok(changes)
    }

    /// Forgets a key that a master has accepted, if it is known. Done when that is durable.
    pub fn forget_key(
        &self,
        uuid: &str,
    ) -> impl Future<Output = Result<(), StoreError>> + Send + 'static + use<> {
        let namespace = self.inner.environment.read().map_err(StoreError::from);
        let namespace = namespace.and_then(|txn| {
            let record = of_uuid(&self.inner.environment, &txn, uuid)?;
            Ok(record.map(|record| record.namespace.to_owned()))
        });
        let changes = namespace.map(|namespace| match namespace {
            Some(namespace) => unlearning(&namespace, uuid).into(),
            None => vec![Change::Unnote { key: by_uuid(uuid) }],
        });
        let written = changes.map(|changes| self.write_all(changes));
        async move { written?.await.map(drop) }
    }

    /// The key that a master has accepted under a uuid. Sees changes by other processes at once.
    pub fn learned_key(&self, uuid: &str) -> Result<Option<LearnedKey>, StoreError> {
        if uuid.is_empty() || uuid.len() > MAX_UUID {
            return Ok(None);
        }
        let environment = &self.inner.environment;
        let txn = environment.read()?;
        match of_uuid(environment, &txn, uuid)? {
            Some(record) => self.opened(&txn, uuid, record).map(Some),
            None => Ok(None),
        }
    }

    /// The key of a namespace that a master has accepted last.
    pub fn learned_key_of(&self, namespace: &str) -> Result<Option<LearnedKey>, StoreError> {
        let environment = &self.inner.environment;
        let txn = environment.read()?;
        match last_of(environment, &txn, namespace)? {
            Some((uuid, record)) => self.opened(&txn, uuid, record).map(Some),
            None => Ok(None),
        }
    }

    /// Each key that a master has accepted, by namespace and uuid.
    pub fn learned_keys(&self) -> Result<Vec<LearnedKey>, StoreError> {
        let environment = &self.inner.environment;
        let txn = environment.read()?;
        let mut keys = all(environment, &txn)?;
        keys.sort_by_key(|(_, record)| record.namespace);
        keys.into_iter()
            .map(|(uuid, record)| self.opened(&txn, uuid, record))
            .collect()
    }

    /// Opens a key, and looks up what was set here for its namespace.
    fn opened(
        &self,
        txn: &AnyTxn,
        uuid: &str,
        record: Record<'_>,
    ) -> Result<LearnedKey, StoreError> {
        let local = key_records::of_namespace(&self.inner.environment, txn, record.namespace)?;
        let blocked = local.is_some_and(|local| local.blocked);
        let key = KeyRecord {
            uuid,
            sealed: record.sealed,
            blocked,
            limits: local.map_or(&[], |local| local.limits),
        };
        Ok(LearnedKey {
            identity: self.inner.keys.identity(record.namespace, key)?,
            blocked,
            accepted_at: record.accepted_at,
        })
    }

    /// Whether two keys are the same, in a time that does not depend on where they differ.
    pub fn is_same_key(&self, one: &str, other: &str) -> bool {
        key_ring::same(one, other)
    }
}

fn unlearning(namespace: &str, uuid: &str) -> [Change; 2] {
    [
        Change::Unnote { key: by_uuid(uuid) },
        Change::Unnote {
            key: in_index(namespace, uuid),
        },
    ]
}
