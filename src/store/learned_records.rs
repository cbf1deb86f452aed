//! Keys that a master has accepted, in the database: each has a note of its own, found by its uuid,
//! and one in the index of its namespace.

use super::environment::{AnyTxn, Environment};
use super::types::{NoteKey, NoteKind};

/// First byte of a record: its form.
const FORM: u8 = 1;

/// What a note says of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record<'a> {
    /// When the key was last accepted: milliseconds since 1970.
    pub(super) accepted_at: u64,
    /// Whose it is.
    pub(super) namespace: &'a str,
    /// The sealed key.
    pub(super) sealed: &'a [u8],
}

impl<'a> Record<'a> {
    fn split(record: &'a [u8]) -> Option<Self> {
        let (&[FORM], rest) = record.split_first_chunk()? else {
            return None;
        };
        let (accepted_at, rest) = rest.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let (namespace, sealed) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
        Some(Record {
            accepted_at: u64::from_be_bytes(*accepted_at),
            namespace: str::from_utf8(namespace).ok()?,
            sealed,
        })
    }

    /// The bytes that are stored. The length fits: namespaces have names.
    pub(super) fn record(&self) -> Vec<u8> {
        let namespace = self.namespace.as_bytes();
        let length = (namespace.len() as u16).to_be_bytes();
        let accepted_at = self.accepted_at.to_be_bytes();
        [&[FORM], &accepted_at[..], &length, namespace, self.sealed].concat()
    }
}

/// Before the uuid in the name of a key's note.
const BY_UUID: &[u8] = b"u";

/// The note of a key.
pub(super) fn by_uuid(uuid: &str) -> NoteKey {
    NoteKey::named(NoteKind::Key, &[BY_UUID, uuid.as_bytes()].concat())
}

/// Beginning of the names of the notes that tell the uuids of a namespace.
fn index_of(namespace: &str) -> Vec<u8> {
    [b"n", namespace.as_bytes(), b"\0"].concat()
}

/// The note in the index of a namespace.
pub(super) fn in_index(namespace: &str, uuid: &str) -> NoteKey {
    let name = [&index_of(namespace), uuid.as_bytes()].concat();
    NoteKey::named(NoteKind::Key, &name)
}

/// The key that has a uuid.
pub(super) fn of_uuid<'t>(
    environment: &Environment,
    txn: &'t AnyTxn,
    uuid: &str,
) -> Result<Option<Record<'t>>, heed::Error> {
    let record = environment.notes.get(txn, &by_uuid(uuid).0)?;
    // One of a later form is as good as none: the master is asked again.
    Ok(record.and_then(Record::split))
}

/// Every key with its uuid, in the order of the uuids.
pub(super) fn all<'t>(
    environment: &Environment,
    txn: &'t AnyTxn,
) -> Result<Vec<(&'t str, Record<'t>)>, heed::Error> {
    let beginning = NoteKey::named(NoteKind::Key, BY_UUID).0;
    let mut keys = Vec::new();
    for entry in environment.notes.prefix_iter(txn, &beginning)? {
        let (key, record) = entry?;
        let uuid = str::from_utf8(&key[beginning.len()..]).ok();
        keys.extend(uuid.zip(Record::split(record)));
    }
    Ok(keys)
}

/// The key of a namespace that was accepted last, with its uuid.
pub(super) fn last_of<'t>(
    environment: &Environment,
    txn: &'t AnyTxn,
    namespace: &str,
) -> Result<Option<(&'t str, Record<'t>)>, heed::Error> {
    let beginning = NoteKey::named(NoteKind::Key, &index_of(namespace)).0;
    let mut last: Option<(&str, Record<'_>)> = None;
    for entry in environment.notes.prefix_iter(txn, &beginning)? {
        let (key, _) = entry?;
        let Ok(uuid) = str::from_utf8(&key[beginning.len()..]) else {
            continue;
        };
        let Some(record) = of_uuid(environment, txn, uuid)? else {
            continue;
        };
        let is_later = last.is_none_or(|(_, last)| last.accepted_at < record.accepted_at);
        if record.namespace == namespace && is_later {
            last = Some((uuid, record));
        }
    }
    Ok(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records() {
        let record = Record {
            accepted_at: 1 << 40,
            namespace: "ns",
            sealed: b"sealed",
        };
        let bytes = record.record();
        assert_eq!(Record::split(&bytes), Some(record));
        for end in 0..bytes.len() - record.sealed.len() {
            assert_eq!(Record::split(&bytes[..end]), None, "cut at {end}");
        }
        assert_eq!(Record::split(&[&[2], &bytes[1..]].concat()), None);
    }
}
