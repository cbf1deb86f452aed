//! Keys that a master has accepted: sealed like those made here, found by uuid or by namespace.

use std::future::Future;
use std::sync::Arc;

use super::Store;
use super::environment::AnyTxn;
use super::error::StoreError;
use super::key_records::{self, KeyRecord, MAX_UUID};
use super::key_ring::KeyEntry;
use super::learned_records::{Record, all, by_uuid, in_index, last_of, of_uuid};
use super::types::Change;
use crate::entity::{Identity, Secret};

/// Keys that are kept. The one that was accepted longest ago makes way for another.
const MOST: usize = 4096;

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
                text: record.record(),
            },
            Change::Note {
                key: in_index(namespace, uuid),
                text: Vec::new(),
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
        self.inner.keys.same(one, other)
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

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;
    use std::path::Path;

    use super::*;
    use crate::entity::{GUEST_KEY, GUEST_UUID, NamespaceLimits};
    use crate::store::{NoteKind, Options};
    use smol::block_on;

    /// A store in which only the keys of a master count.
    fn open(dir: &Path) -> Store {
        let options = Options {
            keys_of_master: true,
            ..Options::with_map_size(16 << 20)
        };
        Store::open(dir, options).unwrap()
    }

    fn secret(letter: char) -> Secret {
        Secret::new(letter.to_string().repeat(64))
    }

    fn learn(store: &Store, namespace: &str, uuid: &str, letter: char, at: u64) {
        block_on(store.learn_key(namespace, uuid, &secret(letter), at)).unwrap();
    }

    /// What is known under a uuid: namespace, first letter of the key, time.
    fn known(store: &Store, uuid: &str) -> Option<(String, char, u64)> {
        let key = store.learned_key(uuid).unwrap()?;
        let letter = key.identity.key.expose().chars().next().unwrap();
        assert_eq!(key.identity.uuid, uuid);
        assert_eq!(key.identity.subject, key.identity.namespace);
        Some((key.identity.namespace.clone(), letter, key.accepted_at))
    }

    #[test]
    fn learned_replaced_and_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        learn(&store, "a", "uuid-1", 'k', 7);
        assert_eq!(known(&store, "uuid-1"), Some(("a".into(), 'k', 7)));
        learn(&store, "a", "uuid-1", 'l', 8);
        assert_eq!(known(&store, "uuid-1"), Some(("a".into(), 'l', 8)));
        assert_eq!(known(&store, "uuid-"), None);
        assert_eq!(known(&store, ""), None);
        drop(store);
        let store = open(dir.path());
        assert_eq!(known(&store, "uuid-1"), Some(("a".into(), 'l', 8)));
        block_on(store.forget_key("uuid-1")).unwrap();
        assert_eq!(known(&store, "uuid-1"), None);
        assert!(store.learned_key_of("a").unwrap().is_none());
        block_on(store.forget_key("uuid-1")).unwrap();
        let long = "u".repeat(129);
        assert!(block_on(store.learn_key("a", &long, &secret('k'), 1)).is_err());
    }

    #[test]
    fn a_namespace_has_the_key_that_was_accepted_last() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        learn(&store, "a", "uuid-1", 'k', 7);
        learn(&store, "a", "uuid-2", 'l', 9);
        learn(&store, "a", "uuid-3", 'm', 8);
        // Another namespace whose name begins alike.
        learn(&store, "a b", "uuid-4", 'n', 10);
        let of = |namespace: &str| {
            let key = store.key_of_namespace(namespace).unwrap();
            key.map(|identity| identity.uuid.clone())
        };
        assert_eq!(of("a").as_deref(), Some("uuid-2"));
        assert_eq!(of("a b").as_deref(), Some("uuid-4"));
        assert_eq!(of("b"), None);
        block_on(store.forget_key("uuid-2")).unwrap();
        assert_eq!(of("a").as_deref(), Some("uuid-3"));
        // A key may come to be that of another namespace.
        learn(&store, "c", "uuid-3", 'm', 11);
        assert_eq!(of("a").as_deref(), Some("uuid-1"));
        assert_eq!(of("c").as_deref(), Some("uuid-3"));
        let all = store.learned_keys().unwrap();
        let all: Vec<_> = all.iter().map(|key| &*key.identity.uuid).collect();
        assert_eq!(all, ["uuid-1", "uuid-4", "uuid-3"]);
        // What another process has forgotten meanwhile may stay in an index.
        let stale = Change::Note {
            key: in_index("b", "uuid-4"),
            text: Vec::new(),
        };
        block_on(store.write_all(vec![stale])).unwrap();
        assert_eq!(of("b"), None);
    }

    #[test]
    fn nothing_is_left_of_what_is_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        learn(&store, "a", "uuid-1", 'k', 7);
        learn(&store, "b", "uuid-1", 'k', 8);
        block_on(store.forget_key("uuid-1")).unwrap();
        let mut left = 0;
        let visit = &mut |_, _: &[u8]| {
            left += 1;
            ControlFlow::Continue(())
        };
        store.visit_notes(NoteKind::Key, &[], None, visit).unwrap();
        assert_eq!(left, 0);
    }

    #[test]
    fn keys_made_here_only_give_limits() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        assert!(store.key_of_namespace("guest").unwrap().is_none());
        assert!(store.authenticate(GUEST_UUID, GUEST_KEY).unwrap().is_none());
        learn(&store, "guest", "uuid-1", 'k', 1);
        let entry = || store.key_entry("guest").unwrap().unwrap();
        assert_eq!(entry().identity.uuid, "uuid-1");
        assert_eq!(entry().identity.limits.fires_per_minute, None);
        let limits = NamespaceLimits {
            fires_per_minute: Some(7),
            ..NamespaceLimits::default()
        };
        block_on(store.set_limits("guest", &limits)).unwrap();
        assert_eq!(entry().identity.limits.fires_per_minute, Some(7));
        block_on(store.block_key("guest", true)).unwrap();
        assert!(entry().blocked);
        assert!(store.key_of_namespace("guest").unwrap().is_none());
        let key = secret('k');
        assert!(
            store
                .authenticate("uuid-1", key.expose())
                .unwrap()
                .is_none()
        );
        assert_eq!(store.keys().unwrap().len(), 1, "learned ones are apart");
    }

    #[test]
    fn without_a_master_they_open_nothing() {
        let dir = tempfile::tempdir().unwrap();
        learn(&open(dir.path()), "a", "uuid-1", 'k', 1);
        let store = Store::open(dir.path(), Options::with_map_size(1 << 20)).unwrap();
        assert!(store.key_of_namespace("a").unwrap().is_none());
        let key = secret('k');
        assert!(
            store
                .authenticate("uuid-1", key.expose())
                .unwrap()
                .is_none()
        );
        assert!(store.authenticate(GUEST_UUID, GUEST_KEY).unwrap().is_some());
    }

    #[test]
    fn the_longest_not_accepted_makes_way() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        learn(&store, "a", "uuid-a", 'k', 8);
        learn(&store, "a", "uuid-b", 'k', 7);
        let sealed = store.inner.keys.seal("c", "uuid-c", &secret('k')).unwrap();
        let record = Record {
            accepted_at: 9,
            namespace: "c",
            sealed: &sealed.sealed,
        };
        let others = (2..MOST).map(|number| Change::Note {
            key: by_uuid(&format!("uuid-c{number}")),
            text: record.record(),
        });
        block_on(store.write_all(others.collect())).unwrap();
        // One that is known takes no room.
        learn(&store, "a", "uuid-a", 'k', 8);
        assert!(known(&store, "uuid-b").is_some());
        learn(&store, "a", "uuid-d", 'k', 10);
        assert_eq!(known(&store, "uuid-b"), None);
        assert!(known(&store, "uuid-a").is_some() && known(&store, "uuid-d").is_some());
    }

    #[test]
    fn no_key_is_in_the_files_in_the_clear() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        learn(&store, "a", "uuid-a", 'k', 1);
        drop(store);
        let data = std::fs::read(dir.path().join("data.mdb")).unwrap();
        let clear = |text: &[u8]| data.windows(text.len()).any(|part| part == text);
        assert!(clear(b"uuid-a"), "the test looks in the wrong place");
        assert!(!clear(secret('k').expose().as_bytes()));
    }
}
