//! Writes through OWL: what of them becomes the copy, and what they overtake.

use super::*;

impl Gateway {
    fn adopt(&self, who: &Arc<Identity>, name: &str, document: &str) -> Result<(), CopyError> {
        let (shown, collection) = (Shown::Own, Collection::Actions);
        let adopted = self
            .copies
            .adopt_answer(who, shown, collection, name, document.as_bytes());
        self.run(adopted)
    }
}

#[test]
fn the_answer_to_a_write_is_the_copy() {
    let world = World::new();
    let gateway = world.gateway(FRESH);
    let put = |code: &str| {
        let path = format!("{}?overwrite=true", action("a"));
        world.cloud.api.put(&path, json!({"exec": exec(code)})).body
    };
    gateway
        .adopt(&world.guest, "guest/a", &put("first"))
        .unwrap();
    let copy = gateway.resolve(&world.guest, "guest/a").unwrap().action;
    assert_eq!(
        gateway.catalog.code(&copy).unwrap().as_deref(),
        Some("first")
    );
    gateway.retired();
    gateway
        .adopt(&world.guest, "guest/a", &put("second"))
        .unwrap();
    assert_eq!(gateway.retired(), ["guest/a"]);
    assert!(world.cloud.asked().is_empty());
    world.cloud.set(Way::Cut);
    let copy = gateway.resolve(&world.guest, "guest/a").unwrap().action;
    assert_eq!(
        gateway.catalog.code(&copy).unwrap().as_deref(),
        Some("second")
    );
}

#[test]
fn a_fetch_that_a_write_overtakes_is_thrown_away() {
    let world = World::new();
    world.cloud.api.create("a");
    let gateway = world.gateway(FRESH);
    let (made, is_made) = bounded(9);
    let (go_on, wait) = bounded(9);
    world.cloud.set(Way::Held(made, wait));
    let (copies, guest) = (gateway.copies.clone(), world.guest.clone());
    let ensured = async move {
        copies
            .ensure_action(&guest, "guest", None, "a", Need::Run)
            .await
    };
    let ensured = gateway.executor.spawn(ensured);
    gateway.run(is_made.recv()).unwrap();
    // The answer to the fetch is made and on its way when a write deletes what it tells of.
    let writing = gateway.copies.writing("guest/a");
    assert_eq!(world.cloud.api.delete(&action("a")).status, 200);
    gateway.run(gateway.copies.gone("guest/a")).unwrap();
    drop(writing);
    world.cloud.set(Way::Open);
    gateway.run(async {
        go_on.send(()).await.unwrap();
        assert_eq!(ensured.await.unwrap(), Source::Fresh);
    });
    assert!(gateway.catalog.action("guest/a").is_err());
    assert_eq!(world.cloud.asked().len(), 2);
}

#[test]
fn a_write_without_an_answer_makes_the_copy_outdated() {
    let world = World::new();
    world.cloud.api.create("a");
    let gateway = world.gateway(FRESH);
    gateway.resolve(&world.guest, "guest/a").unwrap();
    later();
    let path = format!("{}?overwrite=true", action("a"));
    let writing = gateway.copies.writing("guest/a");
    world.cloud.api.put(&path, json!({}));
    assert_eq!(
        gateway
            .resolve(&world.guest, "guest/a")
            .unwrap()
            .action
            .version,
        "0.0.1"
    );
    drop(writing);
    assert_eq!(
        gateway
            .resolve(&world.guest, "guest/a")
            .unwrap()
            .action
            .version,
        "0.0.2"
    );
}

