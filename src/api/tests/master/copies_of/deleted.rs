//! What was deleted, and who may not see it, while the master is out of reach.

use super::*;

/// Waits until the store says something of a path.
fn noted(gateway: &Gateway, store: &Store, path: &str) {
    let key = NoteKey::named(NoteKind::Copy, format!("{path}\0").as_bytes());
    gateway.run(async {
        while store.note(&key).unwrap().is_none() {
            smol::future::yield_now().await;
        }
    });
}

#[test]
fn is_known_to_be_missing_also_after_a_restart() {
    let world = World::new();
    for name in ["a", "b"] {
        world.cloud.api.create(name);
    }
    let gateway = world.gateway(NEVER_FRESH);
    for name in ["guest/a", "guest/b"] {
        gateway.resolve(&world.guest, name).unwrap();
        world.cloud.api.delete(&action(&name["guest/".len()..]));
    }
    // One through here, the other as it is looked at again.
    gateway.run(gateway.copies.gone("guest/a")).unwrap();
    gateway.resolve(&world.guest, "guest/b").unwrap_err();
    for name in ["guest/a", "guest/b"] {
        noted(&gateway, &world.store, name);
    }
    world.cloud.set(Way::Cut);
    for gateway in [gateway, world.gateway(FRESH)] {
        for name in ["guest/a", "guest/b"] {
            let found = gateway.resolve(&world.guest, name);
            assert_eq!(found.unwrap_err(), MISSING, "{name}");
        }
        let unknown = gateway.to_run(&world.guest, "guest/c").unwrap_err();
        assert!(matches!(unknown, CopyError::Unavailable(_)));
    }
    // In reach, it is asked for: it may have been made again.
    world.cloud.set(Way::Open);
    world.cloud.api.create("a");
    let gateway = world.gateway(FRESH);
    assert!(gateway.resolve(&world.guest, "guest/a").is_ok());
    assert!(gateway.copies.base("guest/a").unwrap().is_some());
}

#[test]
fn what_is_made_again_at_once_is_there() {
    let world = World::new();
    let made = world.cloud.api.create("a");
    let gateway = world.gateway(FRESH);
    gateway.resolve(&world.guest, "guest/a").unwrap();
    let (copies, guest) = (&gateway.copies, &world.guest);
    gateway.run(async {
        copies.gone("guest/a").await.unwrap();
        let document = made.to_string();
        let adopted = copies.adopt_answer(
            guest,
            Shown::Own,
            Collection::Actions,
            "guest/a",
            document.as_bytes(),
        );
        adopted.await.unwrap();
        for _ in 0..100 {
            smol::future::yield_now().await;
        }
    });
    world.cloud.set(Way::Cut);
    let gateway = world.gateway(FRESH);
    assert!(gateway.resolve(&world.guest, "guest/a").is_ok());
    assert!(gateway.copies.base("guest/a").unwrap().is_some());
}

#[test]
fn of_a_package_nothing_stays_however_it_went() {
    let world = World::new();
    let cloud = &world.cloud.api;
    cloud.package("p", json!({}));
    for name in ["p/a", "p/b", "other"] {
        cloud.create(name);
    }
    let gateway = world.gateway(FRESH);
    for name in ["guest/p/a", "guest/p/b", "guest/other"] {
        gateway.resolve(&world.guest, name).unwrap();
    }
    let marked = |path: &str| {
        let key = NoteKey::named(NoteKind::Copy, format!("{path}\0").as_bytes());
        world.store.note(&key).unwrap().is_some()
    };
    // Deleted here with all that is in it, while the master was away; one was made again since.
    for path in ["guest/p", "guest/p/a", "guest/p/b"] {
        let path = path.to_owned();
        smol::block_on(world.store.write_all(vec![Change::Drop { path }])).unwrap();
    }
    gateway.copies.ours().add("guest/p/b");
    let removal = gateway.copies.removal("guest/p").unwrap();
    smol::block_on(world.store.write_all(removal)).unwrap();
    assert!(!marked("guest/p") && !marked("guest/p/a"));
    assert!(marked("guest/p/b") && marked("guest/other"));
}

#[test]
fn what_its_owner_may_not_see_now_is_not_taken_for_ones_own() {
    let world = World::new();
    world.cloud.api.create("a");
    let gateway = world.gateway(NEVER_FRESH);
    gateway.resolve(&world.guest, "guest/a").unwrap();
    world
        .cloud
        .set(Way::Answers(403, r#"{"error":"not now","code":"x"}"#));
    gateway.resolve(&world.guest, "guest/a").unwrap_err();
    world.cloud.set(Way::Cut);
    assert!(gateway.to_run(&world.guest, "guest/a").is_err());
    assert!(!gateway.copies.is_local("guest/a").unwrap());
    world.cloud.set(Way::Open);
    let gateway = world.gateway(NEVER_FRESH);
    assert!(gateway.resolve(&world.guest, "guest/a").is_ok());
    world.cloud.asked();
    world.cloud.api.delete(&action("a"));
    assert_eq!(
        gateway.resolve(&world.guest, "guest/a").unwrap_err(),
        MISSING
    );
    assert!(gateway.catalog.action("guest/a").is_err());
}

#[test]
fn questions_tell_where_their_request_has_come_through() {
    let world = World::new();
    world.cloud.api.create("a");
    let gateway = world.gateway(NEVER_FRESH);
    let ask = |came: Option<&str>| {
        let copies = gateway.copies.for_request(came);
        let asked = copies.ensure_action(&world.guest, "guest", None, "a", Need::Read);
        let asked = smol::block_on(gateway.executor.run(asked));
        (asked.map(drop), lock(&world.cloud.via).clone())
    };
    assert_eq!(ask(None).1, OWN_ID);
    assert_eq!(
        ask(Some("first, second")).1,
        format!("first, second, {OWN_ID}")
    );
    world.cloud.asked();
    let looped = ask(Some(OWN_ID)).0.unwrap_err();
    assert!(matches!(looped, CopyError::Looped(_)));
    assert!(world.cloud.asked().is_empty());
}
