//! The bytes of keys and record headers. Pure: no I/O.
//!
//! LMDB takes keys of up to 511 bytes, and legal paths are longer. So paths are shortened by a
//! hash where they must be, and namespaces and names stand in index keys as hashes of a fixed
//! length. Times are big-endian, so that the order of keys is the order of time; lists, newest
//! first, are read backwards, because appending fills pages better than inserting in front.

use ring::digest::{SHA256, digest};

use super::types::{Collection, EntityList};
use crate::entity::{ActivationId, names};

/// Version of everything in this file and in `parts`. A store of a newer version is refused; one of
/// an older version, which has large values whole, is read as it is.
pub(super) const FORMAT: u32 = 2;

/// Bytes of a path that stand in its key as they are.
const PLAIN_PATH: usize = 460;

/// A hash that stands for a text in keys.
pub(super) type Group = [u8; 16];

/// Key of an activation in `heads` and `tails`: start and id, so oldest first.
pub(super) type TimeKey = [u8; 24];

/// Key in an index of activations: group, start, id.
pub(super) type ListKey = [u8; 40];

fn hash(parts: &[&str]) -> Group {
    // No legal name contains a NUL, so the parts cannot run into each other.
    let text = parts.join("\0");
    let digest = digest(&SHA256, text.as_bytes());
    let mut group = Group::default();
    group.copy_from_slice(&digest.as_ref()[..16]);
    group
}

/// Key of an entity: its path, or its beginning and a hash of the whole.
pub(super) fn path_key(path: &str) -> Vec<u8> {
    let path = path.as_bytes();
    if path.len() <= PLAIN_PATH {
        return path.to_vec();
    }
    let mut key = Vec::with_capacity(PLAIN_PATH + 33);
    key.extend_from_slice(&path[..PLAIN_PATH]);
    key.push(0);
    key.extend_from_slice(digest(&SHA256, path).as_ref());
    key
}

/// The list of all activations of a namespace.
pub(super) fn namespace_group(namespace: &str) -> Group {
    hash(&["namespace", namespace])
}

/// The list of the activations of one action of a namespace.
pub(super) fn name_group(namespace: &str, filter_name: &str) -> Group {
    hash(&["name", namespace, filter_name])
}

/// Key of an activation in `heads` and `tails`.
pub(super) fn time_key(start: u64, id: &ActivationId) -> TimeKey {
    let mut key = TimeKey::default();
    key[..8].copy_from_slice(&start.to_be_bytes());
    key[8..].copy_from_slice(id.as_bytes());
    key
}

/// The start in a key of `heads`.
pub(super) fn start_of(key: &[u8]) -> Option<u64> {
    key.first_chunk().map(|start| u64::from_be_bytes(*start))
}

/// Key of an activation in the list of `group`.
pub(super) fn list_key(group: &Group, time: &TimeKey) -> ListKey {
    let mut key = [0; 40];
    key[..16].copy_from_slice(group);
    key[16..].copy_from_slice(time);
    key
}

/// First and last possible key in the list of `group` between two starts, both inclusive.
pub(super) fn list_range(group: &Group, since: u64, upto: u64) -> (ListKey, ListKey) {
    let first = time_key(since, &ActivationId::from_bytes([0; 16]));
    let last = time_key(upto, &ActivationId::from_bytes([0xff; 16]));
    (list_key(group, &first), list_key(group, &last))
}

/// The [`TimeKey`] in a key of a list.
pub(super) fn time_of_list_key(key: &[u8]) -> Option<&TimeKey> {
    key.last_chunk()
}

/// Key in the index of entities: what list, `updated`, path.
pub(super) type EntityListKey = [u8; 41];

/// What all keys of a list of entities begin with: namespace or package, and collection.
pub(super) type EntityListPrefix = [u8; 17];

/// Keys of an entity in the lists that it is in: that of its collection, and for what is in a
/// package that of the package.
pub(super) fn entity_list_keys(
    path: &str,
    collection: Collection,
    updated: u64,
) -> impl Iterator<Item = EntityListKey> {
    let (place, _) = names::place_and_name(path);
    let (namespace, package) = names::namespace_and_package(place);
    let packaged = package.is_some() && collection == Collection::Actions;
    let package = packaged.then_some(EntityList::Package(place));
    let path = hash(&["path", path]);
    let lists = [Some(EntityList::Collection(namespace, collection)), package];
    lists.into_iter().flatten().map(move |list| {
        let mut key = [0; 41];
        key[..17].copy_from_slice(&entity_list_prefix(list));
        key[17..25].copy_from_slice(&updated.to_be_bytes());
        key[25..].copy_from_slice(&path);
        key
    })
}

/// What all keys of a list begin with.
pub(super) fn entity_list_prefix(list: EntityList<'_>) -> EntityListPrefix {
    let (group, collection) = match list {
        EntityList::Collection(namespace, collection) => (namespace_group(namespace), collection),
        EntityList::Package(path) => (hash(&["package", path]), Collection::Actions),
    };
    let mut key = [0; 17];
    key[..16].copy_from_slice(&group);
    key[16] = collection as u8;
    key
}

/// What stands before the document of an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EntityHeader {
    /// Its collection.
    pub(super) collection: Collection,
    /// Its revision.
    pub(super) revision: u64,
    /// Its `updated`: with it the entry in the index can be found.
    pub(super) updated: u64,
}

