//! The store against a model, and its behaviour one by one.

use std::collections::BTreeMap;
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

/// Small and good enough to choose operations.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// Revision, `updated`, document, code.
type ModelEntity = (u64, u64, Vec<u8>, Option<Vec<u8>>);

/// What the store should hold.
#[derive(Default)]
struct Model {
    entities: BTreeMap<String, ModelEntity>,
    activations: BTreeMap<(u64, ActivationId), (&'static str, &'static str)>,
    pending: BTreeMap<ActivationId, bool>,
}

const NAMESPACES: [&str; 2] = ["guest", "other"];
const NAMES: [&str; 3] = ["a", "b", "package/a"];

impl Model {
    fn step(&mut self, store: &Store, random: &mut Random, clock: u64) {
        let namespace = NAMESPACES[random.below(2) as usize];
        let name = NAMES[random.below(3) as usize];
        match random.below(8) {
            0 | 1 => self.put_entity(store, random, clock, format!("{namespace}/{name}")),
            2 => {
                let path = format!("{namespace}/{name}");
                let revision = self.entities.get(&path).map_or(1, |entity| entity.0);
                let deleted = block_on(store.delete_entity(&path, revision));
                assert_eq!(deleted.is_ok(), self.entities.remove(&path).is_some());
            }
            3 => {
                let id = ActivationId::random();
                block_on(store.accept(id, b"{}".to_vec())).unwrap();
                self.pending.insert(id, false);
            }
            4 => {
                if let Some((id, started)) = self.pending.iter_mut().next() {
                    block_on(store.mark_started(*id)).unwrap();
                    *started = true;
                }
            }
            _ => {
                let pending = self.pending.pop_last().map(|(id, _)| id);
                let id = pending.unwrap_or_else(ActivationId::random);
                let tail = random.below(9000) as usize;
                block_on(store.put_activation(row(id, namespace, name, clock, tail))).unwrap();
                self.activations.insert((clock, id), (namespace, name));
            }
        }
    }

    fn put_entity(&mut self, store: &Store, random: &mut Random, clock: u64, path: String) {
        let old = self.entities.get(&path).cloned();
        let document = clock.to_string().into_bytes();
        let (change, code) = match random.below(3) {
            0 => (CodeChange::Keep, old.as_ref().and_then(|old| old.3.clone())),
            1 => (CodeChange::Remove, None),
            _ => (CodeChange::Set(document.clone()), Some(document.clone())),
        };
        let expect = match &old {
            Some(old) => Expect::Revision(old.0),
            None => Expect::Absent,
        };
        let revision = block_on(store.put_entity(EntityWrite {
            path: path.clone(),
            collection: Collection::Actions,
            document: document.clone(),
            code: change,
            updated: clock,
            expect,
        }));
        let entity = (revision.unwrap(), clock, document, code);
        self.entities.insert(path, entity);
    }

    fn check(&self, store: &Store) {
        let mut pending: Vec<_> = store.pending().unwrap();
        pending.sort_by_key(|(id, ..)| *id);
        let pending: Vec<_> = pending
            .into_iter()
            .map(|(id, progress, _)| (id, progress == Progress::Started))
            .collect();
        assert_eq!(pending, Vec::from_iter(self.pending.clone()));
        for namespace in NAMESPACES {
            self.check_entities(store, namespace);
            for name in [None, Some(NAMES[0]), Some(NAMES[1]), Some(NAMES[2])] {
                self.check_activations(store, namespace, name);
            }
        }
    }

    fn check_entities(&self, store: &Store, namespace: &str) {
        let mut expected: Vec<_> = self
            .entities
            .iter()
            .filter(|(path, _)| path.starts_with(namespace))
            .collect();
        for (path, (revision, _, document, code)) in &expected {
            let stored = store.entity(path).unwrap().unwrap();
            assert_eq!((&stored.revision, &stored.document), (revision, document));
            assert_eq!(&store.code(path).unwrap(), code);
        }
        expected.sort_by_key(|(_, entity)| std::cmp::Reverse(entity.1));
        let list = EntityList::Collection(namespace, Collection::Actions);
        let expected: Vec<_> = expected.into_iter().map(|(_, e)| e.2.clone()).collect();
        assert_eq!(listed(store, list), expected);
        let count = store.count_entities(list);
        assert_eq!(count.unwrap(), expected.len() as u64);
    }

    fn check_activations(&self, store: &Store, namespace: &str, name: Option<&str>) {
        let filter = ActivationFilter {
            name: name.map(str::to_owned),
            ..ActivationFilter::default()
        };
        let list = store.activations(namespace, &filter, 0, usize::MAX, true);
        let listed: Vec<_> = list.unwrap().into_iter().map(|(head, _)| head).collect();
        let expected: Vec<_> = self
            .activations
            .iter()
            .rev()
            .filter(|(_, of)| of.0 == namespace && name.is_none_or(|name| name == of.1))
            .map(|((start, id), of)| row(*id, of.0, of.1, *start, 0).head)
            .collect();
        assert_eq!(listed, expected);
        let count = store.count_activations(namespace, &filter).unwrap();
        assert_eq!(count, expected.len() as u64);
    }
}

#[test]
fn random_operations_agree_with_a_model() {
    const KEPT: usize = 100;
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        max_count: KEPT as u64,
        ..small()
    };
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let mut model = Model::default();
    let clock = now();
    for round in 0..15 {
        let store = Store::open(dir.path(), options.clone()).unwrap();
        for step in 0..100 {
            model.step(&store, &mut random, clock + round * 100 + step);
        }
        // One more commit, so that the limit has been applied to all that came before.
        block_on(store.mark_started(ActivationId::random())).unwrap();
        while model.activations.len() > KEPT {
            model.activations.pop_first();
        }
        model.check(&store);
    }
    assert_eq!(model.activations.len(), KEPT, "the limit was never reached");
}
