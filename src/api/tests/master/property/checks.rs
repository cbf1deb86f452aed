//! What must hold in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use super::link::Effect;
use super::steps::{Change, PLACES, Write};
use super::world::{Accepted, World};
use super::*;
use crate::master::journal::{Entry, Operation, discard};
use crate::store::{EntityList, Stored};

/// What a store has: collection, document and code by path.
type Catalogue = BTreeMap<String, (&'static str, Value, Option<Vec<u8>>)>;

impl World {
    /// Heals, and checks everything.
    pub(super) fn check(&mut self) {
        self.heal();
        self.check_once();
        self.check_accounts();
        let entries = self.entries();
        let kept = entries.iter().filter_map(|entry| entry.kept.clone());
        let kept: BTreeSet<String> = kept.collect();
        self.restart(false);
        self.check_same(&kept);
        // The conflicts are given up, and nothing is left of them.
        for entry in &entries {
            discard(&self.book(), entry.number, &copies::forget).unwrap();
        }
        self.restart(false);
        self.check_same(&BTreeSet::new());
        assert!(self.entries().is_empty());
    }

    /// Nothing was done twice, unless somebody had undone it.
    fn check_once(&self) {
        let effects = self.cloud.effects();
        for Accepted { write, .. } in lock(&self.accepted).iter().filter(|it| it.write.is_put()) {
            let done = effects.iter().enumerate();
            let done: Vec<usize> = done
                .filter(|(_, effect)| effect.by_gateway && effect.is_put_of(write))
                .map(|(at, _)| at)
                .collect();
            for pair in done.windows(2) {
                let between = &effects[pair[0]..pair[1]];
                let undone = between.iter().any(|effect| effect.is_removal_of(write));
                assert!(undone, "{write:?} was done {} times", done.len());
            }
        }
    }

    /// What was answered with success is at the master, or says why not.
    fn check_accounts(&self) {
        let entries = self.entries();
        let effects = self.cloud.effects();
        let accepted = lock(&self.accepted).clone();
        for (nth, one) in accepted.iter().enumerate() {
            let write = &one.write;
            let later = &effects[one.after..];
            let is_done = match write.change {
                Change::Delete { .. } => {
                    later.iter().any(|effect| effect.is_removal_of(write)) || self.was("", one)
                }
                Change::Enable(active) => {
                    let status = if active { "active" } else { "inactive" };
                    later
                        .iter()
                        .any(|effect| effect.is_status_of(write, status))
                        || self.was(status, one)
                }
                _ => later.iter().any(|effect| effect.is_put_of(write)),
            };
            let entry = entries.iter().find(|entry| self.is_of(entry, write));
            assert!(
                is_done || entry.is_some(),
                "{write:?} is lost; since it was asked for the master has got {later:?}"
            );
            let Some(entry) = entry.filter(|entry| entry.operation == Operation::Put) else {
                continue;
            };
            // What it has made, or what was kept of it in its package, was deleted here afterwards,
            // perhaps by somebody who has not been told so.
            let mut after = accepted[nth + 1..].iter();
            let gone = after.any(|other| other.write.removes(write))
                || later
                    .iter()
                    .any(|effect| effect.by_gateway && effect.is_removal_of(write))
                || entries.iter().any(|later| is_removed_by(entry, later));
            match &entry.kept {
                Some(kept) if !gone => self.check_kept(kept, &entries),
                Some(_) => {}
                None => assert!(is_done || gone, "nothing is kept of {entry:?}"),
            }
        }
    }

    /// Whether an entry of the journal is of a write.
    fn is_of(&self, entry: &Entry, write: &Write) -> bool {
        let operation = match write.change {
            Change::Delete { .. } => Operation::Delete,
            Change::Enable(_) => Operation::Status,
            _ => Operation::Put,
        };
        let body = self.book().body(entry.number).unwrap();
        let is_its = !write.is_put() || has_token(&String::from_utf8(body).unwrap(), write);
        entry.path == write.path() && entry.operation == operation && is_its
    }

    /// Whether the master has had something in a state since that was asked for, of which it needs
    /// not have heard then.
    fn was(&self, state: &str, accepted: &Accepted) -> bool {
        // As it was before the step.
        let mut seen = self.states[accepted.step.saturating_sub(2)..].iter();
        seen.any(|seen| seen[accepted.write.name] == state)
    }

    /// What is kept of several writes is what the last of them has made.
    fn check_kept(&self, kept: &str, entries: &[Entry]) {
        let stored = self.gateway().api.store.entity(kept).unwrap();
        let stored = stored.unwrap_or_else(|| panic!("{kept} is not there"));
        let of = entries.iter().rev();
        let mut of = of.filter(|entry| entry.kept.as_deref() == Some(kept));
        let last = of.find(|entry| entry.operation == Operation::Put).unwrap();
        let body = self.book().body(last.number).unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        let set = ["parameters", "annotations"].map(|list| &body[list][0]["value"]);
        let token = set.into_iter().find_map(Value::as_str).unwrap();
        let document = String::from_utf8(stored.document).unwrap();
        assert!(
            document.contains(&format!("\"{token}\"")),
            "{kept}: {document}"
        );
    }

    /// Both sides show and have the same, but for what is only here.
    fn check_same(&self, kept: &BTreeSet<String>) {
        let mut hidden = BTreeSet::new();
        for (collection, name) in PLACES {
            let shown = |(status, body): (u16, String)| {
                let mut body: Value = serde_json::from_str(&body).unwrap();
                if status != 200 {
                    body["code"].take();
                }
                (status, in_order(body))
            };
            let here = shown(self.shown(collection, name));
            let there = shown(self.shown_there(collection, name));
            assert_eq!(here, there, "{} {name}", collection.name());
            if there.0 != 200 {
                hidden.insert(format!("guest/{name}"));
            }
        }
        let mut here = catalogue(&self.gateway().api.store);
        let mut there = catalogue(&self.cloud.api.store);
        here.retain(|path, _| !kept.contains(path));
        // A binding to what is gone is nothing to those who ask.
        there.retain(|path, _| !hidden.contains(path));
        assert_eq!(here, there);
    }
}

impl Effect {
    fn is_put_of(&self, write: &Write) -> bool {
        self.method == Method::Put && has_token(&self.body, write)
    }

    fn is_status_of(&self, write: &Write, status: &str) -> bool {
        self.of == format!("rules/{}", write.name) && self.body.contains(&format!("\"{status}\""))
    }

    /// Whether after this what a write has made is not there.
    fn is_removal_of(&self, write: &Write) -> bool {
        let (collection, name) = self.of.split_once('/').unwrap();
        self.method == Method::Delete
            && (collection == write.collection.name() && name == write.name
                || collection == "packages" && is_in(write, name))
    }
}

impl Write {
    /// Whether after this what another has made is not there.
    fn removes(&self, other: &Write) -> bool {
        matches!(self.change, Change::Delete { .. })
            && (self.name == other.name && self.collection == other.collection
                || self.collection == Collection::Packages && is_in(other, self.name))
    }
}

/// Whether a later entry deletes what an earlier one has made, whoever was told of that.
fn is_removed_by(entry: &Entry, later: &Entry) -> bool {
    let behind = entry.path.strip_prefix(&later.path);
    later.number > entry.number
        && later.operation == Operation::Delete
        && behind.is_some_and(|behind| behind.is_empty() || behind.starts_with('/'))
}

fn is_in(write: &Write, package: &str) -> bool {
    let of_package = write.name.split_once('/').map(|(package, _)| package);
    of_package == Some(package)
}

fn has_token(body: &str, write: &Write) -> bool {
    body.contains(&format!("\"{}\"", write.token))
}

/// All that guest has.
fn catalogue(store: &Store) -> Catalogue {
    let mut all = Catalogue::new();
    for collection in [
        Collection::Actions,
        Collection::Packages,
        Collection::Triggers,
        Collection::Rules,
    ] {
        let visit = &mut |stored: Stored| {
            let document: Value = serde_json::from_slice(&stored.document).unwrap();
            let place = document["namespace"].as_str().unwrap();
            let path = format!("{place}/{}", document["name"].as_str().unwrap());
            let code = store.code(&path).unwrap();
            all.insert(path, (collection.name(), in_order(document), code));
            ControlFlow::Continue(())
        };
        let list = EntityList::Collection("guest", collection);
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
