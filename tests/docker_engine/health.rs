//! What the engine tells by itself.

use std::time::Duration;

use owl::engine::{Engine, Event, Listener};
use owl::http::client::within;
use smol::channel::{Receiver, unbounded};

use super::relay::Relay;
use super::support::*;

/// A listener, and what it has heard.
fn listener() -> (Listener, Receiver<Event>) {
    let (sender, events) = unbounded();
    let listener = Listener::new(move |event| sender.try_send(event).expect("is received"));
    (listener, events)
}

/// The next event. Many times what it may take.
async fn next(events: &Receiver<Event>) -> Event {
    let event = within(Duration::from_secs(20), events.recv()).await;
    event.expect("something is told").expect("is open")
}

fn ended(id: &str, out_of_memory: bool) -> Event {
    let id = id.to_owned();
    Event::Ended { id, out_of_memory }
}

#[test]
fn ends_are_told_unless_they_were_asked_for() {
    with_engine("told", async |fixture| {
        let (listener, events) = listener();
        let daemon = format!("{}_other", fixture.daemon);
        let engine = connect_with(&fixture.executor, &daemon, &engine_host(), listener).await;
        let sandbox = engine.start(&spec(IMAGE)).await.expect("starts");
        sandbox.remove().await;
        drop(engine.start(&spec(IMAGE)).await.expect("starts"));
        wait_until("they are gone", async || {
            engine.own_containers().await.expect("lists").is_empty()
        })
        .await;

        let sandbox = engine.start(&spec(IMAGE)).await.expect("starts");
        let client = engine.client();
        client
            .kill_container(sandbox.id(), "KILL")
            .await
            .expect("kills");
        assert_eq!(next(&events).await, ended(sandbox.id(), false));
        assert!(sandbox.has_exited());
        sandbox.remove().await;

        let mut greedy = fixture.runtime_of(&*engine).await;
        greedy.run("allocate").await;
        assert_eq!(next(&events).await, ended(greedy.sandbox.id(), true));
        greedy.sandbox.remove().await;
        assert!(events.is_empty(), "{:?}", events.try_recv());
    });
}

#[test]
fn an_engine_that_goes_and_comes_back_is_told() {
    with_engine("down", async |fixture| {
        let (listener, events) = listener();
        let relay = Relay::start(engine_socket());
        let daemon = format!("{}_relayed", fixture.daemon);
        let engine = connect_with(&fixture.executor, &daemon, &relay.host(), listener).await;
        let dies = engine.start(&spec(IMAGE)).await.expect("starts");
        let mut stays = fixture.runtime_of(&*engine).await;
        stays.proxy.disconnect();
        stays.sandbox.freeze().await.expect("freezes");

        relay.stop();
        assert_eq!(next(&events).await, Event::Down);
        // An engine that is being stopped has to end its containers, so none stays frozen.
        assert!(stays.run("ok").await.keep);
        let client = fixture.engine.client();
        client
            .kill_container(dies.id(), "KILL")
            .await
            .expect("kills");

        relay.listen(engine_socket());
        // In this order: what ended meanwhile is known before all goes on.
        assert_eq!(next(&events).await, ended(dies.id(), false));
        assert_eq!(next(&events).await, Event::Up);
        assert!(!stays.sandbox.has_exited() && dies.has_exited());
        assert!(engine.remove_all().await.is_empty());
    });
}
