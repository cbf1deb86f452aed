//! Namespaces and their keys (reference sections 1.2 and 10).

use std::collections::HashMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ring::hmac;
use ring::rand::SystemRandom;

use super::Store;
use super::environment::Environment;
use super::error::StoreError;
use super::key_records::{self, KeyRecord, MAX_UUID, NewKey};
use super::operation::Operation;
use super::seal::Sealer;
use crate::entity::{GUEST_KEY, GUEST_UUID, Identity, Secret};

/// OpenWhisk's guest: the same on every installation, so anybody knows its key.
const GUEST: (&str, &str, &str) = ("guest", GUEST_UUID, GUEST_KEY);

/// Opened keys that are kept in memory.
const MAX_CACHED: usize = 256;

/// Whose name the check of the device key is sealed for; no namespace can have it.
const CHECK_OWNER: [&str; 1] = ["/device key"];

const META_CHECK: &[u8] = b"device key check";
const META_GUEST: &[u8] = b"guest was made";

/// The keys that were opened before, and what is needed to open more.
pub(super) struct KeyRing {
    sealer: Sealer,
    /// By namespace. An entry counts only while its sealed bytes are still those of the store, so
    /// that a change by another process is seen at once.
    opened: Mutex<HashMap<String, Opened>>,
    /// Random for each process: makes comparisons take the same time whatever is compared.
    comparison: hmac::Key,
}

struct Opened {
    sealed: Vec<u8>,
    identity: Identity,
}

impl KeyRing {
    /// Gets the device key for the store in `dir`, and makes it and the guest's key at the first
    /// start.
    ///
    /// # Errors
    /// [`StoreError::Failed`] if there is no usable device key, or not that of this store.
    pub(super) fn open(environment: &Environment, dir: &Path) -> Result<Self, StoreError> {
        let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
        // The transaction keeps other processes from making a device key at the same time.
        let mut txn = environment.write()?;
        let meta = environment.meta;
        let check = meta.get(&txn, META_CHECK)?;
        let sealer = Sealer::open(dir, credentials.as_deref(), check.is_none())?;
        match check {
            Some(check) if sealer.open_sealed(&CHECK_OWNER, check).is_none() => {
                return Err(StoreError::Failed(format!(
                    "the keys in the store in {} were sealed with another device key than {}: \
                     restore the earlier one, or use another data directory",
                    dir.display(),
                    sealer.source().display()
                )));
            }
            Some(_) => {}
            None => meta.put(&mut txn, META_CHECK, &sealer.seal(&CHECK_OWNER, ""))?,
        }
        if meta.get(&txn, META_GUEST)?.is_none() {
            let (namespace, uuid, secret) = GUEST;
            let key = new_key(&sealer, namespace, uuid, &Secret::new(secret.to_owned()))?;
            key_records::put(environment, &mut txn, &key)??;
            meta.put(&mut txn, META_GUEST, &[])?;
            txn.commit()?;
        }
        let comparison = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())
            .expect("the kernel gives random bytes");
        Ok(KeyRing {
            sealer,
            opened: Mutex::default(),
            comparison,
        })
    }

    fn identity(&self, namespace: &str, record: KeyRecord<'_>) -> Result<Identity, StoreError> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = opened.get(namespace)
            && known.sealed == record.sealed
            && known.identity.uuid == record.uuid
        {
            return Ok(known.identity.clone());
        }
        let owner = [namespace, record.uuid];
        let Some(key) = self.sealer.open_sealed(&owner, record.sealed) else {
            return Err(StoreError::Failed(format!(
                "the key of namespace {namespace} does not open with the device key {}: delete it \
                 and create it again",
                self.sealer.source().display()
            )));
        };
        let identity = Identity {
            subject: namespace.to_owned(),
            namespace: namespace.to_owned(),
            uuid: record.uuid.to_owned(),
            key,
            limits: Arc::default(),
        };
        if opened.len() >= MAX_CACHED {
            opened.clear();
        }
        let known = Opened {
            sealed: record.sealed.to_owned(),
            identity: identity.clone(),
        };
        opened.insert(namespace.to_owned(), known);
        Ok(identity)
    }

    /// Whether two secrets are the same, in a time that does not depend on where they differ.
    fn same(&self, one: &str, other: &str) -> bool {
        let tag = hmac::sign(&self.comparison, one.as_bytes());
        hmac::verify(&self.comparison, other.as_bytes(), tag.as_ref()).is_ok()
    }
}

fn new_key(
    sealer: &Sealer,
    namespace: &str,
    uuid: &str,
    key: &Secret,
) -> Result<NewKey, StoreError> {
    if uuid.is_empty() || uuid.len() > MAX_UUID {
        return Err(StoreError::Failed(format!(
            "a uuid has 1 to {MAX_UUID} characters, and this one has {}",
            uuid.len()
        )));
    }
    Ok(NewKey {
        namespace: namespace.to_owned(),
        uuid: uuid.to_owned(),
        sealed: sealer.seal(&[namespace, uuid], key.expose()),
    })
}

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
        let key = new_key(&self.inner.keys.sealer, namespace, uuid, key);
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

    /// Namespace and uuid of each key, in the order of the namespaces.
    pub fn keys(&self) -> Result<Vec<(String, String)>, StoreError> {
        let txn = self.inner.environment.read()?;
        Ok(key_records::list(&self.inner.environment, &txn)?)
    }

    /// The key of a namespace.
    pub fn key_of_namespace(&self, namespace: &str) -> Result<Option<Identity>, StoreError> {
        let environment = &self.inner.environment;
        let txn = environment.read()?;
        key_records::of_namespace(environment, &txn, namespace)?
            .map(|record| self.inner.keys.identity(namespace, record))
            .transpose()
    }

    /// The key that has a uuid.
    pub fn key_of_uuid(&self, uuid: &str) -> Result<Option<Identity>, StoreError> {
        if uuid.is_empty() || uuid.len() > MAX_UUID {
            return Ok(None);
        }
        let environment = &self.inner.environment;
        let txn = environment.read()?;
        let Some(namespace) = key_records::namespace_of_uuid(environment, &txn, uuid)? else {
            return Ok(None);
        };
        key_records::of_namespace(environment, &txn, namespace)?
            .map(|record| self.inner.keys.identity(namespace, record))
            .transpose()
    }

    /// Who has this uuid and key, if anybody (reference section 1.2). The key is compared in
    /// constant time; costs a few microseconds. Sees changes by other processes at once.
    pub fn authenticate(&self, uuid: &str, key: &str) -> Result<Option<Identity>, StoreError> {
        let identity = self.key_of_uuid(uuid)?;
        Ok(identity.filter(|identity| self.inner.keys.same(identity.key.expose(), key)))
    }
}

#[cfg(test)]
mod tests {
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
            identity.map(|identity| identity.namespace)
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