impl EntityHeader {
    /// The record: header and document.
    pub(super) fn record(&self, document: &[u8]) -> Vec<u8> {
        let mut record = Vec::with_capacity(17 + document.len());
        record.push(self.collection as u8);
        record.extend_from_slice(&self.revision.to_be_bytes());
        record.extend_from_slice(&self.updated.to_be_bytes());
        record.extend_from_slice(document);
        record
    }

    /// Header and document of a record.
    pub(super) fn split(record: &[u8]) -> Option<(Self, &[u8])> {
        let (&collection, rest) = record.split_first()?;
        let (revision, rest) = rest.split_first_chunk()?;
        let (updated, document) = rest.split_first_chunk()?;
        let collection = match collection {
            1 => Collection::Actions,
            2 => Collection::Packages,
            3 => Collection::Triggers,
            4 => Collection::Rules,
            5 => Collection::Apis,
            _ => return None,
        };
        let header = EntityHeader {
            collection,
            revision: u64::from_be_bytes(*revision),
            updated: u64::from_be_bytes(*updated),
        };
        Some((header, document))
    }
}

/// What stands before the head of an activation: the two lists that it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HeadHeader {
    /// That of its namespace.
    pub(super) namespace: Group,
    /// That of its namespace and name.
    pub(super) name: Group,
}

impl HeadHeader {
    /// The record: header and head.
    pub(super) fn record(&self, head: &[u8]) -> Vec<u8> {
        [&self.namespace, &self.name, head].concat()
    }

    /// Header and head of a record.
    pub(super) fn split(record: &[u8]) -> Option<(Self, &[u8])> {
        let (namespace, rest) = record.split_first_chunk()?;
        let (name, head) = rest.split_first_chunk()?;
        let header = HeadHeader {
            namespace: *namespace,
            name: *name,
        };
        Some((header, head))
    }
}

/// Key of a pending activation's document.
pub(super) fn pending_key(id: &ActivationId) -> [u8; 17] {
    let mut key = [0; 17];
    key[..16].copy_from_slice(id.as_bytes());
    key
}

/// Key of the mark that a pending activation has started. It is apart from the document and just
/// behind it, so that starting does not copy the arguments.
pub(super) fn started_key(id: &ActivationId) -> [u8; 17] {
    let mut key = pending_key(id);
    key[16] = 1;
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_all_legal_paths_fit_and_differ() {
        let long = |last: char| {
            let name = "n".repeat(255);
            format!("{name}n/{name}n/{name}{last}")
        };
        let (a, b) = (path_key(&long('a')), path_key(&long('b')));
        assert!(a.len() <= 511);
        assert_ne!(a, b);
        assert_eq!(path_key("guest/hello"), b"guest/hello");
        let longest_plain = "n".repeat(PLAIN_PATH);
        assert_eq!(path_key(&longest_plain).len(), PLAIN_PATH);
        assert_ne!(path_key(&format!("{longest_plain}n")).len(), PLAIN_PATH + 1);
    }

    #[test]
    fn lists_of_different_names_are_apart() {
        assert_ne!(name_group("a", "b/c"), name_group("a/b", "c"));
        assert_ne!(namespace_group("a"), name_group("a", ""));
    }

    #[test]
    fn keys_are_in_the_order_of_time() {
        let ids = [[0xff; 16], [0; 16]].map(ActivationId::from_bytes);
        assert!(time_key(255, &ids[0]) < time_key(256, &ids[1]));
        let group = namespace_group("guest");
        let (first, last) = list_range(&group, 255, 256);
        let key = list_key(&group, &time_key(256, &ids[0]));
        assert!(first < key && key <= last);
        assert_eq!(time_of_list_key(&key), Some(&time_key(256, &ids[0])));
        assert_eq!(start_of(&time_key(256, &ids[0])), Some(256));
        let keys = |path, updated| -> Vec<_> {
            entity_list_keys(path, Collection::Actions, updated).collect()
        };
        let (first, second) = (keys("ns/z", 255), keys("ns/a", 256));
        assert!(first.len() == 1 && second.len() == 1 && first[0] < second[0]);
    }

    #[test]
    fn what_is_in_a_package_is_in_two_lists() {
        let keys: Vec<_> = entity_list_keys("ns/p/a", Collection::Actions, 1).collect();
        let prefixes = [
            EntityList::Collection("ns", Collection::Actions),
            EntityList::Package("ns/p"),
        ]
        .map(entity_list_prefix);
        assert_ne!(prefixes[0], prefixes[1]);
        let begins: Vec<_> = keys.iter().map(|key| key[..17].to_vec()).collect();
        assert_eq!(begins, prefixes.map(|prefix| prefix.to_vec()));
    }

    #[test]
    fn headers_survive() {
        let header = EntityHeader {
            collection: Collection::Triggers,
            revision: 1 << 40,
            updated: 7,
        };
        let record = header.record(b"{}");
        assert_eq!(EntityHeader::split(&record), Some((header, &b"{}"[..])));
        assert_eq!(EntityHeader::split(&record[..16]), None);
        assert_eq!(EntityHeader::split(&[9; 40]), None);
        let header = HeadHeader {
            namespace: namespace_group("guest"),
            name: name_group("guest", "hello"),
        };
        let record = header.record(b"{}");
        assert_eq!(HeadHeader::split(&record), Some((header, &b"{}"[..])));
        assert_eq!(HeadHeader::split(&record[..31]), None);
    }

    #[test]
    fn the_mark_stands_behind_the_document() {
        let id = ActivationId::random();
        assert!(pending_key(&id) < started_key(&id));
    }
}
