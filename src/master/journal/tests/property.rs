//! Writes on both sides in any order, with cuts, lost answers and crashes: nothing that was
//! answered is lost, nothing is done twice, and in the end both sides have the same but for what
//! was kept of conflicts.

use std::collections::{BTreeMap, BTreeSet};

use smol::block_on;

use super::cloud::{Cloud, Fault};
use super::gateway::Gateway;
use super::polled;
use crate::master::journal::order::{Next, Order};
use crate::master::journal::{Operation, State, discard};
use crate::store::{Change, Collection};

/// Small and good enough to choose what happens.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    /// Faults of the next requests: as a rule one, at any of them.
    fn faults(&mut self) -> Vec<Fault> {
        let mut faults = vec![Fault::None; self.below(4) as usize];
        faults.push(match self.below(8) {
            0 => Fault::Unsent,
            1 => Fault::LostThere,
            2..=4 => Fault::LostBack,
            5 => Fault::Status(503),
            6 => Fault::Status(429),
            _ => Fault::Status(500),
        });
        faults
    }
}

const PLACES: [(Collection, &str); 3] = [
    (Collection::Actions, "ns/a"),
    (Collection::Actions, "ns/b"),
    (Collection::Triggers, "ns/t"),
];

/// What was answered with success.
#[derive(Default)]
struct Accepted {
    /// Entry, path and token of each write; no token: a deletion.
    writes: Vec<(u64, String, Option<String>)>,
    /// Tokens after whose effect somebody else has deleted the entity.
    deleted_after: BTreeSet<String>,
}

struct Round {
    random: Random,
    dir: tempfile::TempDir,
    cloud: Cloud,
    gateway: Option<Gateway>,
    accepted: Accepted,
    tokens: u64,
}

impl Round {
    fn new(seed: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let gateway = Gateway::open(dir.path());
        Round {
            random: Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            dir,
            cloud: Cloud::default(),
            gateway: Some(gateway),
            accepted: Accepted::default(),
            tokens: 0,
        }
    }

    fn gateway(&self) -> &Gateway {
        self.gateway.as_ref().unwrap()
    }

    fn token(&mut self) -> String {
        self.tokens += 1;
        let kind = if self.random.below(12) == 0 {
            "refuse"
        } else {
            "token"
        };
        format!("{kind}{}", self.tokens)
    }

    fn step(&mut self) {
        let (collection, path) = PLACES[self.random.below(3) as usize];
        match self.random.below(20) {
            0..=5 => self.write_here(collection, path),
            6 => {
                let token = self.token();
                self.cloud.put(collection, path, &token);
            }
            7 => self.delete_there(collection, path),
            8..=9 => self.fetch(collection, path),
            10 => self.restart(),
            _ => {
                let faults = self.random.faults();
                self.cloud.fail(faults);
                self.replay_one();
                self.cloud.fail([]);
            }
        }
    }

    fn write_here(&mut self, collection: Collection, path: &str) {
        let (operation, token) = match self.random.below(4) {
            0 => (Operation::Delete, None),
            _ => (Operation::Put, Some(self.token())),
        };
        let polls = 1 + self.random.below(8);
        let crashes = self.random.below(6) == 0;
        let text = token.clone().unwrap_or_default();
        let write = self.gateway().write(operation, collection, path, &text);
        let answer = if crashes {
            block_on(polled(polls, write))
        } else {
            Some(block_on(write))
        };
        match answer {
            Some(answer) => {
                let number = answer.unwrap();
                let write = number.map(|number| (number, path.to_owned(), token));
                self.accepted.writes.extend(write);
            }
            // Nobody was told anything.
            None if self.random.below(2) == 0 => self.restart(),
            None => {}
        }
    }

    fn delete_there(&mut self, collection: Collection, path: &str) {
        let effects = self.cloud.with(|model| model.effects.clone());
        let tokens = effects.into_iter().filter(|(of, _)| of == path);
        let tokens = tokens.filter_map(|(_, token)| token);
        self.accepted.deleted_after.extend(tokens);
        self.cloud.delete(collection, path);
    }

    /// A connected request, unless the path is held for what waits.
    fn fetch(&self, collection: Collection, path: &str) {
        let gateway = self.gateway();
        let is_held = crate::sync::lock(&gateway.copies.held)
            .iter()
            .any(|held| held == path);
        if !is_held {
            block_on(gateway.copy(&self.cloud, collection, path));
        }
    }

    fn restart(&mut self) {
        self.gateway = None;
        self.gateway = Some(Gateway::open(self.dir.path()));
    }