#[test]
fn of_writes_at_the_same_time_nobody_knows_which_was_last() {
    let world = World::new();
    let gateway = world.gateway(FRESH);
    let path = format!("{}?overwrite=true", action("a"));
    let put = || {
        later();
        world.cloud.api.put(&path, json!({"exec": exec("x")})).body
    };
    let first = (gateway.copies.writing("guest/a"), put());
    let second = (gateway.copies.writing("guest/a"), put());
    // The answers come the other way round.
    for (writing, answer) in [second, first] {
        gateway.adopt(&world.guest, "guest/a", &answer).unwrap();
        drop(writing);
    }
    assert_eq!(gateway.catalog.action("guest/a").unwrap().version, "0.0.1");
    assert_eq!(
        gateway
            .resolve(&world.guest, "guest/a")
            .unwrap()
            .action
            .version,
        "0.0.2"
    );
}

#[test]
fn writes_that_wait_are_not_overwritten() {
    let world = World::new();
    world.cloud.api.create("a");
    let gateway = world.gateway(NEVER_FRESH);
    gateway.resolve(&world.guest, "guest/a").unwrap();
    let base = gateway.copies.base("guest/a").unwrap();
    gateway.copies.ours().add("guest/a");
    let mut ours = (*gateway.catalog.action("guest/a").unwrap()).clone();
    ours.version = "9.9.9".into();
    let changed = gateway
        .catalog
        .update_action(ours, crate::store::CodeChange::Keep);
    gateway.run(changed).unwrap();
    later();
    let path = format!("{}?overwrite=true", action("a"));
    let answer = world.cloud.api.put(&path, json!({})).body;
    world.cloud.asked();
    let version = || {
        gateway
            .resolve(&world.guest, "guest/a")
            .unwrap()
            .action
            .version
            .clone()
    };
    assert_eq!(version(), "9.9.9");
    assert!(world.cloud.asked().is_empty());
    assert_eq!(gateway.copies.base("guest/a").unwrap(), base);
    // What the master tells meanwhile is only remembered as what it has.
    gateway.adopt(&world.guest, "guest/a", &answer).unwrap();
    assert_eq!(version(), "9.9.9");
    assert_eq!(
        gateway.copies.base("guest/a").unwrap().unwrap().version,
        "0.0.2"
    );
    gateway.copies.ours().remove("guest/a");
    assert_eq!(version(), "0.0.2");
}

#[test]
fn what_settles_a_write_is_part_of_another_commit() {
    let world = World::new();
    let gateway = world.gateway(FRESH);
    let path = "guest/a";
    let answer = world
        .cloud
        .api
        .put(&action("a"), json!({"exec": exec("x")}))
        .body;
    gateway.copies.ours().add(path);
    let bytes = answer.as_bytes();
    let adoption = gateway
        .copies
        .adoption(Shown::Own, Collection::Actions, path, bytes);
    gateway
        .run(gateway.catalog.write_all(adoption.unwrap()))
        .unwrap();
    gateway.copies.settled(path);
    gateway.copies.ours().remove(path);
    assert_eq!(gateway.to_run(&world.guest, path).unwrap(), Source::Fresh);
    assert!(world.cloud.asked().is_empty());
    assert_eq!(gateway.copies.base(path).unwrap().unwrap().version, "0.0.1");

    let removal = gateway.copies.removal(path).unwrap();
    gateway.run(gateway.catalog.write_all(removal)).unwrap();
    gateway.copies.settled(path);
    assert!(gateway.catalog.action(path).is_err());
    assert_eq!(gateway.copies.base(path).unwrap(), None);
    // It is at the master, and nothing here says that it is not.
    assert!(gateway.resolve(&world.guest, path).is_ok());
}

