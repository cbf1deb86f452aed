//! Actions: fetched, kept, compared, and served without the master.

use smol::Timer;
use smol::future::or;

use super::*;

#[test]
fn an_action_is_fetched_once_and_compared_without_its_code() {
    let world = World::new();
    let body = json!({"exec": exec("first"), "limits": {"memory": 256},
        "parameters": [{"key": "n", "value": 1.5}], "publish": true,
        "annotations": [{"key": "note", "value": "x"}]});
    let made = world.cloud.api.put(&action("a b"), body).value();
    let gateway = world.gateway(NEVER_FRESH);
    let first = gateway.resolve(&world.guest, "guest/a b").unwrap().action;
    let (copy, code) = gateway.catalog.action_with_code("guest/a b").unwrap();
    let copy: Value = serde_json::from_slice(&copy.full(code.as_deref())).unwrap();
    assert_eq!(copy, made);
    assert_eq!(world.cloud.asked(), ["guest/actions/a%20b"]);

    let second = gateway.resolve(&world.guest, "guest/a b").unwrap().action;
    // A new revision would cost a cold start.
    assert_eq!(first.revision, second.revision);
    assert_eq!(world.cloud.asked(), ["guest/actions/a%20b?code=false"]);
    assert!(gateway.retired().is_empty());

    later();
    let path = format!("{}?overwrite=true", action("a b"));
    world.cloud.api.put(&path, json!({"exec": exec("second")}));
    let third = gateway.resolve(&world.guest, "guest/a b").unwrap().action;
    assert_eq!(
        (third.version.as_str(), values(&third)),
        ("0.0.2", json!({"n": 1.5}))
    );
    assert_eq!(
        gateway.catalog.code(&third).unwrap().as_deref(),
        Some("second")
    );
    assert_eq!(gateway.retired(), ["guest/a b"]);
    let base = gateway.copies.base("guest/a b").unwrap().unwrap();
    assert_eq!(
        (base.version, base.updated),
        ("0.0.2".into(), third.updated)
    );

    world.cloud.api.delete(&action("a b"));
    assert_eq!(
        gateway.resolve(&world.guest, "guest/a b").unwrap_err(),
        MISSING
    );
    assert_eq!(gateway.retired(), ["guest/a b"]);
    assert_eq!(gateway.copies.base("guest/a b").unwrap(), None);
}

#[test]
fn made_again_with_the_same_version() {
    let world = World::new();
    let gateway = world.gateway(NEVER_FRESH);
    for code in ["first", "second"] {
        world
            .cloud
            .api
            .put(&action("a"), json!({"exec": exec(code)}));
        let copy = gateway.resolve(&world.guest, "guest/a").unwrap().action;
        assert_eq!(copy.version, "0.0.1");
        assert_eq!(gateway.catalog.code(&copy).unwrap().as_deref(), Some(code));
        world.cloud.api.delete(&action("a"));
        later();
    }
}

#[test]
fn a_fresh_copy_costs_no_question() {
    let world = World::new();
    world.cloud.api.create("a");
    let gateway = world.gateway(FRESH);
    for _ in 0..3 {
        gateway.resolve(&world.guest, "guest/a").unwrap();
    }
    assert_eq!(world.cloud.asked().len(), 1);
}

#[test]
fn what_is_missing_is_asked_for_once_in_a_while() {
    let world = World::new();
    let gateway = world.gateway(FRESH);
    let missing = |name: &str| {
        let found = gateway.resolve(&world.guest, name);
        assert_eq!(found.unwrap_err(), MISSING, "{name}");
    };
    for _ in 0..3 {
        missing("guest/a");
        missing("guest/p/a");
    }
    assert_eq!(world.cloud.asked(), ["guest/actions/a", "guest/packages/p"]);
    assert!(gateway.copies.is_at_hand(&world.guest, "guest/a"));
    assert!(!gateway.copies.is_at_hand(&world.guest, "guest/b"));
    // Not so for another key, nor after a change that came through here.
    let stranger = world.stranger("first", "11111111-0000-0000-0000-000000000000");
    gateway.resolve(&stranger, "guest/p/a").unwrap_err();
    assert_eq!(world.cloud.asked(), ["guest/packages/p"]);
    let writing = gateway.copies.writing("guest/a");
    world.cloud.api.create("a");
    drop(writing);
    assert!(gateway.resolve(&world.guest, "guest/a").is_ok());
    assert_eq!(world.cloud.asked(), ["guest/actions/a"]);
    // Where nothing is ever fresh, neither is this.
    let gateway = world.gateway(NEVER_FRESH);
    for _ in 0..2 {
        gateway.resolve(&world.guest, "guest/b").unwrap_err();
    }
    assert_eq!(world.cloud.asked().len(), 2);
}

#[test]
fn what_is_missing_may_be_made_while_it_is_asked_for() {
    let world = World::new();
    let gateway = world.gateway(FRESH);
    let writing = gateway.copies.writing("guest/a");
    gateway.resolve(&world.guest, "guest/a").unwrap_err();
    // What that has found is older than the end of the write.
    world.cloud.api.create("a");
    drop(writing);
    assert!(gateway.resolve(&world.guest, "guest/a").is_ok());
}

