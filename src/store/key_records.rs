//! Namespaces' keys in the database: records and their index by uuid. Sealed: see [`super::seal`].

use heed::RwTxn;

use super::environment::{AnyTxn, Environment};
use super::error::StoreError;
use super::operation::Done;

/// Characters of a uuid; those of OpenWhisk have 36.
pub const MAX_UUID: usize = 128;

/// Characters of a key; those of OpenWhisk have 64. Sealed ones are longer, and their length must
/// fit into a byte.
pub const MAX_SECRET: usize = 128;

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
    /// Whether the key opens nothing for the time being.
    pub(super) blocked: bool,
    /// What was set for the namespace, as JSON; empty for nothing.
    pub(super) limits: &'a [u8],
}

/// First byte of a record with a block or limits. Those without begin with the length of the
/// uuid, which is smaller, as all did at first.
const EXTENDED: u8 = 0xff;

impl<'a> KeyRecord<'a> {
    fn split(record: &'a [u8]) -> Option<Self> {
        let (&first, rest) = record.split_first()?;
        if first != EXTENDED {
            let (uuid, sealed) = rest.split_at_checked(usize::from(first))?;
            return Some(KeyRecord {
                uuid: str::from_utf8(uuid).ok()?,
                sealed,
                blocked: false,
                limits: &[],
            });
        }
        let (&[blocked, uuid, sealed], rest) = rest.split_first_chunk()?;
        let (uuid, rest) = rest.split_at_checked(usize::from(uuid))?;
        let (sealed, limits) = rest.split_at_checked(usize::from(sealed))?;
        Some(KeyRecord {
            uuid: str::from_utf8(uuid).ok()?,
            sealed,
            blocked: blocked != 0,
            limits,
        })
    }

    /// The bytes that are stored. Lengths fit: they were checked when the key was sealed.
    fn record(&self) -> Vec<u8> {
        let uuid = self.uuid.as_bytes();
        if !self.blocked && self.limits.is_empty() {
            return [&[uuid.len() as u8], uuid, self.sealed].concat();
        }
        let head = [
            EXTENDED,
            self.blocked.into(),
            uuid.len() as u8,
            self.sealed.len() as u8,
        ];
        [&head[..], uuid, self.sealed, self.limits].concat()
    }
}

/// What can be changed about the key of a namespace.
pub(super) enum KeyChange {
    /// Whether it is blocked.
    Blocked(bool),
    /// The limits of the namespace as JSON; empty for none.
    Limits(Vec<u8>),
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
    let record = KeyRecord {
        uuid: &key.uuid,
        sealed: &key.sealed,
        blocked: false,
        limits: &[],
    };
    environment.keys.put(txn, &by_namespace, &record.record())?;
    environment
        .keys
        .put(txn, &by_uuid, key.namespace.as_bytes())?;
    Ok(Ok(0))
}

/// Changes what goes with the key of a namespace.
pub(super) fn change(
    environment: &Environment,
    txn: &mut RwTxn<'_>,
    namespace: &str,
    change: &KeyChange,
) -> Result<Done, heed::Error> {
    let by_namespace = namespace_key(namespace);
    let record = environment.keys.get(txn, &by_namespace)?;
    let Some(mut record) = record.and_then(KeyRecord::split) else {
        return Ok(Err(StoreError::Changed));
    };
    match change {
        KeyChange::Blocked(blocked) => record.blocked = *blocked,
        KeyChange::Limits(limits) => record.limits = limits,
    }
    let record = record.record();
    environment.keys.put(txn, &by_namespace, &record)?;
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

/// Each namespace with its key, in the order of the namespaces.
pub(super) fn list<'t>(
    environment: &Environment,
    txn: &'t AnyTxn,
) -> Result<Vec<(&'t str, KeyRecord<'t>)>, heed::Error> {
    let mut keys = Vec::new();
    for entry in environment.keys.prefix_iter(txn, b"n")? {
        let (key, record) = entry?;
        let namespace = str::from_utf8(&key[1..]).ok();
        keys.extend(namespace.zip(KeyRecord::split(record)));
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_both_forms() {
        let plain = [&[4], &b"uuid"[..], b"sealed"].concat();
        let record = KeyRecord::split(&plain).unwrap();
        assert_eq!((record.uuid, record.sealed), ("uuid", &b"sealed"[..]));
        assert!(!record.blocked && record.limits.is_empty());
        assert_eq!(
            record.record(),
            plain,
            "what has nothing set stays as it was"
        );
        for (blocked, limits) in [(true, &b""[..]), (false, b"{}"), (true, b"{}")] {
            let set = KeyRecord {
                blocked,
                limits,
                ..record
            };
            let bytes = set.record();
            assert!(KeyRecord::split(&bytes).unwrap() == set);
            for end in 0..bytes.len() - limits.len() {
                assert!(KeyRecord::split(&bytes[..end]).is_none(), "cut at {end}");
            }
        }
        assert!(KeyRecord::split(&[]).is_none() && KeyRecord::split(&[5, 1]).is_none());
    }
}
