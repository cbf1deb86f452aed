//! The behaviour of the store, one by one.

mod large;
mod model;
mod room;

use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::*;
use crate::entity::Secret;
use smol::block_on;

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(since.as_millis()).unwrap()
}

fn small() -> Options {
    Options {
        // The tests wait for each record.
        linger: Duration::ZERO,
        ..Options::with_map_size(4 << 20)
    }
}

fn open(dir: &Path) -> Store {
    Store::open(dir, small()).unwrap()
}

fn row(id: ActivationId, namespace: &str, name: &str, start: u64, tail: usize) -> ActivationRow {
    ActivationRow {
        id,
        namespace: namespace.to_owned(),
        filter_name: name.to_owned(),
        start,
        head: format!("{{\"activationId\":\"{id}\"}}").into_bytes(),
        tail: vec![b'x'; tail],
    }
}

fn write(path: &str, document: &str, expect: Expect) -> EntityWrite {
    EntityWrite {
        path: path.to_owned(),
        collection: Collection::Actions,
        document: document.as_bytes().to_vec(),
        code: CodeChange::Keep,
        updated: now(),
        expect,
    }
}

const GUESTS_ACTIONS: EntityList<'_> = EntityList::Collection("guest", Collection::Actions);

/// The documents of a list.
fn listed(store: &Store, list: EntityList<'_>) -> Vec<Vec<u8>> {
    let mut documents = Vec::new();
    let visited = store.visit_entities(list, 0, &mut |entity| {
        documents.push(entity.document);
        ControlFlow::Continue(())
    });
    visited.unwrap();
    documents
}

/// Heads as text, the way a list gives them.
fn heads(store: &Store, filter: &ActivationFilter, skip: usize, limit: usize) -> Vec<String> {
    let list = store.activations("guest", filter, skip, limit, false);
    let text = |(head, _)| String::from_utf8(head).unwrap();
    list.unwrap().into_iter().map(text).collect()
}

#[test]
fn changes_that_go_together() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let all = |changes| block_on(store.write_all(changes));
    let put = |path, expect| Change::Put(write(path, "x", expect));
    let first = all(vec![
        put("guest/a", Expect::Absent),
        put("guest/b", Expect::Absent),
    ]);
    let first = first.unwrap();
    // The last one is refused: nothing of the others is there.
    let refused = all(vec![
        put("guest/c", Expect::Absent),
        Change::Delete {
            path: "guest/a".into(),
            revision: first,
        },
        put("guest/b", Expect::Revision(first + 1)),
    ]);
    assert!(matches!(refused, Err(StoreError::Changed)));
    let there = |path| store.entity(path).unwrap().map(|stored| stored.revision);
    assert_eq!(there("guest/a"), Some(first));
    assert_eq!(there("guest/c"), None);
    let second = all(vec![
        Change::Delete {
            path: "guest/a".into(),
            revision: first,
        },
        put("guest/b", Expect::Revision(first)),
    ]);
    assert_eq!(there("guest/a"), None);
    assert_eq!(there("guest/b"), Some(second.unwrap()));
    let count = store.count_entities(GUESTS_ACTIONS);
    assert_eq!(count.unwrap(), 1);
}

