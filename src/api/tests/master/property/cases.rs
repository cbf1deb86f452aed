//! What has gone wrong once, as it was found by chance and then written down.

use super::steps::{Act, Setup, Step};
use super::writes::{Change, Write};
use super::*;
use crate::master::journal::State;

const FORCED: Change = Change::Delete { force: true };
const DELETED: Change = Change::Delete { force: false };
const PACKAGE: Change = Change::Package { publish: false };
const BINDING: Change = Change::Binding("guest/p");

fn write(collection: Collection, path: &'static str, change: Change) -> Write {
    Write {
        collection,
        path,
        change,
        overwrite: true,
        token: format!("{path} {change:?}").replace('"', ""),
    }
}

fn package(path: &'static str, change: Change) -> Write {
    write(Collection::Packages, path, change)
}

fn here(world: &mut World, write: Write) {
    world.take(&Step::Acts(vec![Act::Here(0, write)], Vec::new()));
    assert!(lock(&world.asked).last().unwrap().is_accepted());
}

fn there(world: &mut World, write: Write) {
    world.take(&Step::Acts(vec![Act::There(write)], Vec::new()));
}

/// How the writes that came to nothing have ended.
fn ends(world: &World) -> Vec<String> {
    let entries = world.sites[0].entries().into_iter();
    let ends = entries.map(|entry| match entry.state {
        State::Failed(end) | State::Superseded(end) => end.reason,
        State::Pending | State::Sending => panic!("entry {} is open", entry.number),
    });
    ends.collect()
}

/// A binding whose package is gone is not shown, and can be deleted.
#[test]
fn a_binding_is_deleted_although_its_package_is_gone() {
    let mut world = World::new(1);
    there(&mut world, package("guest/p", PACKAGE));
    there(&mut world, package("guest/q", BINDING));
    assert_eq!(world.shown(0, Collection::Packages, "guest/q").0, 200);
    world.take(&Step::Cut(0, true));
    here(&mut world, package("guest/q", DELETED));
    there(&mut world, package("guest/p", DELETED));
    world.heal();
    assert_eq!(ends(&world), [""; 0]);
    assert!(gateway::stored(&world.cloud.api.store, "guest/q").is_none());
    world.check();
}

/// What was answered with success is shown until the master has answered to it.
#[test]
fn what_waits_is_shown_although_its_package_is_gone_there() {
    let mut world = World::new(1);
    here(&mut world, package("guest/p", PACKAGE));
    world.take(&Step::Cut(0, true));
    here(
        &mut world,
        write(Collection::Triggers, "guest/u", Change::Trigger),
    );
    there(&mut world, package("guest/p", FORCED));
    world.take(&Step::Cut(0, false));
    let setup = Setup {
        fresh: false,
        journal: Some(JOURNAL_BYTES),
    };
    world.take(&Step::Restart(0, setup));
    // Which looks whether it is shown.
    here(
        &mut world,
        write(Collection::Actions, "guest/p/a", Change::Action),
    );
    here(&mut world, package("guest/q", BINDING));
    world.heal();
    let [action, binding] = &ends(&world)[..] else {
        panic!("{:?}", world.sites[0].entries());
    };
    assert!(action.contains("404"), "{action}");
    assert!(binding.contains("400"), "{binding}");
    world.check();
}

/// The package of an action that was written through here may not have been fetched.
#[test]
fn copies_of_actions_go_with_a_package_that_is_not_here() {
    let mut world = World::new(1);
    there(&mut world, package("guest/p", PACKAGE));
    // Whoever writes alone is asked whether it is shown then, and so fetches the package.
    let action = Act::Here(0, write(Collection::Actions, "guest/p/a", Change::Action));
    world.take(&Step::Acts(vec![action, Act::Probe(0)], Vec::new()));
    let stored = |world: &World, path: &str| world.sites[0].stored(path).is_some();
    assert!(stored(&world, "guest/p/a") && !stored(&world, "guest/p"));
    there(&mut world, package("guest/p", FORCED));
    assert_eq!(world.shown(0, Collection::Actions, "guest/p/a").0, 404);
    assert!(!stored(&world, "guest/p/a"));
    world.check();
}

/// Where a package was there may be a binding, through which other actions are seen.
#[test]
fn copies_of_actions_go_when_their_package_becomes_a_binding() {
    let mut world = World::new(1);
    there(&mut world, package("guest/p", PACKAGE));
    there(&mut world, package("guest/q", PACKAGE));
    here(
        &mut world,
        write(Collection::Actions, "guest/q/a", Change::Action),
    );
    there(&mut world, package("guest/q", FORCED));
    there(&mut world, package("guest/q", BINDING));
    assert_eq!(world.shown(0, Collection::Actions, "guest/q/a").0, 404);
    assert!(world.sites[0].stored("guest/q/a").is_none());
    world.check();
}

/// A trigger that a dropped write has changed is still the master's.
#[test]
fn triggers_of_dropped_rules_are_not_taken_for_ones_own() {
    let mut world = World::new(1);
    here(
        &mut world,
        write(Collection::Actions, "guest/a", Change::Action),
    );
    here(
        &mut world,
        write(Collection::Triggers, "guest/t", Change::Trigger),
    );
    let rule = Change::Rule {
        trigger: "t",
        action: "guest/a",
    };
    world.take(&Step::Cut(0, true));
    here(&mut world, write(Collection::Rules, "guest/r", rule));
    world.take(&Step::Acts(vec![Act::Drop(0, 0)], Vec::new()));
    assert!(world.sites[0].entries().is_empty());
    there(&mut world, write(Collection::Triggers, "guest/t", DELETED));
    world.take(&Step::Cut(0, false));
    world.check();
}

/// What has arrived at the master is done, though nobody is there any more to hear of it.
#[test]
fn the_master_goes_on_when_a_gateway_is_gone() {
    let mut world = World::new(1);
    let trigger = write(Collection::Triggers, "guest/t", Change::Trigger);
    let made = vec![Act::There(trigger.clone())];
    world.take(&Step::Crash(0, 1, made, Vec::new()));
    let effects = world.cloud.effects();
    assert!(matches!(&effects[..], [made] if made.is_put_of(&trigger)));
    world.check();
}

/// With an entry that is dropped goes what is just being written to the same entity.
#[test]
fn what_comes_while_its_entry_is_dropped_goes_with_it() {
    for _ in 0..20 {
        let mut world = World::new(1);
        world.take(&Step::Cut(0, true));
        let [first, second] = ["one", "two"].map(|token| Write {
            token: token.into(),
            ..write(Collection::Triggers, "guest/u", Change::Trigger)
        });
        here(&mut world, first);
        let acts = vec![Act::Here(0, second), Act::Drop(0, 0)];
        world.take(&Step::Acts(acts, Vec::new()));
        world.take(&Step::Cut(0, false));
        world.check();
    }
}
