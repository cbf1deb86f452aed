//! The keys that were opened, and how they are opened and compared. See [`super::seal`].

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use subtle::ConstantTimeEq;

use super::environment::Environment;
use super::error::StoreError;
use super::key_records::{self, KeyRecord, MAX_SECRET, MAX_UUID, NewKey};
use super::seal::Sealer;
use crate::entity::{GUEST_KEY, GUEST_UUID, Identity, NamespaceLimits, Secret};
use crate::sync::lock;

/// OpenWhisk's guest: the same on every installation, so anybody knows its key.
pub(super) const GUEST: (&str, &str, &str) = ("guest", GUEST_UUID, GUEST_KEY);

/// Opened keys that are kept in memory.
const MAX_CACHED: usize = 256;

/// Whose name the check of the device key is sealed for; no namespace can have it.
const CHECK_OWNER: [&str; 1] = ["/device key"];

const META_CHECK: &[u8] = b"device key check";
const META_GUEST: &[u8] = b"guest was made";

/// The keys that were opened before, and what is needed to open more.
pub(super) struct KeyRing {
    sealer: Sealer,
    /// By uuid. An entry counts only while its sealed bytes are still those of the store, so
    /// that a change by another process is seen at once.
    opened: Mutex<HashMap<String, Opened>>,
}

struct Opened {
    sealed: Vec<u8>,
    limits: Vec<u8>,
    identity: Arc<Identity>,
}

/// A namespace with its key, whether that opens anything or not.
#[derive(Clone, Debug)]
pub struct KeyEntry {
    /// Who has the key.
    pub identity: Arc<Identity>,
    /// Whether it opens nothing for the time being.
    pub blocked: bool,
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
        Ok(KeyRing {
            sealer,
            opened: Mutex::default(),
        })
    }

    /// Seals a key for a namespace.
    ///
    /// # Errors
    /// [`StoreError::Failed`] if the uuid or the key is too long.
    pub(super) fn seal(
        &self,
        namespace: &str,
        uuid: &str,
        key: &Secret,
    ) -> Result<NewKey, StoreError> {
        new_key(&self.sealer, namespace, uuid, key)
    }

    /// Opens the key of a record; one that was opened before is shared.
    ///
    /// # Errors
    /// [`StoreError::Failed`] if it was sealed with another device key, or its limits cannot be
    /// read.
    pub(super) fn identity(
        &self,
        namespace: &str,
        record: KeyRecord<'_>,
    ) -> Result<Arc<Identity>, StoreError> {
        let mut opened = lock(&self.opened);
        if let Some(known) = opened.get(record.uuid)
            && known.sealed == record.sealed
            && known.limits == record.limits
            && known.identity.namespace == namespace
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
        let identity = Arc::new(Identity {
            subject: namespace.to_owned(),
            namespace: namespace.to_owned(),
            uuid: record.uuid.to_owned(),
            key,
            limits: Arc::new(limits(namespace, record.limits)?),
        });
        if opened.len() >= MAX_CACHED {
            opened.clear();
        }
        let known = Opened {
            sealed: record.sealed.to_owned(),
            limits: record.limits.to_owned(),
            identity: identity.clone(),
        };
        opened.insert(record.uuid.to_owned(), known);
        Ok(identity)
    }
}

/// Whether two secrets are the same, in a time that does not depend on where they differ. It does
/// on whether they are of one length, which tells nothing: all keys have 64 characters.
pub(super) fn same(one: &str, other: &str) -> bool {
    one.as_bytes().ct_eq(other.as_bytes()).into()
}

/// What was set for a namespace. Limits of later versions, which this one does not know, are left
/// out.
fn limits(namespace: &str, record: &[u8]) -> Result<NamespaceLimits, StoreError> {
    if record.is_empty() {
        return Ok(NamespaceLimits::default());
    }
    serde_json::from_slice(record).map_err(|error| {
        StoreError::Failed(format!(
            "the limits of namespace {namespace} cannot be read: {error}: clear them with owl key \
             limits clear {namespace}"
        ))
    })
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
    if key.expose().len() > MAX_SECRET {
        return Err(StoreError::Failed(format!(
            "a key has at most {MAX_SECRET} characters, and this one has {}",
            key.expose().len()
        )));
    }
    Ok(NewKey {
        namespace: namespace.to_owned(),
        uuid: uuid.to_owned(),
        sealed: sealer.seal(&[namespace, uuid], key.expose()),
    })
}