#[test]
fn a_copy_that_is_not_quite_fresh_runs_while_the_master_is_asked() {
    let world = World::new();
    world.cloud.api.create("a");
    world
        .gateway(FRESH)
        .resolve(&world.guest, "guest/a")
        .unwrap();
    later();
    let path = format!("{}?overwrite=true", action("a"));
    world.cloud.api.put(&path, json!({}));
    // The copy is two hours old.
    let key = NoteKey::named(NoteKind::Copy, b"guest/a\0");
    let mark = world.store.note(&key).unwrap().unwrap();
    let mut mark: Value = serde_json::from_slice(&mark).unwrap();
    mark["checked"] = json!(clock::now() - 2 * 3600 * 1000);
    let text = mark.to_string().into();
    smol::block_on(world.store.write_all(vec![Change::Note { key, text }])).unwrap();

    let gateway = world.gateway(FRESH);
    world.cloud.asked();
    assert_eq!(
        gateway.to_run(&world.guest, "guest/a").unwrap(),
        Source::Fresh
    );
    assert_eq!(gateway.catalog.action("guest/a").unwrap().version, "0.0.1");
    gateway.run(async {
        while gateway.catalog.action("guest/a").unwrap().version != "0.0.2" {
            smol::future::yield_now().await;
        }
    });
    assert_eq!(world.cloud.asked().len(), 2);
}

#[test]
fn without_the_master_copies_serve_also_after_a_restart() {
    let world = World::new();
    world.cloud.api.create("a");
    let gateway = world.gateway(NEVER_FRESH);
    assert_eq!(
        gateway.to_run(&world.guest, "guest/a").unwrap(),
        Source::Fresh
    );
    world.cloud.set(Way::Cut);
    assert_eq!(
        gateway.to_run(&world.guest, "guest/a").unwrap(),
        Source::Offline
    );
    world.cloud.asked();
    // From now on it is known to be out of reach.
    assert_eq!(
        gateway.to_run(&world.guest, "guest/a").unwrap(),
        Source::Offline
    );
    assert!(world.cloud.asked().is_empty());

    let gateway = world.gateway(NEVER_FRESH);
    assert_eq!(
        gateway.to_run(&world.guest, "guest/a").unwrap(),
        Source::Offline
    );
    assert!(
        gateway
            .catalog
            .action_with_code("guest/a")
            .unwrap()
            .1
            .is_some()
    );
    let unknown = gateway.to_run(&world.guest, "guest/b").unwrap_err();
    assert!(matches!(unknown, CopyError::Unavailable(_)), "{unknown:?}");
}