#[test]
fn what_is_kept_is_never_fetched() {
    let world = World::new();
    world.cloud.api.create("a");
    let gateway = world.gateway(NEVER_FRESH);
    gateway.resolve(&world.guest, "guest/a").unwrap();
    let copy = (*gateway.catalog.action("guest/a").unwrap()).clone();
    let mut kept = copy;
    kept.name = "a.kept".into();
    let companions = vec![gateway.copies.keep("guest/a.kept")];
    let alongside = gateway.catalog.along_with(companions);
    let code = crate::store::CodeChange::Set("ours".into());
    let kept = gateway.run(alongside.create_action(kept, code)).unwrap();
    world.cloud.asked();
    assert!(gateway.copies.is_kept("guest/a.kept").unwrap());
    assert!(!gateway.copies.is_kept("guest/a").unwrap());
    assert!(gateway.resolve(&world.guest, "guest/a.kept").is_ok());
    assert!(world.cloud.asked().is_empty());

    let companions = vec![gateway.copies.forget("guest/a.kept")];
    let alongside = gateway.catalog.along_with(companions);
    gateway.run(alongside.delete(&kept)).unwrap();
    gateway.copies.settled("guest/a.kept");
    assert_eq!(
        gateway.resolve(&world.guest, "guest/a.kept").unwrap_err(),
        MISSING
    );
}

#[test]
fn an_answer_that_is_passed_on_is_kept_but_not_called_fresh() {
    let world = World::new();
    let parameters = json!({"parameters": [{"key": "p", "value": 1}]});
    world.cloud.api.package("pkg", parameters);
    let shown = world.cloud.api.get(&package("pkg")).body;
    let gateway = world.gateway(FRESH);
    let adopt = |document: &str| {
        let (shown, collection) = (Shown::Merged, Collection::Packages);
        let bytes = document.as_bytes();
        let adopted =
            gateway
                .copies
                .adopt_answer(&world.guest, shown, collection, "guest/pkg", bytes);
        gateway.run(adopted).unwrap();
    };
    adopt(&shown);
    let ensure = || {
        let ensured = gateway
            .copies
            .ensure_package(&world.guest, "guest", "pkg", Need::Run);
        gateway.run(ensured).unwrap()
    };
    assert_eq!(ensure(), Source::Fresh);
    assert_eq!(world.cloud.asked(), ["guest/packages/pkg"]);
    // An older one that comes late does not undo what is known.
    later();
    world.cloud.api.package("pkg", json!({}));
    gateway.copies.stale("guest/pkg");
    assert_eq!(ensure(), Source::Fresh);
    adopt(&shown);
    assert_eq!(
        gateway.catalog.package("guest/pkg").unwrap().version,
        "0.0.2"
    );
    world.cloud.set(Way::Cut);
    assert_eq!(ensure(), Source::Fresh);
}

#[test]
fn an_answer_that_is_no_entity_is_no_copy() {
    let world = World::new();
    let gateway = world.gateway(FRESH);
    let without_code =
        r#"{"namespace":"guest","name":"a","version":"0.0.1","exec":{"kind":"nodejs:20"}}"#;
    for document in ["", "{}", without_code] {
        assert!(gateway.adopt(&world.guest, "guest/a", document).is_err());
    }
    assert!(gateway.catalog.action("guest/a").is_err());
}

#[test]
fn what_was_made_here_is_the_copy_of_what_the_master_made_of_it() {
    let world = World::new();
    let gateway = world.gateway(FRESH);
    let made = world.cloud.api.create("a");
    gateway
        .adopt(&world.guest, "guest/a", &made.to_string())
        .unwrap();
    let forgotten = vec![gateway.copies.forget("guest/a")];
    gateway.run(gateway.catalog.write_all(forgotten)).unwrap();
    gateway.copies.settled("guest/a");
    world.cloud.set(Way::Cut);
    assert_eq!(gateway.copies.base("guest/a").unwrap(), None);
    let base = Base {
        version: "0.0.1".into(),
        updated: made["updated"].as_u64().unwrap(),
    };
    let copied = vec![gateway.copies.copy_of("guest/a", base.clone())];
    gateway.run(gateway.catalog.write_all(copied)).unwrap();
    gateway.copies.settled("guest/a");
    assert!(gateway.to_run(&world.guest, "guest/a").is_ok());
    assert_eq!(gateway.copies.base("guest/a").unwrap(), Some(base));
}