#[test]
fn packages_and_what_is_in_them() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let all = |changes| block_on(store.write_all(changes));
    let put = |path, expect| write(path, path, expect);
    let package = block_on(store.put_entity(EntityWrite {
        collection: Collection::Packages,
        ..put("guest/p", Expect::Absent)
    }));
    let package = package.unwrap();
    let create = |path, revision| {
        let stays = Change::Stays {
            path: "guest/p".into(),
            revision,
        };
        all(vec![stays, Change::Put(put(path, Expect::Absent))])
    };
    let a = create("guest/p/a", package).unwrap();
    let refused = create("guest/p/b", package + 1);
    assert!(matches!(refused, Err(StoreError::Changed)));
    assert!(store.entity("guest/p/b").unwrap().is_none());
    block_on(store.put_entity(put("guest/pp", Expect::Absent))).unwrap();
    block_on(store.put_entity(put("guest/q/a", Expect::Absent))).unwrap();

    let inside = EntityList::Package("guest/p");
    assert_eq!(listed(&store, inside), [b"guest/p/a"]);
    assert_eq!(store.count_entities(GUESTS_ACTIONS).unwrap(), 3);
    // An update moves it in both lists.
    let updated = EntityWrite {
        updated: now() + 9,
        ..put("guest/p/a", Expect::Revision(a))
    };
    let a = block_on(store.put_entity(updated)).unwrap();
    assert_eq!(listed(&store, inside), [b"guest/p/a"]);
    assert_eq!(listed(&store, GUESTS_ACTIONS)[0], b"guest/p/a");

    let empty = Change::Emptied {
        path: "guest/p".into(),
    };
    let delete = |path: &str, revision| Change::Delete {
        path: path.into(),
        revision,
    };
    let refused = all(vec![empty.clone(), delete("guest/p", package)]);
    assert!(matches!(refused, Err(StoreError::Changed)));
    assert!(store.entity("guest/p").unwrap().is_some());
    let both = vec![empty, delete("guest/p", package), delete("guest/p/a", a)];
    all(both).unwrap();
    assert!(store.entity("guest/p").unwrap().is_none());
    assert_eq!(store.count_entities(inside).unwrap(), 0);
    assert_eq!(store.count_entities(GUESTS_ACTIONS).unwrap(), 2);
}

#[test]
fn entities_expectations_and_revisions() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let first = block_on(store.put_entity(write("guest/a", "1", Expect::Absent))).unwrap();
    let again = block_on(store.put_entity(write("guest/a", "2", Expect::Absent)));
    assert!(matches!(again, Err(StoreError::Exists)));
    let second = block_on(store.put_entity(EntityWrite {
        code: CodeChange::Set(b"code".to_vec()),
        ..write("guest/a", "3", Expect::Revision(first))
    }));
    let second = second.unwrap();
    assert_ne!(first, second);
    let stale = block_on(store.put_entity(write("guest/a", "4", Expect::Revision(first))));
    assert!(matches!(stale, Err(StoreError::Changed)));
    let stored = store.entity("guest/a").unwrap().unwrap();
    assert_eq!(
        (stored.document.as_slice(), stored.revision),
        (&b"3"[..], second)
    );
    assert_eq!(store.code("guest/a").unwrap().unwrap(), b"code");
    assert_eq!(store.count_entities(GUESTS_ACTIONS).unwrap(), 1);
    let stale = block_on(store.delete_entity("guest/a", first));
    assert!(matches!(stale, Err(StoreError::Changed)));
    block_on(store.delete_entity("guest/a", second)).unwrap();
    assert!(store.entity("guest/a").unwrap().is_none());
    assert!(store.code("guest/a").unwrap().is_none());
    assert_eq!(store.count_entities(GUESTS_ACTIONS).unwrap(), 0);
    let anew = block_on(store.put_entity(write("guest/a", "5", Expect::Absent))).unwrap();
    assert!(
        anew != first && anew != second,
        "a revision is never used again"
    );
}

#[test]
fn a_refusal_leaves_the_rest_of_its_batch_alone() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    block_on(store.put_entity(write("guest/taken", "{}", Expect::Absent))).unwrap();
    let writes: Vec<_> = (0..100)
        .map(|n| match n % 2 {
            0 => store.put_entity(write(&format!("guest/{n}"), "{}", Expect::Absent)),
            _ => store.put_entity(write("guest/taken", "other", Expect::Absent)),
        })
        .collect();
    for (n, written) in writes.into_iter().enumerate() {
        match block_on(written) {
            Ok(_) => assert_eq!(n % 2, 0),
            Err(error) => assert!(n % 2 == 1 && matches!(error, StoreError::Exists)),
        }
    }
    assert_eq!(store.count_entities(GUESTS_ACTIONS).unwrap(), 51);
    assert_eq!(
        store.entity("guest/taken").unwrap().unwrap().document,
        b"{}"
    );
}

