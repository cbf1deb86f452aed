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

/// How often steps are tried before they are taken for not failing.
const TIMES: usize = 3;

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

/// What goes wrong at one of several times: the threads of the stores take their own time.
fn failure_at_times(scenario: &Scenario) -> Option<String> {
    (0..TIMES).find_map(|_| failure(scenario))
}

/// The fewest steps that were found to fail, and why they do.
fn shrunk(mut scenario: Scenario, mut reason: String) -> (Scenario, String) {
    let mut length = scenario.steps.len() / 2;
    while length > 0 {
        let mut at = 0;
        while at < scenario.steps.len() {
            let mut fewer = scenario.clone();
            let end = (at + length).min(fewer.steps.len());
            fewer.steps.drain(at..end);
            if let Some(other) = failure_at_times(&fewer) {
                (scenario, reason) = (fewer, other);
            } else {
                at += length;
            }
        }
        length /= 2;
    }
    (scenario, reason)
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
        if let Some(reason) = failure(&scenario) {
            let (scenario, reason) = shrunk(scenario, reason);
            panic!("seed {seed} fails: {reason}\nwith {scenario:#?}");
        }
    }
}
