//! Writes on both sides in any order, with cuts, lost answers, crashes and restarts: two whole
//! APIs, each over a store of its own, one of which is the other's master. Whatever has happened,
//! when the way is free again both have the same but for what is kept of conflicts, and everything
//! that was answered with success is accounted for.
//!
//! What happens is chosen by a seed. `OWL_TEST_CASES` sets how many seeds are tried, beginning with
//! `OWL_TEST_SEED`. When one fails, steps are left out for as long as it still does, and those that
//! are left are printed.

mod cases;
mod checks;
mod link;
mod steps;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;
use crate::store::Collection;
use steps::Step;
use world::World;

/// A copy is not compared again while a gateway lives.
const FRESH: Duration = Duration::from_secs(3600);

/// Seeds that are tried unless it is said otherwise.
const CASES: u64 = 60;

/// What happens with each of them.
const STEPS: usize = 60;

fn run(steps: &[Step]) {
    let mut world = World::new();
    for step in steps {
        world.take(step);
    }
    world.check();
}

/// What went wrong, if anything did.
fn failure(steps: &[Step]) -> Option<String> {
    let failed = catch_unwind(AssertUnwindSafe(|| run(steps))).err()?;
    let text = failed.downcast_ref::<String>().cloned();
    Some(text.unwrap_or_else(|| "a panic without a text".into()))
}

/// The fewest steps that were found to fail.
fn shrunk(mut steps: Vec<Step>) -> Vec<Step> {
    let mut length = steps.len() / 2;
    while length > 0 {
        let mut at = 0;
        while at < steps.len() {
            let mut fewer = steps.clone();
            fewer.drain(at..(at + length).min(steps.len()));
            if failure(&fewer).is_some() {
                steps = fewer;
            } else {
                at += length;
            }
        }
        length /= 2;
    }
    steps
}

fn setting(name: &str, default: u64) -> u64 {
    let set = std::env::var(name).ok();
    set.map_or(default, |set| set.parse().expect("a number"))
}

#[test]
fn both_sides_agree_in_the_end() {
    let first = setting("OWL_TEST_SEED", 1);
    for seed in first..first + setting("OWL_TEST_CASES", CASES) {
        let steps = steps::steps(seed, STEPS);
        if failure(&steps).is_some() {
            let steps = shrunk(steps);
            let reason = failure(&steps).unwrap_or_else(|| "it fails only sometimes".into());
            panic!("seed {seed} fails: {reason}\nwith {steps:#?}");
        }
    }
}
