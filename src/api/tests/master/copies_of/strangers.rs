//! Whose copies are whose, and what is no copy.

use super::*;

const FIRST: &str = "11111111-0000-0000-0000-000000000000";
const SECOND: &str = "22222222-0000-0000-0000-000000000000";

/// A public package of the guest's, with an action, and two callers who are not the guest.
fn shared() -> (World, [Arc<Identity>; 2]) {
    let world = World::new();
    let cloud = &world.cloud.api;
    cloud.package("pkg", json!({"publish": true}));
    cloud.create("pkg/a");
    let strangers = [
        world.stranger("first", FIRST),
        world.stranger("second", SECOND),
    ];
    (world, strangers)
}

#[test]
fn what_one_key_has_fetched_is_not_shown_to_another() {
    let (world, [first, second]) = shared();
    let gateway = world.gateway(FRESH);
    gateway.resolve(&first, "guest/pkg/a").unwrap();
    world.cloud.set(Way::Cut);
    assert!(gateway.resolve(&first, "guest/pkg/a").is_ok());
    let error = gateway.to_run(&second, "guest/pkg/a").unwrap_err();
    assert!(matches!(error, CopyError::Unavailable(_)), "{error:?}");
    // Nor to its owner, who has not asked for it.
    let error = gateway.to_run(&world.guest, "guest/pkg/a").unwrap_err();
    assert!(matches!(error, CopyError::Unavailable(_)), "{error:?}");
}

#[test]
fn lists_show_what_the_callers_key_has_fetched() {
    let (world, [first, second]) = shared();
    world.cloud.api.create("pkg/b");
    let gateway = world.gateway(FRESH);
    gateway.resolve(&first, "guest/pkg/a").unwrap();
    gateway.resolve(&second, "guest/pkg/b").unwrap();
    let shows = |who: &Arc<Identity>, name: &str| gateway.copies.shows(who, name).unwrap();
    assert!(shows(&first, "guest/pkg/a") && !shows(&first, "guest/pkg/b"));
    assert!(shows(&second, "guest/pkg/b") && !shows(&second, "guest/pkg/a"));
    assert!(shows(&world.guest, "guest/pkg/a") && shows(&first, "whisk.system/utils/echo"));
}

#[test]
fn nor_is_a_version_that_only_another_has_fetched() {
    let (world, [first, second]) = shared();
    let gateway = world.gateway(NEVER_FRESH);
    gateway.resolve(&first, "guest/pkg/a").unwrap();
    later();
    let path = format!("{}?overwrite=true", action("pkg/a"));
    world.cloud.api.put(&path, json!({}));
    let newer = gateway.resolve(&second, "guest/pkg/a").unwrap().action;
    assert_eq!(newer.version, "0.0.2");
    world.cloud.set(Way::Cut);
    assert_eq!(
        gateway.to_run(&second, "guest/pkg/a").unwrap(),
        Source::Offline
    );
    let error = gateway.to_run(&first, "guest/pkg/a").unwrap_err();
    assert!(matches!(error, CopyError::Unavailable(_)), "{error:?}");
}

#[test]
fn the_code_of_a_version_that_is_here_is_not_fetched_again() {
    let (world, [first, second]) = shared();
    let gateway = world.gateway(FRESH);
    gateway.resolve(&first, "guest/pkg/a").unwrap();
    world.cloud.asked();
    gateway.resolve(&second, "guest/pkg/a").unwrap();
    assert_eq!(
        world.cloud.asked(),
        ["guest/packages/pkg", "guest/actions/pkg/a?code=false"]
    );
    assert!(gateway.retired().is_empty());
}

#[test]
fn what_is_private_now_is_nobodys_copy() {
    let (world, [first, second]) = shared();
    let gateway = world.gateway(NEVER_FRESH);
    gateway.resolve(&first, "guest/pkg/a").unwrap();
    gateway.resolve(&second, "guest/pkg/a").unwrap();
    world.cloud.api.package("pkg", json!({"publish": false}));
    let denied = Err(forbidden("guest/pkg"));
    assert_eq!(gateway.resolve(&first, "guest/pkg/a").map(drop), denied);
    assert!(gateway.catalog.package("guest/pkg").is_ok());
    assert_eq!(gateway.resolve(&second, "guest/pkg/a").map(drop), denied);
    // Nobody is left who may see it.
    assert!(gateway.catalog.package("guest/pkg").is_err());
    assert!(gateway.catalog.action("guest/pkg/a").is_err());
}

#[test]
fn a_binding_to_what_has_become_private() {
    let (world, [first, _]) = shared();
    let binding = json!({"binding": {"namespace": "guest", "name": "pkg"}});
    let put = Ask::new(Method::Put, &package("bound"))
        .key(FIRST, &"k".repeat(64))
        .json(binding);
    assert_eq!(put.send(&world.cloud.api).status, 200);
    let gateway = world.gateway(NEVER_FRESH);
    let reached = gateway.resolve(&first, "first/bound/a").unwrap();
    assert_eq!(reached.binding.as_deref(), Some("first/bound"));
    assert_eq!(reached.action.namespace, "guest/pkg");
    world.cloud.api.package("pkg", json!({"publish": false}));
    let denied = Err(forbidden("first/bound"));
    assert_eq!(gateway.resolve(&first, "first/bound/a").map(drop), denied);
    world.cloud.api.package("pkg", json!({"publish": true}));
    assert!(gateway.resolve(&first, "first/bound/a").is_ok());
}

#[test]
fn another_key_of_the_namespace_sees_the_same() {
    let world = World::new();
    world.cloud.api.create("a");
    let gateway = world.gateway(FRESH);
    gateway.resolve(&world.guest, "guest/a").unwrap();
    let mut other = (*world.guest).clone();
    other.uuid = FIRST.into();
    world.cloud.set(Way::Cut);
    assert!(gateway.resolve(&Arc::new(other), "guest/a").is_ok());
}

#[test]
fn a_name_that_has_changed_its_collection() {
    let world = World::new();
    let cloud = &world.cloud.api;
    cloud.create("x");
    let gateway = world.gateway(NEVER_FRESH);
    gateway.resolve(&world.guest, "guest/x").unwrap();
    cloud.delete(&action("x"));
    cloud.trigger("x");
    let text = "Resource by this name exists but is not in this collection.";
    assert_eq!(gateway.resolve(&world.guest, "guest/x").unwrap_err(), text);
    assert!(gateway.catalog.action("guest/x").is_err());
    let ensured = gateway
        .copies
        .ensure_trigger(&world.guest, "guest", "x", Need::Read);
    assert_eq!(gateway.run(ensured).unwrap(), Source::Fresh);
    assert!(
        gateway
            .catalog
            .get::<crate::entity::Trigger>("guest/x")
            .is_ok()
    );
}
