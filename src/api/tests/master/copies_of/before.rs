//! What was made on a gateway before it had a master.

use super::*;
use crate::entity::Trigger;

/// A gateway that was its own master, with an action `mine`, an action `both` that the master has,
/// too, and a trigger; in its store they have no marks.
fn grown() -> World {
    let world = World::new();
    for name in ["mine", "both"] {
        world.cloud.api.create(name);
    }
    world.cloud.api.trigger("t");
    let gateway = world.gateway(FRESH);
    for name in ["guest/mine", "guest/both"] {
        gateway.resolve(&world.guest, name).unwrap();
    }
    let trigger = gateway
        .copies
        .ensure_trigger(&world.guest, "guest", "t", Need::Read);
    gateway.run(trigger).unwrap();
    for path in ["guest/mine", "guest/both", "guest/t"] {
        let key = note(path);
        smol::block_on(world.store.write_all(vec![Change::Unnote { key }])).unwrap();
    }
    world.cloud.api.delete(&action("mine"));
    world.cloud.api.delete(&super::super::super::trigger("t"));
    later();
    let path = format!("{}?overwrite=true", action("both"));
    world.cloud.api.put(&path, json!({}));
    world.cloud.asked();
    world
}

fn note(path: &str) -> NoteKey {
    NoteKey::named(NoteKind::Copy, format!("{path}\0").as_bytes())
}

#[test]
fn stays_if_the_master_has_none_and_gives_way_if_it_has() {
    let world = grown();
    let gateway = world.gateway(NEVER_FRESH);
    // Out of reach: it is there, as it was.
    world.cloud.set(Way::Cut);
    for name in ["guest/mine", "guest/both"] {
        let source = gateway.to_run(&world.guest, name).unwrap();
        assert_eq!(source, Source::Offline, "{name}");
        let found = gateway.resolve(&world.guest, name).unwrap();
        assert_eq!(found.action.version, "0.0.1", "{name}");
    }
    // In reach.
    world.cloud.set(Way::Open);
    let gateway = world.gateway(NEVER_FRESH);
    for _ in 0..2 {
        let source = gateway.to_run(&world.guest, "guest/mine").unwrap();
        assert_eq!(source, Source::Fresh);
        assert!(gateway.resolve(&world.guest, "guest/mine").is_ok());
        assert!(gateway.copies.is_local("guest/mine").unwrap());
    }
    let both = gateway.resolve(&world.guest, "guest/both").unwrap();
    assert_eq!(both.action.version, "0.0.2");
    assert!(!gateway.copies.is_local("guest/both").unwrap());
    assert_eq!(gateway.retired(), ["guest/both"]);
    let trigger = gateway
        .copies
        .ensure_trigger(&world.guest, "guest", "t", Need::Run);
    assert_eq!(gateway.run(trigger).unwrap(), Source::Fresh);
    assert!(gateway.catalog.get::<Trigger>("guest/t").is_ok());
    // It is no copy of anything, and nothing is to be replaced at the master.
    assert_eq!(gateway.copies.base("guest/mine").unwrap(), None);
    // After a restart as before.
    world.cloud.set(Way::Cut);
    let gateway = world.gateway(FRESH);
    for name in ["guest/mine", "guest/both"] {
        assert!(gateway.to_run(&world.guest, name).is_ok(), "{name}");
    }
}

#[test]
fn is_asked_for_as_seldom_as_a_copy() {
    let world = grown();
    let gateway = world.gateway(FRESH);
    for _ in 0..3 {
        gateway.resolve(&world.guest, "guest/mine").unwrap();
    }
    assert_eq!(world.cloud.asked(), ["guest/actions/mine?code=false"]);
    // The master gets one of that name later.
    world.cloud.api.create("mine");
    let gateway = world.gateway(NEVER_FRESH);
    gateway.resolve(&world.guest, "guest/mine").unwrap();
    assert!(!gateway.copies.is_local("guest/mine").unwrap());
    world.cloud.api.delete(&action("mine"));
    assert_eq!(
        gateway.resolve(&world.guest, "guest/mine").unwrap_err(),
        MISSING
    );
    assert!(gateway.catalog.action("guest/mine").is_err());
}

#[test]
fn what_is_made_at_the_master_through_here_is_its_own() {
    let world = grown();
    let gateway = world.gateway(FRESH);
    gateway.resolve(&world.guest, "guest/mine").unwrap();
    let made = world.cloud.api.create("mine").to_string();
    let adopted = gateway.copies.adopt_answer(
        &world.guest,
        Shown::Own,
        Collection::Actions,
        "guest/mine",
        made.as_bytes(),
    );
    gateway.run(adopted).unwrap();
    assert!(!gateway.copies.is_local("guest/mine").unwrap());
    assert!(gateway.copies.base("guest/mine").unwrap().is_some());
}

#[test]
fn what_waits_for_the_master_is_not_from_before() {
    let world = grown();
    let gateway = world.gateway(FRESH);
    gateway.copies.ours().add("guest/mine");
    assert!(
        !gateway
            .run(gateway.copies.note_local("guest/mine"))
            .unwrap()
    );
    gateway.copies.ours().remove("guest/mine");
    assert!(
        gateway
            .run(gateway.copies.note_local("guest/mine"))
            .unwrap()
    );
    // Once that is noted, what comes to nothing does not take it away.
    gateway.copies.ours().add("guest/mine");
    assert!(gateway.copies.removal("guest/mine").unwrap().is_empty());
}

#[test]
fn goes_when_it_is_deleted_at_the_master() {
    let world = grown();
    let gateway = world.gateway(FRESH);
    gateway.resolve(&world.guest, "guest/mine").unwrap();
    gateway.run(gateway.copies.gone("guest/mine")).unwrap();
    assert!(gateway.catalog.action("guest/mine").is_err());
}

#[test]
fn foreign_namespaces_are_the_masters() {
    let world = World::new();
    let cloud = &world.cloud.api;
    cloud.package("pkg", json!({"publish": true}));
    cloud.create("pkg/a");
    let stranger = world.stranger("first", "11111111-0000-0000-0000-000000000000");
    world
        .gateway(FRESH)
        .resolve(&stranger, "guest/pkg/a")
        .unwrap();
    for path in ["guest/pkg", "guest/pkg/a"] {
        let key = NoteKey::named(
            NoteKind::Copy,
            format!("{path}\0{}", stranger.uuid).as_bytes(),
        );
        assert!(world.store.note(&key).unwrap().is_some());
        smol::block_on(world.store.write_all(vec![Change::Unnote { key }])).unwrap();
    }
    let gateway = world.gateway(NEVER_FRESH);
    world.cloud.set(Way::Cut);
    assert!(gateway.to_run(&stranger, "guest/pkg/a").is_err());
    world.cloud.set(Way::Open);
    cloud.delete(&format!("{}?force=true", package("pkg")));
    let gateway = world.gateway(NEVER_FRESH);
    assert!(gateway.resolve(&stranger, "guest/pkg/a").is_err());
    assert!(!gateway.copies.is_local("guest/none").unwrap());
}
