//! Packages and bindings around actions, and the actions in sequences.

use super::*;

#[test]
fn what_is_inherited_follows_the_package() {
    let world = World::new();
    let set = |value: Value| json!({"parameters": value});
    let cloud = &world.cloud.api;
    let of_package = json!([{"key": "p", "value": 1}, {"key": "both", "value": 1}]);
    cloud.package("pkg", set(of_package));
    let own = json!([{"key": "both", "value": 2}, {"key": "same", "value": 7}]);
    let body = json!({"exec": exec("x"), "parameters": own});
    assert_eq!(cloud.put(&action("pkg/a"), body).status, 200);
    let binding = json!({"binding": {"namespace": "_", "name": "pkg"},
        "parameters": [{"key": "p", "value": "bound"}, {"key": "both", "value": "bound"}]});
    assert_eq!(cloud.put(&package("bound"), binding).status, 200);
    let gateway = world.gateway(NEVER_FRESH);
    let read = |name: &str| gateway.parameters(&world.guest, name);
    assert_eq!(read("guest/pkg/a"), json!({"p": 1, "both": 2, "same": 7}));
    assert_eq!(
        read("guest/bound/a"),
        json!({"p": "bound", "both": 2, "same": 7})
    );
    let copy = gateway.catalog.action("guest/pkg/a").unwrap();
    assert_eq!(values(&copy), json!({"both": 2, "same": 7}));

    // What the package has now, and not what it had; the action has not changed.
    later();
    let of_package = json!([{"key": "q", "value": 3}, {"key": "same", "value": 7}]);
    cloud.package("pkg", set(of_package));
    assert_eq!(read("guest/pkg/a"), json!({"q": 3, "both": 2, "same": 7}));
    assert_eq!(
        read("guest/bound/a"),
        json!({"q": 3, "p": "bound", "both": 2, "same": 7})
    );
    assert_eq!(
        gateway.catalog.action("guest/pkg/a").unwrap().revision,
        copy.revision
    );
    // What was known to be the action's own stays so.
    later();
    cloud.package("pkg", set(json!([])));
    assert_eq!(read("guest/pkg/a"), json!({"both": 2, "same": 7}));
    let bound = gateway.catalog.package("guest/bound").unwrap();
    assert_eq!(bound.parameters.0.len(), 2);
}

#[test]
fn an_own_value_that_the_package_had_too_is_found_when_that_changes() {
    let world = World::new();
    let cloud = &world.cloud.api;
    cloud.package("pkg", json!({"parameters": [{"key": "x", "value": 1}]}));
    let body = json!({"exec": exec("x"), "parameters": [{"key": "x", "value": 1}]});
    cloud.put(&action("pkg/a"), body);
    let gateway = world.gateway(NEVER_FRESH);
    assert_eq!(
        gateway.parameters(&world.guest, "guest/pkg/a"),
        json!({"x": 1})
    );
    later();
    cloud.package("pkg", json!({"parameters": [{"key": "x", "value": 2}]}));
    assert_eq!(
        gateway.parameters(&world.guest, "guest/pkg/a"),
        json!({"x": 1})
    );
}

#[test]
fn a_package_that_is_gone_takes_its_actions_along() {
    let world = World::new();
    let cloud = &world.cloud.api;
    cloud.package("pkg", json!({}));
    cloud.create("pkg/a");
    let gateway = world.gateway(NEVER_FRESH);
    gateway.resolve(&world.guest, "guest/pkg/a").unwrap();
    assert_eq!(
        cloud
            .delete(&format!("{}?force=true", package("pkg")))
            .status,
        200
    );
    assert_eq!(
        gateway.resolve(&world.guest, "guest/pkg/a").unwrap_err(),
        MISSING
    );
    assert!(gateway.catalog.action("guest/pkg/a").is_err());
    assert_eq!(gateway.copies.base("guest/pkg/a").unwrap(), None);
}

#[test]
fn components_come_along_with_their_sequences() {
    let world = World::new();
    let cloud = &world.cloud.api;
    cloud.package("pkg", json!({}));
    for name in ["a", "pkg/b", "c"] {
        cloud.create(name);
    }
    let sequence = |name: &str, components: &[&str]| {
        let exec = json!({"kind": "sequence", "components": components});
        let reply = cloud.put(&action(name), json!({"exec": exec}));
        assert_eq!(reply.status, 200, "{}", reply.body);
    };
    sequence("inner", &["/_/pkg/b", "/_/a"]);
    sequence("outer", &["/_/inner", "/_/c", "/whisk.system/utils/echo"]);
    let gateway = world.gateway(FRESH);
    // To be shown it needs nothing else.
    gateway.resolve(&world.guest, "guest/outer").unwrap();
    assert_eq!(world.cloud.asked(), ["guest/actions/outer"]);
    gateway.to_run(&world.guest, "guest/outer").unwrap();
    world.cloud.set(Way::Cut);
    for name in ["guest/inner", "guest/a", "guest/pkg/b", "guest/c"] {
        assert!(gateway.resolve(&world.guest, name).is_ok(), "{name}");
    }
    world.cloud.asked();
    gateway.to_run(&world.guest, "guest/outer").unwrap();
    assert!(world.cloud.asked().is_empty());
}

#[test]
fn what_is_named_at_run_time_is_fetched_before_it_is_resolved() {
    let world = World::new();
    world.cloud.api.create("a");
    let gateway = world.gateway(FRESH);
    let prepare = |name: &str| {
        let name = name.parse().unwrap();
        gateway.run(gateway.catalog.prepare(&world.guest, &name, None))
    };
    prepare("guest/a").unwrap();
    assert!(gateway.catalog.action("guest/a").is_ok());
    prepare("guest/missing").unwrap();
    world.cloud.set(Way::Cut);
    prepare("guest/a").unwrap();
    let unknown = prepare("guest/unknown").unwrap_err();
    assert!(matches!(
        unknown,
        AccessError::Catalog(CatalogError::Unavailable(_))
    ));
}
