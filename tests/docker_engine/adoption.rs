//! Containers that an earlier process of the daemon has left.

use std::sync::Arc;
use std::time::Duration;

use owl::Executor;
use owl::engine::proxy::Proxy;
use owl::engine::{Engine, Found, SandboxSpec};
use serde_json::{Value, json};

use super::relay::Relay;
use super::support::*;

/// The same daemon after a crash: what its engine finds.
async fn after_a_crash(fixture: &Fixture) -> (Arc<owl::engine::docker::DockerEngine>, Vec<Found>) {
    let engine = connect(&fixture.executor, &fixture.daemon, &engine_host()).await;
    let found = engine.adopt().await;
    (engine, found)
}

fn ids(found: &[Found]) -> Vec<String> {
    let mut ids: Vec<String> = found
        .iter()
        .map(|found| found.sandbox.id().into())
        .collect();
    ids.sort();
    ids
}

#[test]
fn frozen_containers_are_found_and_serve_on() {
    with_engine("adopted", async |fixture| {
        let mut old = fixture.runtime().await;
        for _ in 0..2 {
            assert!(old.run("ok").await.keep);
        }
        old.proxy.disconnect();
        old.sandbox.freeze().await.expect("freezes");

        let (engine, found) = after_a_crash(fixture).await;
        assert_eq!(ids(&found), [old.sandbox.id()]);
        let found = found.into_iter().next().expect("is one");
        assert_eq!(found.purpose, spec(IMAGE).purpose);
        assert_eq!(found.digest, spec(IMAGE).digest());
        let sandbox: Arc<dyn owl::engine::Sandbox> = Arc::from(found.sandbox);
        let mut runtime = Runtime {
            proxy: Proxy::of_warm(fixture.executor.clone(), sandbox.clone()),
            sandbox,
            section: None,
        };
        // It has its code, and what it prints comes.
        for runs in 3..=4 {
            runtime.runs_well(runs).await;
            // And it can be frozen again, for the process after this one.
            runtime.proxy.disconnect();
            runtime.sandbox.freeze().await.expect("freezes");
            runtime.sandbox.thaw().await.expect("thaws");
        }
        // Its end is noticed like that of any other.
        let killed = engine.client().kill_container(runtime.sandbox.id(), "KILL");
        killed.await.expect("kills");
        let ended = async || runtime.sandbox.has_exited();
        wait_until("the end is known", ended).await;
        let run = runtime.run("ok").await;
        assert!(run.retry, "it died while idle");
    });
}

#[test]
fn what_may_be_busy_or_is_unknown_goes() {
    with_engine("unfit", async |fixture| {
        let frozen = fixture.runtime().await;
        frozen.sandbox.freeze().await.expect("freezes");
        let idle = fixture.runtime().await;
        let mut busy = fixture.runtime().await;
        let ended = fixture.runtime().await;
        let client = fixture.engine.client();
        let killed = client.kill_container(ended.sandbox.id(), "KILL").await;
        killed.expect("kills");
        // Paused by somebody, which says nothing about what it was doing.
        let paused = fixture.runtime().await;
        let paused = client.pause_container(paused.sandbox.id()).await;
        paused.expect("pauses");
        // Made by a version that had other labels.
        let container = json!({ "Image": IMAGE, "Labels": { "owl.daemon": fixture.daemon } });
        let made = docker(&fixture.executor, "POST", "/containers/create", container).await;
        let unlabelled = made["Id"].as_str().expect("has an id");
        let path = format!("/containers/{unlabelled}/start");
        docker(&fixture.executor, "POST", &path, Value::Null).await;

        let sleep = async {
            busy.run("sleep").await;
        };
        let crash = async {
            smol::Timer::after(std::time::Duration::from_millis(200)).await;
            let (engine, found) = after_a_crash(fixture).await;
            assert_eq!(ids(&found), [frozen.sandbox.id()]);
            let left = engine.own_containers().await.expect("lists");
            assert_eq!(left.len(), 1, "{left:?}");
            assert_eq!(left[0].id, frozen.sandbox.id());
            // What nobody wants goes, too.
            drop(found);
            let gone = async || fixture.containers().await.is_empty();
            wait_until("it is gone", gone).await;
        };
        futures_lite::future::zip(sleep, crash).await;
        drop(idle);
    });
}

#[test]
fn a_stem_cell_says_that_it_is_one() {
    with_engine("stem", async |fixture| {
        let stem = SandboxSpec {
            purpose: None,
            ..spec(IMAGE)
        };
        let sandbox = fixture.start(&stem).await.expect("starts");
        wait_until("it answers", async || sandbox.connect().await.is_ok()).await;
        sandbox.freeze().await.expect("freezes");
        let (engine, found) = after_a_crash(fixture).await;
        assert_eq!(ids(&found), [sandbox.id()]);
        assert_eq!(found[0].purpose, None);
        assert_eq!(found[0].digest, stem.digest());
        // A new one beside it gets another name.
        let beside = engine.start(&stem).await.expect("starts");
        assert_ne!(beside.id(), sandbox.id());
    });
}

#[test]
fn containers_of_other_daemons_stay() {
    with_engine("others", async |fixture| {
        let other = format!("{}_other", fixture.daemon);
        let other = connect(&fixture.executor, &other, &engine_host()).await;
        let sandbox = other.start(&spec(IMAGE)).await.expect("starts");
        sandbox.freeze().await.expect("freezes");
        let (_engine, found) = after_a_crash(fixture).await;
        assert!(found.is_empty());
        assert_eq!(other.own_containers().await.expect("lists").len(), 1);
        assert!(!sandbox.has_exited());
        sandbox.remove().await;
    });
}

#[test]
fn what_an_earlier_process_has_asked_for_goes_when_it_comes_late() {
    with_engine("late", async |fixture| {
        let relay = Relay::start(engine_socket());
        let late = Duration::from_secs(2);
        relay.lose(Some(("/containers/create?", late)));
        // An earlier process, which is killed while the engine is being asked.
        let earlier: Executor = Arc::new(smol::Executor::new());
        let asked = async {
            let engine = connect(&earlier, &fixture.daemon, &relay.host()).await;
            // Its name is that of no other one.
            let mut spec = spec(IMAGE);
            spec.purpose = None;
            assert!(engine.start(&spec).await.is_err(), "it is not answered");
        };
        earlier.run(asked).await;
        drop(earlier);
        let (engine, found) = after_a_crash(fixture).await;
        assert!(found.is_empty());
        // What this one makes is not taken for it.
        let own = engine.start(&spec(IMAGE)).await.expect("starts");
        let left = async || {
            let left = fixture.containers().await;
            assert!(left.iter().any(|id| id == own.id()), "{left:?}");
            left.len()
        };
        wait_until("it has come", async || !relay.lost().is_empty()).await;
        assert_eq!(relay.lost(), ["HTTP/1.1 201 Created"]);
        wait_until("it is gone", async || left().await == 1).await;
        own.remove().await;
    });
}
