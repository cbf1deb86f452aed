//! Writes on both sides in any order, with cuts, lost answers, crashes and restarts: whole APIs,
//! each over a store of its own, one of which is the master of the others. Whatever has happened,
//! when the ways are free again all have the same but for what is kept of conflicts, and everything
//! that was answered is accounted for.
//!
//! What happens is chosen by a seed. `OWL_TEST_CASES` sets how many seeds are tried, beginning with
//! `OWL_TEST_SEED`. When one fails, steps are left out for as long as it still does, and those that
//! are left are printed.

mod accounts;
mod cases;
mod checks;
mod gateway;
mod link;
mod random;
mod steps;
mod world;
mod writes;

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;
use crate::store::Collection;
use steps::Scenario;
use world::World;

/// Bytes of a journal that is full after some writes.
const SMALL_JOURNAL: u64 = 5 << 10;

/// Seeds that are tried unless it is said otherwise.
const CASES: u64 = 60;

/// What happens with each of them.
const STEPS: usize = 60;

fn run(scenario: &Scenario) {
    let mut world = World::new(scenario.gateways);
    for step in &scenario.steps {
        world.take(step);
    }
    world.check();
}

/// What went wrong, if anything did.
fn failure(scenario: &Scenario) -> Option<String> {
    let failed = catch_unwind(AssertUnwindSafe(|| run(scenario))).err()?;
    let text = failed.downcast_ref::<String>().cloned();
    Some(text.unwrap_or_else(|| "a panic without a text".into()))
}

/// The fewest steps that were found to fail.
fn shrunk(mut scenario: Scenario) -> Scenario {
    let mut length = scenario.steps.len() / 2;
    while length > 0 {
        let mut at = 0;
        while at < scenario.steps.len() {
            let mut fewer = scenario.clone();
            let end = (at + length).min(fewer.steps.len());
            fewer.steps.drain(at..end);
            if failure(&fewer).is_some() {
                scenario = fewer;
            } else {
                at += length;
            }
        }
        length /= 2;
    }
    scenario
}

fn setting(name: &str, default: u64) -> u64 {
    let set = std::env::var(name).ok();
    set.map_or(default, |set| set.parse().expect("a number"))
}

#[test]
fn both_sides_agree_in_the_end() {
    let first = setting("OWL_TEST_SEED", 1);
    for seed in first..first + setting("OWL_TEST_CASES", CASES) {
        let scenario = steps::scenario(seed, STEPS);
        if failure(&scenario).is_some() {
            let scenario = shrunk(scenario);
            let reason = failure(&scenario).unwrap_or_else(|| "it fails only sometimes".into());
            panic!("seed {seed} fails: {reason}\nwith {scenario:#?}");
        }
    }
}