#[test]
fn the_longest_legal_paths_work() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let segment = "s".repeat(255);
    let path = |last: char| format!("{segment}s/{segment}s/{segment}{last}");
    for last in ['a', 'b'] {
        let write = write(&path(last), &last.to_string(), Expect::Absent);
        block_on(store.put_entity(write)).unwrap();
    }
    assert_eq!(store.entity(&path('a')).unwrap().unwrap().document, b"a");
    assert_eq!(store.entity(&path('b')).unwrap().unwrap().document, b"b");
    let namespace = format!("{segment}s");
    let list = EntityList::Collection(&namespace, Collection::Actions);
    assert_eq!(listed(&store, list).len(), 2);
    let secret = Secret::new("k".repeat(64));
    block_on(store.put_key(&namespace, "uuid", &secret)).unwrap();
    assert!(
        store
            .authenticate("uuid", secret.expose())
            .unwrap()
            .is_some()
    );
}

#[test]
fn pending_activations_survive_until_their_record_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let ids = [(); 3].map(|()| ActivationId::random());
    let store = open(dir.path());
    for id in ids {
        block_on(store.accept(id, id.to_string().into_bytes())).unwrap();
    }
    block_on(store.mark_started(ids[1])).unwrap();
    block_on(store.put_activation(row(ids[2], "guest", "a", now(), 1))).unwrap();
    block_on(store.mark_started(ids[2])).unwrap();
    block_on(store.accept(ids[2], b"late".to_vec())).unwrap();
    let forgotten = ActivationId::random();
    block_on(store.accept(forgotten, b"{}".to_vec())).unwrap();
    block_on(store.mark_started(forgotten)).unwrap();
    let before = store.figures().unwrap();
    block_on(store.forget(forgotten)).unwrap();
    let after = store.figures().unwrap();
    assert_eq!((before.pending, after.pending), (3, 2));
    assert_eq!(after.commits, before.commits + 1);
    drop(store);
    let mut pending = open(dir.path()).pending().unwrap();
    pending.sort_by_key(|(_, progress, _)| *progress as u8);
    let document = |id: ActivationId| id.to_string().into_bytes();
    assert_eq!(
        pending,
        [
            (ids[0], Progress::Accepted, document(ids[0])),
            (ids[1], Progress::Started, document(ids[1])),
        ]
    );
}

#[test]
fn a_record_is_written_though_nobody_waits_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let id = ActivationId::random();
    drop(store.put_activation(row(id, "guest", "a", now(), 10)));
    store.close();
    assert!(store.activation("guest", id).unwrap().is_some());
    assert!(store.activation("other", id).unwrap().is_none());
    let late = block_on(store.put_activation(row(id, "guest", "a", now(), 10)));
    assert!(late.unwrap_err().to_string().contains("closed"));
}

#[test]
fn lists_of_activations() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let start = now();
    let mut texts = Vec::new();
    for n in 0..20 {
        let id = ActivationId::random();
        let name = if n % 2 == 0 { "even" } else { "package/odd" };
        block_on(store.put_activation(row(id, "guest", name, start + n, 5))).unwrap();
        block_on(store.put_activation(row(ActivationId::random(), "other", name, start, 5)))
            .unwrap();
        texts.insert(0, format!("{{\"activationId\":\"{id}\"}}"));
    }
    let all = ActivationFilter::default();
    assert_eq!(heads(&store, &all, 0, 200), texts);
    assert_eq!(heads(&store, &all, 5, 3), texts[5..8]);
    let named = ActivationFilter {
        name: Some("even".to_owned()),
        ..all.clone()
    };
    let even: Vec<_> = texts.iter().skip(1).step_by(2).cloned().collect();
    assert_eq!(heads(&store, &named, 0, 200), even);
    let times = ActivationFilter {
        since: Some(start + 3),
        upto: Some(start + 6),
        ..all.clone()
    };
    assert_eq!(heads(&store, &times, 0, 200), texts[13..17]);
    assert_eq!(store.count_activations("guest", &times).unwrap(), 4);
    let none = ActivationFilter {
        since: Some(start + 6),
        upto: Some(start + 3),
        ..all.clone()
    };
    assert!(heads(&store, &none, 0, 200).is_empty());
    assert_eq!(store.count_activations("guest", &none).unwrap(), 0);
    assert_eq!(store.count_activations("guest", &all).unwrap(), 20);
    let with_tail = store.activations("guest", &all, 0, 1, true).unwrap();
    assert_eq!(with_tail[0].1.as_deref(), Some(&b"xxxxx"[..]));
}

