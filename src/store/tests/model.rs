//! The store against a model of it.

use std::collections::BTreeMap;

use super::*;

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
