//! Places of the pool: each is held until nothing of its container is there any more, nor can come,
//! whatever the engine answers.

use std::time::{Duration, Instant};

use futures_lite::future::zip;
use owl::engine::docker::{DockerEngine, Flavour};
use owl::engine::{Engine, Held, Hold, Listener, Sandbox};

use super::relay::Relay;
use super::support::*;

/// Waits until a place is free; there is no container then.
async fn freed(engine: &DockerEngine, held: &Held) {
    within_reason(held.freed()).await;
    let left = engine.own_containers().await.expect("lists");
    assert!(left.is_empty(), "{left:?}");
}

async fn within_reason(what: impl Future<Output = ()>) {
    let ended = owl::http::client::within(Duration::from_secs(60), what).await;
    ended.expect("the place comes free");
}

/// Ends the connections with this in their first lines, as soon as there is one.
async fn cut(relay: &Relay, part: &str) {
    while relay.cut(part) == 0 {
        smol::Timer::after(Duration::from_millis(1)).await;
    }
}

async fn started(engine: &DockerEngine) -> (Box<dyn Sandbox>, Held) {
    let (hold, held) = Hold::new();
    let sandbox = engine.start_in(&spec(IMAGE), hold).await.expect("starts");
    (sandbox, held)
}

#[test]
fn a_place_is_free_when_its_container_is_gone() {
    with_engine("free", async |fixture| {
        let engine = &*fixture.engine;
        let (sandbox, held) = started(engine).await;
        assert!(!held.is_free());
        sandbox.remove().await;
        assert!(held.is_free());
        freed(engine, &held).await;
        // One that is dropped goes by itself.
        let (sandbox, held) = started(engine).await;
        drop(sandbox);
        assert!(!held.is_free());
        freed(engine, &held).await;
        // What cannot be created takes none.
        let (hold, held) = Hold::new();
        let failed = engine.start_in(&spec("owl-test/none:none"), hold).await;
        assert!(failed.is_err() && held.is_free());
    });
}

#[test]
fn a_creation_or_a_start_that_is_not_answered_keeps_its_place() {
    with_engine("unanswered", async |fixture| {
        let (relay, engine) = fixture.relayed(Listener::default()).await;
        let parts = match engine.client().flavour() {
            Flavour::Docker => ["/containers/create?", "/start"].as_slice(),
            // Its own books break where a creation is left in the middle (docs/podman.md).
            Flavour::Podman => &["/start"],
        };
        for part in parts {
            for _ in 0..3 {
                let (hold, held) = Hold::new();
                let spec = spec(IMAGE);
                let start = engine.start_in(&spec, hold);
                let (started, ()) = zip(start, cut(&relay, part)).await;
                assert!(started.is_err(), "{part}");
                freed(&engine, &held).await;
            }
        }
    });
}

#[test]
fn a_container_that_is_created_late_has_its_place() {
    with_engine("created_late", async |fixture| {
        let (relay, engine) = fixture.relayed(Listener::default()).await;
        let late = Duration::from_millis(1500);
        relay.lose(Some(("/containers/create?", late)));
        let asked = Instant::now();
        let (hold, held) = Hold::new();
        assert!(engine.start_in(&spec(IMAGE), hold).await.is_err());
        relay.lose(None);
        // There is no such container yet, and it has its place.
        freed(&engine, &held).await;
        assert!(asked.elapsed() >= late, "{:?}", asked.elapsed());
        wait_until("it has come", async || !relay.lost().is_empty()).await;
        assert_eq!(relay.lost(), ["HTTP/1.1 201 Created"]);
    });
}

#[test]
fn a_container_that_nobody_expects_any_more_goes_when_it_is_created() {
    with_engine("too_late", async |fixture| {
        let (relay, engine) = fixture.relayed(Listener::default()).await;
        relay.lose(Some(("/containers/create?", Duration::from_secs(15))));
        let (hold, held) = Hold::new();
        assert!(engine.start_in(&spec(IMAGE), hold).await.is_err());
        // It would have come by now.
        freed(&engine, &held).await;
        assert!(relay.lost().is_empty());
        wait_until("it has come", async || !relay.lost().is_empty()).await;
        assert_eq!(relay.lost(), ["HTTP/1.1 201 Created"]);
        let gone = async || engine.own_containers().await.expect("lists").is_empty();
        wait_until("it is gone", gone).await;
    });
}

#[test]
fn a_removal_that_is_not_answered_is_tried_again() {
    with_engine("kept", async |fixture| {
        let (relay, engine) = fixture.relayed(Listener::default()).await;
        let (sandbox, held) = started(&engine).await;
        // Three times it does not come to the engine for a while.
        relay.lose(Some(("DELETE ", Duration::from_secs(2))));
        sandbox.remove().await;
        assert!(!held.is_free(), "it is there");
        smol::Timer::after(Duration::from_millis(300)).await;
        assert!(!held.is_free(), "it is there");
        relay.lose(None);
        freed(&engine, &held).await;
    });
}

#[test]
fn what_an_engine_has_that_is_away_has_its_place_until_it_is_back() {
    with_engine("away_with", async |fixture| {
        let (relay, engine) = fixture.relayed(Listener::default()).await;
        let (sandbox, held) = started(&engine).await;
        let (dropped, other) = started(&engine).await;
        let (ended, of_ended) = started(&engine).await;
        relay.stop();
        // Whoever removes it does not wait for the engine.
        sandbox.remove().await;
        drop(dropped);
        // What does not run any more takes no room, though the engine cannot tell.
        let client = fixture.engine.client();
        let killed = client.kill_container(ended.id(), "KILL").await;
        killed.expect("kills");
        wait_until("its end is known", async || ended.has_exited()).await;
        ended.remove().await;
        within_reason(of_ended.freed()).await;
        smol::Timer::after(Duration::from_millis(300)).await;
        assert!(!held.is_free() && !other.is_free());
        relay.listen(engine_socket());
        within_reason(async {
            zip(held.freed(), other.freed()).await;
        })
        .await;
        let gone = async || engine.own_containers().await.expect("lists").is_empty();
        wait_until("all are gone", gone).await;
    });
}