#[test]
fn the_oldest_go_first_by_count_and_by_age() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        max_count: 10,
        max_age: Duration::from_secs(3600),
        ..small()
    };
    let store = Store::open(dir.path(), options).unwrap();
    let old = ActivationId::random();
    let start = now();
    let two_hours = 2 * 3600 * 1000;
    block_on(store.put_activation(row(old, "guest", "a", start - two_hours, 5))).unwrap();
    let ids: Vec<_> = (0..12).map(|_| ActivationId::random()).collect();
    for (n, id) in (0..).zip(&ids) {
        block_on(store.put_activation(row(*id, "guest", "a", start + n, 5))).unwrap();
    }
    // What is beyond the limits goes with the next commit at the latest.
    block_on(store.mark_started(old)).unwrap();
    assert!(store.activation("guest", old).unwrap().is_none());
    let left = |id: &&ActivationId| store.activation("guest", **id).unwrap().is_some();
    let left: Vec<_> = ids.iter().filter(left).copied().collect();
    assert_eq!(left, ids[2..]);
    let all = ActivationFilter::default();
    assert_eq!(store.count_activations("guest", &all).unwrap(), 10);
}

#[test]
fn old_records_go_without_any_write() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for _ in 0..500 {
        drop(store.put_activation(row(ActivationId::random(), "guest", "a", now() - 5000, 5)));
    }
    drop(store);
    let options = Options {
        max_age: Duration::from_secs(1),
        ..small()
    };
    let store = Store::open(dir.path(), options).unwrap();
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    while store.usage().unwrap().activations > 0 {
        assert!(std::time::Instant::now() < deadline, "old records stay");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_full_store_takes_activations_and_refuses_entities_until_one_is_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    // Ten times what the map can hold.
    for n in 0..2000 {
        let row = row(ActivationId::random(), "guest", "a", now() + n, 20_000);
        block_on(store.put_activation(row)).unwrap();
    }
    let usage = store.usage().unwrap();
    assert!(
        usage.activations > 20 && usage.bytes < usage.map_size,
        "{usage:?}"
    );
    // Entities displace activations, up to the reserve.
    let entity = |n: usize| EntityWrite {
        code: CodeChange::Set(vec![7; 200_000]),
        ..write(&format!("guest/{n}"), "{}", Expect::Absent)
    };
    let mut revisions = Vec::new();
    let refused = loop {
        match block_on(store.put_entity(entity(revisions.len()))) {
            Ok(revision) => revisions.push(revision),
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, StoreError::Full), "{refused}");
    assert!(
        revisions.len() >= 15,
        "only {} entities fit",
        revisions.len()
    );
    for _ in 0..50 {
        let id = ActivationId::random();
        block_on(store.accept(id, vec![b'x'; 1000])).unwrap();
        block_on(store.put_activation(row(id, "guest", "a", now(), 20_000))).unwrap();
        assert!(store.activation("guest", id).unwrap().is_some());
    }
    for (n, revision) in revisions.iter().enumerate() {
        block_on(store.delete_entity(&format!("guest/{n}"), *revision)).unwrap();
    }
    block_on(store.put_entity(entity(0))).unwrap();
}

#[test]
fn what_can_never_fit_is_refused_without_harm() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let id = ActivationId::random();
    block_on(store.put_activation(row(id, "guest", "a", now(), 100))).unwrap();
    let huge = row(ActivationId::random(), "guest", "a", now(), 5 << 20);
    assert!(matches!(
        block_on(store.put_activation(huge)),
        Err(StoreError::Full)
    ));
    assert!(store.activation("guest", id).unwrap().is_some());
}

#[test]
fn two_daemons_cannot_have_one_store() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let error = Store::open(dir.path(), small()).err().unwrap();
    assert!(matches!(error, StoreError::Locked(_)), "{error}");
    drop(store);
    open(dir.path());
}