#[test]
fn only_an_openwhisk_can_say_that_there_is_nothing() {
    let world = World::new();
    world.cloud.api.create("a");
    let gateway = world.gateway(NEVER_FRESH);
    gateway.to_run(&world.guest, "guest/a").unwrap();
    let other = r#"{"namespace":"guest","name":"b","version":"0.0.1","exec":{"kind":"k"}}"#;
    for (status, body) in [
        (404, "<html>not found</html>"),
        (403, "log in first"),
        (301, ""),
        (429, r#"{"error":"slow down","code":"x"}"#),
        (200, "<html>log in</html>"),
        (200, other),
        (503, r#"{"error":"starting","code":"x"}"#),
    ] {
        world.cloud.set(Way::Answers(status, body));
        let source = gateway.to_run(&world.guest, "guest/a").unwrap();
        assert_eq!(source, Source::Offline, "{status} {body}");
        let unknown = gateway.to_run(&world.guest, "guest/b");
        if body != other {
            assert!(
                matches!(unknown, Err(CopyError::Unavailable(_))),
                "{status} {body}"
            );
        }
    }
    assert_eq!(gateway.catalog.action("guest/a").unwrap().version, "0.0.1");
    let gateway = world.gateway(NEVER_FRESH);
    world
        .cloud
        .set(Way::Answers(401, r#"{"error":"wrong","code":"x"}"#));
    let refused = gateway.to_run(&world.guest, "guest/a").unwrap_err();
    assert!(matches!(refused, CopyError::KeyRefused));
}

#[test]
fn those_who_want_the_same_wait_for_one_answer() {
    let world = World::new();
    world.cloud.api.create("a");
    let gateway = world.gateway(FRESH);
    let (made, is_made) = bounded(9);
    let (go_on, wait) = bounded(9);
    world.cloud.set(Way::Held(made, wait));
    gateway.run(async {
        let ensure = || {
            let (copies, guest) = (gateway.copies.clone(), world.guest.clone());
            let ensured = async move {
                copies
                    .ensure_action(&guest, "guest", None, "a", Need::Run)
                    .await
            };
            gateway.executor.spawn(ensured)
        };
        let all = [ensure(), ensure(), ensure()];
        is_made.recv().await.unwrap();
        go_on.send(()).await.unwrap();
        for one in all {
            assert_eq!(one.await.unwrap(), Source::Fresh);
        }
    });
    assert_eq!(world.cloud.asked().len(), 1);
}

#[test]
fn an_old_copy_runs_where_the_master_is_silent() {
    let world = World::new();
    world.cloud.api.create("a");
    let hour = Duration::from_secs(3600);
    world.gateway(hour).to_run(&world.guest, "guest/a").unwrap();
    let key = NoteKey::named(NoteKind::Copy, b"guest/a\0");
    let mark = world.store.note(&key).unwrap().unwrap();
    let mut mark: Value = serde_json::from_slice(&mark).unwrap();
    mark["checked"] = json!(clock::now() - 20 * 3600 * 1000);
    let text = mark.to_string().into();
    smol::block_on(world.store.write_all(vec![Change::Note { key, text }])).unwrap();

    let gateway = world.gateway(hour);
    let (made, is_made) = bounded(9);
    let (go_on, wait) = bounded(9);
    world.cloud.set(Way::Held(made, wait));
    world.cloud.asked();
    let source = gateway.to_run(&world.guest, "guest/a").unwrap();
    assert_eq!(source, Source::Offline);
    // What has begun goes on.
    gateway.run(async {
        is_made.recv().await.unwrap();
        go_on.send(()).await.unwrap();
        while !gateway.copies.is_at_hand(&world.guest, "guest/a") {
            smol::future::yield_now().await;
        }
    });
    let source = gateway.to_run(&world.guest, "guest/a").unwrap();
    assert_eq!(source, Source::Fresh);
    assert_eq!(world.cloud.asked().len(), 1);
}

#[test]
fn what_is_here_is_served_while_nobody_knows_whether_the_master_is_there() {
    let world = World::new();
    world.cloud.api.create("a");
    let before = world.gateway(NEVER_FRESH);
    before.to_run(&world.guest, "guest/a").unwrap();
    // A start with a master that takes questions and says nothing.
    let gateway = world.gateway(NEVER_FRESH);
    let (made, is_made) = bounded(9);
    let (go_on, wait) = bounded(9);
    world.cloud.set(Way::Held(made, wait));
    world.cloud.asked();
    let ensure = |need| {
        let copies = &gateway.copies;
        copies.ensure_action(&world.guest, "guest", None, "a", need)
    };
    for need in [Need::Run, Need::Read] {
        assert_eq!(gateway.run(ensure(need)).unwrap(), Source::Offline);
    }
    // One question for both, which goes on; what comes of it counts.
    assert_eq!(world.cloud.asked().len(), 1);
    world
        .cloud
        .api
        .put(&action("a"), json!({"exec": exec("new")}));
    gateway.run(async {
        is_made.recv().await.unwrap();
        world.cloud.set(Way::Open);
        go_on.send(()).await.unwrap();
        while ensure(Need::Run).await.unwrap() == Source::Offline {}
    });
    assert_eq!(gateway.run(ensure(Need::Read)).unwrap(), Source::Fresh);

    // From now on it is known to answer, and is waited for.
    let (made, is_made) = bounded(9);
    let (go_on, wait) = bounded(9);
    world.cloud.set(Way::Held(made, wait));
    gateway.run(async {
        let mut asked = Box::pin(ensure(Need::Read));
        let late = async {
            is_made.recv().await.unwrap();
            Timer::after(Duration::from_millis(1200)).await;
        };
        let waits = async {
            let _ = (&mut asked).await;
            panic!("it is not waited for");
        };
        or(late, waits).await;
        go_on.send(()).await.unwrap();
        assert_eq!(asked.await.unwrap(), Source::Fresh);
    });
}

#[test]
fn what_is_built_in_stays_our_own() {
    let world = World::new();
    let gateway = world.gateway(NEVER_FRESH);
    assert!(
        gateway
            .resolve(&world.guest, "whisk.system/utils/echo")
            .is_ok()
    );
    assert!(world.cloud.asked().is_empty());
}

#[test]
fn where_the_store_is_full_the_copies_go_that_nobody_wants() {
    let world = World::with_store(Options::with_map_size(4 << 20));
    let cloud = &world.cloud.api;
    let large = "x".repeat(200 << 10);
    cloud.package("pkg", json!({}));
    let names: Vec<String> = (0..40).map(|i| format!("pkg/a{i}")).collect();
    cloud.create("used");
    for name in &names {
        assert_eq!(
            cloud
                .put(&action(name), json!({"exec": exec(&large)}))
                .status,
            200
        );
    }
    let gateway = world.gateway(NEVER_FRESH);
    for name in &names {
        let name = format!("guest/{name}");
        assert_eq!(
            gateway.to_run(&world.guest, &name).unwrap(),
            Source::Fresh,
            "{name}"
        );
        later();
        gateway.to_run(&world.guest, "guest/used").unwrap();
    }
    let has = |name: &str| gateway.catalog.action(&format!("guest/{name}")).is_ok();
    assert!(has("used") && has("pkg/a39") && !has("pkg/a0"));
    world.cloud.set(Way::Cut);
    assert!(gateway.resolve(&world.guest, "guest/pkg/a39").is_ok());
    assert!(gateway.resolve(&world.guest, "guest/pkg/a0").is_err());
}
