//! What must hold in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use super::world::World;
use super::writes::PLACES;
use super::*;
use crate::master::journal::discard;
use crate::store::{EntityList, Stored};

/// What a store has: collection, document and code by path.
type Catalogue = BTreeMap<String, (&'static str, Value, Option<Vec<u8>>)>;

impl World {
    /// Heals, and checks everything.
    pub(super) fn check(&mut self) {
        self.heal();
        self.check_once();
        self.check_refused();
        self.check_overwritten();
        self.check_accounts();
        for at in 0..self.sites.len() {
            let entries = self.sites[at].entries();
            let kept = entries.iter().filter_map(|entry| entry.kept.clone());
            let kept: BTreeSet<String> = kept.collect();
            self.begin_anew(at);
            self.check_same(at, &kept);
            // The conflicts are given up, and nothing is left of them.
            for entry in &entries {
                discard(&self.sites[at].book(), entry.number, &copies::forget).unwrap();
            }
            self.begin_anew(at);
            self.check_same(at, &BTreeSet::new());
            assert!(self.sites[at].entries().is_empty());
        }
    }

    /// A gateway begins anew, and asks the master whenever it is asked.
    fn begin_anew(&mut self, at: usize) {
        self.sites[at].setup.fresh = false;
        self.sites[at].crash();
    }

    /// Both sides show and have the same, but for what is only here.
    fn check_same(&self, at: usize, kept: &BTreeSet<String>) {
        let (mut hidden, mut forbidden) = (BTreeSet::new(), BTreeSet::new());
        for (collection, path) in PLACES {
            let shown = |(status, body): (u16, String)| {
                let mut body: Value = serde_json::from_str(&body).unwrap();
                if status != 200 {
                    body["code"].take();
                }
                (status, in_order(body))
            };
            let here = shown(self.shown(at, collection, path));
            let there = shown(self.shown_there(collection, path));
            assert_eq!(here, there, "{} {path}", collection.name());
            if there.0 != 200 {
                hidden.insert(path);
            }
            if there.0 == 403 {
                forbidden.insert(path);
            }
        }
        let mut here = catalogue(&self.sites[at].gateway().api.store);
        let mut there = catalogue(&self.cloud.api.store);
        // A binding to what may not be seen any more stays, and is not shown, either.
        here.retain(|path, _| !kept.contains(path) && !forbidden.contains(&**path));
        // A binding to what is gone, or not to be seen any more, is nothing to those who ask.
        there.retain(|path, _| !hidden.contains(&**path));
        assert_eq!(here, there);
    }
}

/// All that there is.
fn catalogue(store: &Store) -> Catalogue {
    let mut all = Catalogue::new();
    let collections = [
        Collection::Actions,
        Collection::Packages,
        Collection::Triggers,
        Collection::Rules,
    ];
    for (namespace, collection) in collections
        .into_iter()
        .flat_map(|it| [("guest", it), ("other", it)])
    {
        let visit = &mut |stored: Stored| {
            let document: Value = serde_json::from_slice(&stored.document).unwrap();
            let place = document["namespace"].as_str().unwrap();
            let path = format!("{place}/{}", document["name"].as_str().unwrap());
            let code = store.code(&path).unwrap();
            all.insert(path, (collection.name(), in_order(document), code));
            ControlFlow::Continue(())
        };
        let list = EntityList::Collection(namespace, collection);
        store.visit_entities(list, 0, visit).unwrap();
    }
    all
}

/// A document whose lists of parameters and the like are in one order.
fn in_order(mut document: Value) -> Value {
    for list in ["parameters", "annotations", "actions"] {
        if let Some(list) = document.get_mut(list).and_then(Value::as_array_mut) {
            list.sort_by_key(Value::to_string);
        }
    }
    document
}
