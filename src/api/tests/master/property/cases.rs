//! What has gone wrong once, as it was found by chance and then written down.

use super::steps::{Act, Change, Write};
use super::*;
use crate::master::journal::State;

const FORCED: Change = Change::Delete { force: true };
const DELETED: Change = Change::Delete { force: false };

fn write(collection: Collection, name: &'static str, change: Change) -> Write {
    Write {
        collection,
        name,
        change,
        overwrite: true,
        token: format!("{name} {change:?}"),
    }
}

fn package(name: &'static str, change: Change) -> Write {
    write(Collection::Packages, name, change)
}

fn here(world: &mut World, write: Write) {
    let accepted = lock(&world.accepted).len();
    world.take(&Step::Acts(vec![Act::Here(write)], Vec::new(), None));
    assert_eq!(lock(&world.accepted).len(), accepted + 1);
}

fn there(world: &mut World, write: Write) {
    world.take(&Step::Acts(vec![Act::There(write)], Vec::new(), None));
}

/// How the writes that came to nothing have ended.
fn ends(world: &World) -> Vec<String> {
    let entries = world.entries().into_iter();
    let ends = entries.map(|entry| match entry.state {
        State::Failed(end) | State::Superseded(end) => end.reason,
        State::Pending | State::Sending => panic!("entry {} is open", entry.number),
    });
    ends.collect()
}

/// A binding whose package is gone is not shown, and can be deleted.
#[test]
fn a_binding_is_deleted_although_its_package_is_gone() {
    let mut world = World::new();
    there(&mut world, package("p", Change::Package));
    there(&mut world, package("q", Change::Binding));
    assert_eq!(world.shown(Collection::Packages, "q").0, 200);
    world.take(&Step::Cut(true));
    here(&mut world, package("q", DELETED));
    there(&mut world, package("p", DELETED));
    world.heal();
    assert_eq!(ends(&world), [""; 0]);
    assert!(world.cloud.api.store.entity("guest/q").unwrap().is_none());
    world.check();
}

/// What was answered with success is shown until the master has answered to it.
#[test]
fn what_waits_is_shown_although_its_package_is_gone_there() {
    let mut world = World::new();
    here(&mut world, package("p", Change::Package));
    world.take(&Step::Cut(true));
    here(
        &mut world,
        write(Collection::Triggers, "u", Change::Trigger),
    );
    there(&mut world, package("p", FORCED));
    world.take(&Step::Cut(false));
    world.take(&Step::Restart { fresh: false });
    // Which looks whether it is shown.
    here(
        &mut world,
        write(Collection::Actions, "p/a", Change::Action),
    );
    here(&mut world, package("q", Change::Binding));
    world.heal();
    let [action, binding] = &ends(&world)[..] else {
        panic!("{:?}", world.entries());
    };
    assert!(action.contains("404"), "{action}");
    assert!(binding.contains("400"), "{binding}");
    world.check();
}

/// The package of an action that was written through here may not have been fetched.
#[test]
fn copies_of_actions_go_with_a_package_that_is_not_here() {
    let mut world = World::new();
    there(&mut world, package("p", Change::Package));
    // Whoever writes alone is asked whether it is shown then, and so fetches the package.
    let action = Act::Here(write(Collection::Actions, "p/a", Change::Action));
    world.take(&Step::Acts(vec![action, Act::Probe], Vec::new(), None));
    let stored = |world: &World, path: &str| {
        let stored = world.gateway().api.store.entity(path).unwrap();
        stored.is_some()
    };
    assert!(stored(&world, "guest/p/a") && !stored(&world, "guest/p"));
    there(&mut world, package("p", FORCED));
    assert_eq!(world.shown(Collection::Actions, "p/a").0, 404);
    assert!(!stored(&world, "guest/p/a"));
    world.check();
}