    /// The first entry is replayed, as far as it comes; gives whether there was one.
    fn replay_one(&mut self) -> bool {
        let polls = match self.random.below(3) {
            0 => 1 + self.random.below(16),
            _ => u64::MAX,
        };
        let gateway = self.gateway.as_ref().unwrap();
        block_on(gateway.journal.refresh()).unwrap();
        let Next::Entry(number) = gateway.journal.next(&Order::default()) else {
            return false;
        };
        let mut replayer = gateway.replayer(&self.cloud);
        match block_on(polled(polls, replayer.replay(number))) {
            Some(done) => done.unwrap(),
            None => {
                drop(replayer);
                self.restart();
            }
        }
        true
    }

    fn heal(&mut self) {
        for _ in 0..1000 {
            if !self.replay_one() {
                return;
            }
        }
        panic!("the journal does not come to an end");
    }

    /// Nothing was done twice, unless somebody else has undone it.
    fn check_effects(&self) {
        let mut times: BTreeMap<String, u32> = BTreeMap::new();
        let effects = self.cloud.with(|model| model.effects.clone());
        for token in effects.iter().filter_map(|(_, token)| token.clone()) {
            *times.entry(token).or_default() += 1;
        }
        for (token, times) in times {
            let undone = self.accepted.deleted_after.contains(&token);
            assert!(times == 1 || undone, "{token} was written {times} times");
        }
    }

    /// All that was accepted is at the master, or says why not and is kept.
    fn check_accounts(&self) {
        let gateway = self.gateway();
        let entries = gateway.entries();
        let effects = self.cloud.with(|model| model.effects.clone());
        for (number, path, token) in &self.accepted.writes {
            let entry = entries.iter().find(|entry| entry.number == *number);
            match entry {
                Some(entry) => {
                    assert!(!entry.is_open());
                    assert!(matches!(
                        &entry.state,
                        State::Superseded(_) | State::Failed(_)
                    ));
                    if let Some(kept) = &entry.kept {
                        assert!(gateway.thing(kept).is_some(), "{kept} is kept");
                    }
                    if token.is_some() {
                        assert!(!gateway.book().body(*number).unwrap().is_empty());
                    }
                }
                // What was to be deleted may have been deleted by somebody else.
                None if token.is_none() => {}
                None => assert!(effects.contains(&(path.clone(), token.clone()))),
            }
        }
    }

    /// Both sides have the same, but for `kept`, which are only here.
    fn check_same(&self, kept: &BTreeSet<String>) {
        let gateway = self.gateway();
        for (collection, path) in PLACES {
            // As the next request would.
            self.fetch(collection, path);
            let here = gateway.thing(path);
            assert_eq!(here, self.cloud.thing(collection, path), "{path}");
        }
        for collection in [Collection::Actions, Collection::Triggers] {
            let list = crate::store::EntityList::Collection("ns", collection);
            let store = gateway.catalog.store();
            let visit = &mut |stored: crate::store::Stored| {
                let read: serde_json::Value = serde_json::from_slice(&stored.document).unwrap();
                let path = format!("ns/{}", read["name"].as_str().unwrap());
                let is_known = PLACES.iter().any(|(_, known)| *known == path);
                assert!(is_known || kept.contains(&path), "{path} is left over");
                std::ops::ControlFlow::Continue(())
            };
            store.visit_entities(list, 0, visit).unwrap();
        }
        assert!(crate::sync::lock(&gateway.copies.held).is_empty());
    }

    /// Without a fetch: what was settled last is what is here.
    fn check_settled(&self, before: &BTreeMap<&str, Option<super::cloud::Thing>>) {
        for (path, there) in before {
            assert_eq!(
                &self.gateway().thing(path),
                there,
                "{path} as it was settled"
            );
        }
    }
}

#[test]
fn both_sides_agree_in_the_end() {
    for seed in 1..=40 {
        let mut round = Round::new(seed);
        for _ in 0..60 {
            round.step();
        }
        round.cloud.fail([]);
        let written: BTreeSet<String> = {
            let open = round.gateway().entries().into_iter();
            let open = open.filter(|entry| entry.is_open());
            open.map(|entry| entry.path).collect()
        };
        round.heal();
        // What was settled in the end, when nobody else writes any more, is the master's.
        let settled: BTreeMap<_, _> = PLACES
            .into_iter()
            .filter(|(_, path)| written.contains(*path))
            .map(|(collection, path)| (path, round.cloud.thing(collection, path)))
            .collect();
        round.check_settled(&settled);
        round.check_effects();
        round.check_accounts();
        let ended = round.gateway().entries();
        let kept = ended
            .iter()
            .filter_map(|entry| entry.kept.clone())
            .collect();
        round.check_same(&kept);

        // The conflicts are dropped, and nothing is left.
        for entry in &ended {
            let forget = |path: &str| Change::Unnote {
                key: super::gateway::mark(path),
            };
            discard(&round.gateway().book(), entry.number, &forget).unwrap();
        }
        round.check_same(&BTreeSet::new());
        assert!(round.gateway().entries().is_empty());
    }
}
