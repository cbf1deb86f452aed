//! Namespaces and their keys (reference sections 1.2 and 10).

use std::future::Future;
use std::sync::Arc;

use super::Store;
use super::error::StoreError;
use super::key_records::{self, KeyChange, MAX_UUID};
use super::key_ring::{KeyEntry, same};
use super::learned_keys::LearnedKey;
use super::operation::Operation;
use crate::entity::{Identity, NamespaceLimits, Secret};

impl Store {
    /// Gives a namespace its uuid and key. Done when it is durable.
    ///
    /// # Errors
    /// [`StoreError::Exists`] if the namespace has a key, or the uuid belongs to another one.
    pub fn put_key(
        &self,
        namespace: &str,
        uuid: &str,
        key: &Secret,
    ) -> impl Future<Output = Result<(), StoreError>> + Send + 'static + use<> {
        let key = self.inner.keys.seal(namespace, uuid, key);
        let written = key.map(|key| self.submit(Operation::PutKey(key)));
        async move { written?.await.map(drop) }
    }

    /// Removes the key of a namespace; what is in the namespace stays. Done when it is durable.
    ///
    /// # Errors
    /// [`StoreError::Changed`] if it has none.
    pub fn delete_key(
        &self,
        namespace: &str,
    ) -> impl Future<Output = Result<(), StoreError>> + Send + 'static + use<> {
        let written = self.submit(Operation::DeleteKey(namespace.to_owned()));
        async move { written.await.map(drop) }
    }

    /// Blocks the key of a namespace, or lets it open again. Done when it is durable.
    ///
    /// # Errors
    /// [`StoreError::Changed`] if it has none.
    pub fn block_key(
        &self,
        namespace: &str,
        blocked: bool,
    ) -> impl Future<Output = Result<(), StoreError>> + Send + 'static + use<> {
        self.change_key(namespace, KeyChange::Blocked(blocked))
    }

    /// Sets the limits of a namespace, in place of those that it had. Done when it is durable.
    ///
    /// # Errors
    /// [`StoreError::Changed`] if it has no key.
    pub fn set_limits(
        &self,
        namespace: &str,
        limits: &NamespaceLimits,
    ) -> impl Future<Output = Result<(), StoreError>> + Send + 'static + use<> {
        let limits = match limits {
            none if *none == NamespaceLimits::default() => Vec::new(),
            set => serde_json::to_vec(set).expect("numbers and texts are always valid JSON"),
        };
        self.change_key(namespace, KeyChange::Limits(limits))
    }

    /// Keeps limits that may be unreadable.
    #[cfg(test)]
    pub(crate) fn set_raw_limits(
        &self,
        namespace: &str,
        limits: &[u8],
    ) -> impl Future<Output = Result<(), StoreError>> + Send + 'static + use<> {
        self.change_key(namespace, KeyChange::Limits(limits.to_vec()))
    }

    fn change_key(
        &self,
        namespace: &str,
        change: KeyChange,
    ) -> impl Future<Output = Result<(), StoreError>> + Send + 'static + use<> {
        let written = self.submit(Operation::ChangeKey(namespace.to_owned(), change));
        async move { written.await.map(drop) }
    }

    /// Namespace, uuid and whether it is blocked, of each key in the order of the namespaces.
    pub fn keys(&self) -> Result<Vec<(String, String, bool)>, StoreError> {
        let txn = self.inner.environment.read()?;
        let keys = key_records::list(&self.inner.environment, &txn)?;
        Ok(keys
            .into_iter()
            .map(|(namespace, key)| (namespace.to_owned(), key.uuid.to_owned(), key.blocked))
            .collect())
    }

    /// The key of a namespace, blocked or not; of several that a master has accepted, the one that
    /// it has accepted last.
    pub fn key_entry(&self, namespace: &str) -> Result<Option<KeyEntry>, StoreError> {
        if self.inner.keys_of_master {
            let learned = self.learned_key_of(namespace)?;
            return Ok(learned.map(LearnedKey::into_entry));
        }
        let environment = &self.inner.environment;
        let txn = environment.read()?;
        let Some(record) = key_records::of_namespace(environment, &txn, namespace)? else {
            return Ok(None);
        };
        Ok(Some(KeyEntry {
            identity: self.inner.keys.identity(namespace, record)?,
            blocked: record.blocked,
        }))
    }

    /// The key of a namespace, unless it is blocked.
    pub fn key_of_namespace(&self, namespace: &str) -> Result<Option<Arc<Identity>>, StoreError> {
        let entry = self.key_entry(namespace)?;
        Ok(entry
            .filter(|entry| !entry.blocked)
            .map(|entry| entry.identity))
    }

    /// The key that has a uuid, unless it is blocked. One that a master has accepted is found
    /// however long ago that was.
    pub fn key_of_uuid(&self, uuid: &str) -> Result<Option<Arc<Identity>>, StoreError> {
        if self.inner.keys_of_master {
            let learned = self.learned_key(uuid)?.filter(|key| !key.blocked);
            return Ok(learned.map(|key| key.identity));
        }
        if uuid.is_empty() || uuid.len() > MAX_UUID {
            return Ok(None);
        }
        let environment = &self.inner.environment;
        let txn = environment.read()?;
        let Some(namespace) = key_records::namespace_of_uuid(environment, &txn, uuid)? else {
            return Ok(None);
        };
        key_records::of_namespace(environment, &txn, namespace)?
            .filter(|record| !record.blocked)
            .map(|record| self.inner.keys.identity(namespace, record))
            .transpose()
    }

    /// Who has this uuid and key, if anybody (reference section 1.2). The key is compared in
    /// constant time; costs a microsecond. Sees changes by other processes at once.
    pub fn authenticate(&self, uuid: &str, key: &str) -> Result<Option<Arc<Identity>>, StoreError> {
        let identity = self.key_of_uuid(uuid)?;
        Ok(identity.filter(|identity| same(identity.key.expose(), key)))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::key_ring::GUEST;
    use super::*;
    use crate::store::Options;
    use smol::block_on;

    fn open(dir: &Path) -> Result<Store, StoreError> {
        Store::open(dir, Options::with_map_size(1 << 20))
    }

    fn secret(letter: char) -> Secret {
        Secret::new(letter.to_string().repeat(64))
    }

    #[test]
    fn the_guest_is_made_once() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path()).unwrap();
        let (namespace, uuid, key) = GUEST;
        let guest = store.authenticate(uuid, key).unwrap().unwrap();
        assert_eq!(
            (guest.subject.as_str(), guest.namespace.as_str()),
            (namespace, namespace)
        );
        block_on(store.delete_key(namespace)).unwrap();
        assert!(store.authenticate(uuid, key).unwrap().is_none());
        assert!(matches!(
            block_on(store.delete_key(namespace)),
            Err(StoreError::Changed)
        ));
        drop(store);
        assert!(open(dir.path()).unwrap().keys().unwrap().is_empty());
    }

    #[test]
    fn both_uuid_and_key_must_match() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path()).unwrap();
        block_on(store.put_key("a", "uuid-a", &secret('a'))).unwrap();
        block_on(store.put_key("b", "uuid-b", &secret('b'))).unwrap();
        let namespace = |uuid: &str, key: &str| {
            let identity = store.authenticate(uuid, key).unwrap();
            identity.map(|identity| identity.namespace.clone())
        };
        let (a, b) = (secret('a'), secret('b'));
        assert_eq!(namespace("uuid-a", a.expose()).as_deref(), Some("a"));
        assert_eq!(namespace("uuid-b", b.expose()).as_deref(), Some("b"));
        assert_eq!(namespace("uuid-a", b.expose()), None);
        assert_eq!(namespace("uuid-a", &a.expose()[..63]), None);
        assert_eq!(namespace("uuid-a", ""), None);
        for uuid in ["", "a", "uuid-c", &"u".repeat(600)] {
            assert_eq!(namespace(uuid, a.expose()), None);
        }
    }

    #[test]
    fn a_uuid_or_namespace_has_one_key() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path()).unwrap();
        let put = |namespace: &str, uuid: &str| {
            block_on(store.put_key(namespace, uuid, &secret('x'))).map_err(|e| e.to_string())
        };
        put("a", "uuid-a").unwrap();
        assert!(put("a", "uuid-b").is_err() && put("b", "uuid-a").is_err());
        assert!(put("b", "").unwrap_err().contains("1 to 128 characters"));
        assert!(put("b", &"u".repeat(129)).is_err());
        put("b", &"u".repeat(128)).unwrap();
        let long = Secret::new("k".repeat(129));
        let refused = block_on(store.put_key("c", "uuid-c", &long)).unwrap_err();
        assert!(refused.to_string().contains("at most 128 characters"));
    }

    #[test]
    fn a_blocked_key_opens_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path()).unwrap();
        let key = secret('a');
        block_on(store.put_key("a", "uuid-a", &key)).unwrap();
        block_on(store.block_key("a", true)).unwrap();
        assert!(
            store
                .authenticate("uuid-a", key.expose())
                .unwrap()
                .is_none()
        );
        assert!(store.key_of_namespace("a").unwrap().is_none());
        assert!(store.key_entry("a").unwrap().unwrap().blocked);
        assert!(
            store
                .keys()
                .unwrap()
                .contains(&("a".into(), "uuid-a".into(), true))
        );
        // It stays the namespace's own.
        let again = block_on(store.put_key("a", "uuid-b", &key));
        assert!(matches!(again, Err(StoreError::Exists)));
        block_on(store.block_key("a", false)).unwrap();
        assert!(
            store
                .authenticate("uuid-a", key.expose())
                .unwrap()
                .is_some()
        );
        let missing = block_on(store.block_key("b", true));
        assert!(matches!(missing, Err(StoreError::Changed)));
    }

    #[test]
    fn limits_are_seen_at_once_and_go_with_the_key() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path()).unwrap();
        let key = secret('a');
        block_on(store.put_key("a", "uuid-a", &key)).unwrap();
        let fires = || {
            let identity = store.authenticate("uuid-a", key.expose()).unwrap().unwrap();
            identity.limits.fires_per_minute
        };
        assert_eq!(fires(), None);
        let limits = NamespaceLimits {
            fires_per_minute: Some(7),
            ..NamespaceLimits::default()
        };
        block_on(store.set_limits("a", &limits)).unwrap();
        assert_eq!(fires(), Some(7));
        block_on(store.block_key("a", true)).unwrap();
        block_on(store.block_key("a", false)).unwrap();
        assert_eq!(fires(), Some(7), "a block leaves the limits alone");
        block_on(store.set_limits("a", &NamespaceLimits::default())).unwrap();
        assert_eq!(fires(), None);
        block_on(store.set_limits("a", &limits)).unwrap();
        block_on(store.delete_key("a")).unwrap();
        block_on(store.put_key("a", "uuid-a", &key)).unwrap();
        assert_eq!(fires(), None);
        let missing = block_on(store.set_limits("b", &limits));
        assert!(matches!(missing, Err(StoreError::Changed)));
    }

    #[test]
    fn no_key_is_in_the_files_in_the_clear() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path()).unwrap();
        block_on(store.put_key("a", "uuid-a", &secret('a'))).unwrap();
        drop(store);
        let data = std::fs::read(dir.path().join("data.mdb")).unwrap();
        let clear = |text: &[u8]| data.windows(text.len()).any(|part| part == text);
        assert!(clear(b"uuid-a"), "the test looks in the wrong place");
        assert!(!clear(secret('a').expose().as_bytes()) && !clear(GUEST.2.as_bytes()));
    }

    #[test]
    fn another_device_key_or_none_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        drop(open(dir.path()).unwrap());
        let key = dir.path().join("device.key");
        let kept = std::fs::read(&key).unwrap();
        std::fs::remove_file(&key).unwrap();
        let error = open(dir.path()).err().unwrap().to_string();
        assert!(error.contains("device.key") && !key.exists(), "{error}");
        let other = tempfile::tempdir().unwrap();
        drop(open(other.path()).unwrap());
        std::fs::rename(other.path().join("device.key"), &key).unwrap();
        let error = open(dir.path()).err().unwrap().to_string();
        assert!(error.contains("sealed with another device key"), "{error}");
        // Writing keeps the mode of the file.
        std::fs::write(&key, kept).unwrap();
        open(dir.path()).unwrap();
    }
}
