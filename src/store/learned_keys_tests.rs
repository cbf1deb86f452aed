//! Keys of a master in the store: what is kept, found and forgotten.

use std::ops::ControlFlow;
use std::path::Path;

use super::Store;
use super::learned_keys::MOST;
use super::learned_records::{Record, by_uuid, in_index};
use super::types::Change;
use crate::entity::{GUEST_KEY, GUEST_UUID, NamespaceLimits, Secret};
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
        text: Vec::new().into(),
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
        text: record.record().into(),
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
