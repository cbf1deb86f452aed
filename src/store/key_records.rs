//! Namespaces' keys in the database: records and their index by uuid. Sealed: see [`super::seal`].

use heed::RwTxn;

use super::environment::{AnyTxn, Environment};
use super::error::StoreError;
use super::operation::Done;

/// Characters of a uuid; those of OpenWhisk have 36.
pub(super) const MAX_UUID: usize = 128;

/// A namespace's key to be written.
pub(super) struct NewKey {
    /// The namespace.
    pub(super) namespace: String,
    /// Its uuid.
    pub(super) uuid: String,
    /// Its sealed secret.
    pub(super) sealed: Vec<u8>,
}

/// The key of a namespace as stored.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct KeyRecord<'a> {
    /// The uuid.
    pub(super) uuid: &'a str,
    /// The sealed secret.
    pub(super) sealed: &'a [u8],
}

impl<'a> KeyRecord<'a> {
    fn split(record: &'a [u8]) -> Option<Self> {
        let (&length, rest) = record.split_first()?;
        let (uuid, sealed) = rest.split_at_checked(usize::from(length))?;
        let uuid = str::from_utf8(uuid).ok()?;
        Some(KeyRecord { uuid, sealed })
    }
}

fn namespace_key(namespace: &str) -> Vec<u8> {
    [b"n", namespace.as_bytes()].concat()
}

fn uuid_key(uuid: &str) -> Vec<u8> {
    [b"u", uuid.as_bytes()].concat()
}

/// Writes a key. Neither its namespace nor its uuid may have one.
pub(super) fn put(
    environment: &Environment,
    txn: &mut RwTxn<'_>,
    key: &NewKey,
) -> Result<Done, heed::Error> {
    let (by_namespace, by_uuid) = (namespace_key(&key.namespace), uuid_key(&key.uuid));
    for taken in [&by_namespace, &by_uuid] {
        if environment.keys.get(txn, taken)?.is_some() {
            return Ok(Err(StoreError::Exists));
        }
    }
    // The length fits: `MAX_UUID` was checked when the key was sealed.
    let length = [key.uuid.len() as u8];
    let record = [&length[..], key.uuid.as_bytes(), &key.sealed].concat();
    environment.keys.put(txn, &by_namespace, &record)?;
    environment
        .keys
        .put(txn, &by_uuid, key.namespace.as_bytes())?;
    Ok(Ok(0))
}

/// Removes the key of a namespace.
pub(super) fn delete(
    environment: &Environment,
    txn: &mut RwTxn<'_>,
    namespace: &str,
) -> Result<Done, heed::Error> {
    let by_namespace = namespace_key(namespace);
    let record = environment.keys.get(txn, &by_namespace)?;
    let Some(by_uuid) = record
        .and_then(KeyRecord::split)
        .map(|key| uuid_key(key.uuid))
    else {
        return Ok(Err(StoreError::Changed));
    };
    environment.keys.delete(txn, &by_uuid)?;
    environment.keys.delete(txn, &by_namespace)?;
    Ok(Ok(0))
}

/// The key of a namespace.
pub(super) fn of_namespace<'t>(
    environment: &Environment,
    txn: &'t AnyTxn,
    namespace: &str,
) -> Result<Option<KeyRecord<'t>>, heed::Error> {
    let record = environment.keys.get(txn, &namespace_key(namespace))?;
    Ok(record.and_then(KeyRecord::split))
}

/// The namespace of a uuid.
pub(super) fn namespace_of_uuid<'t>(
    environment: &Environment,
    txn: &'t AnyTxn,
    uuid: &str,
) -> Result<Option<&'t str>, heed::Error> {
    let namespace = environment.keys.get(txn, &uuid_key(uuid))?;
    Ok(namespace.and_then(|namespace| str::from_utf8(namespace).ok()))
}

/// Namespace and uuid of each key, in the order of the namespaces.
pub(super) fn list(
    environment: &Environment,
    txn: &AnyTxn,
) -> Result<Vec<(String, String)>, heed::Error> {
    let mut keys = Vec::new();
    for entry in environment.keys.prefix_iter(txn, b"n")? {
        let (key, record) = entry?;
        if let Some(record) = KeyRecord::split(record) {
            let namespace = String::from_utf8_lossy(&key[1..]).into_owned();
            keys.push((namespace, record.uuid.to_owned()));
        }
    }
    Ok(keys)
}
