//! What the engine tells by itself.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use owl::engine::{Engine, Event, Listener};
use owl::http::client::within;
use serde_json::{Value, json};
use smol::channel::{Receiver, unbounded};

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
        // Whether it was for its memory is known soon, but not always at once.
        let Event::Ended { id, .. } = next(&events).await else {
            panic!("it has ended");
        };
        assert_eq!(id, greedy.sandbox.id());
        assert!(greedy.sandbox.killed_for_memory().await);
        greedy.sandbox.remove().await;
        assert!(events.is_empty(), "{:?}", events.try_recv());
    });
}

#[test]
fn an_engine_that_goes_and_comes_back_is_told() {
    with_engine("down", async |fixture| {
        let (listener, events) = listener();
        let (relay, engine) = fixture.relayed(listener).await;
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

#[test]
fn an_engine_that_takes_no_calls_is_away_though_its_events_go_on() {
    with_engine("refuses", async |fixture| {
        let (listener, events) = listener();
        let (relay, engine) = fixture.relayed(listener).await;
        let mut frozen = fixture.runtime_of(&*engine).await;
        frozen.proxy.disconnect();
        frozen.sandbox.freeze().await.expect("freezes");
        relay.refuse();
        assert!(engine.start(&spec(IMAGE)).await.is_err());
        assert_eq!(next(&events).await, Event::Down);
        // It could not be ended otherwise.
        assert!(frozen.run("ok").await.keep);
        relay.listen(engine_socket());
        assert_eq!(next(&events).await, Event::Up);
        assert!(engine.remove_all().await.is_empty());
    });
}

#[test]
fn a_log_stream_that_breaks_off_costs_no_container() {
    with_engine("cut", async |fixture| {
        let (relay, engine) = fixture.relayed(Listener::default()).await;
        let mut runtime = fixture.runtime_of(&*engine).await;
        runtime.runs_well(1).await;
        assert_eq!(relay.cut("/attach?"), 1);
        runtime.begin().await;
        assert!(runtime.run("ok").await.keep);
        let (lines, incomplete) = runtime.logs(true).await;
        assert!(incomplete, "{lines:?}");
        assert!(!runtime.sandbox.has_exited());
        assert!(runtime.run("ok").await.keep);
        assert!(engine.remove_all().await.is_empty());
    });
}

#[test]
fn containers_of_others_are_left_alone() {
    with_engine("others_made", async |fixture| {
        // Whose label it has does not matter: this process has not asked for it.
        let labels = json!({ "owl.daemon": fixture.daemon });
        let container = json!({ "Image": IMAGE, "Labels": labels });
        let created = docker(&fixture.executor, "POST", "/containers/create", container);
        assert!(created.await["Id"].is_string());
        let mut runtime = fixture.runtime().await;
        runtime.runs_well(1).await;
        assert_eq!(fixture.containers().await.len(), 2);
    });
}

#[test]
fn a_container_that_somebody_else_removes_is_there_until_it_is_gone() {
    with_engine("others", async |fixture| {
        for _ in 0..5 {
            let sandbox = fixture.start(&spec(IMAGE)).await.expect("starts");
            let mut other = UnixStream::connect(engine_socket()).expect("connects");
            let path = format!("/containers/{}?force=1", sandbox.id());
            let request = format!("DELETE {path} HTTP/1.0\r\nHost: docker\r\n\r\n");
            other.write_all(request.as_bytes()).expect("sends");
            // Until the other one is at it.
            smol::Timer::after(Duration::from_millis(20)).await;
            sandbox.remove().await;
            let client = fixture.engine.client();
            let found = client.inspect_container(sandbox.id()).await;
            assert!(found.is_err_and(|error| error.is_not_found()));
        }
    });
}

/// When the first process of a container ends.
fn ends(process: i64) -> thread::JoinHandle<Instant> {
    thread::spawn(move || {
        let stat = format!("/proc/{process}/stat");
        while std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z ")) {
            thread::sleep(Duration::from_micros(200));
        }
        Instant::now()
    })
}

/// Waits for the end of a sandbox. Podman does not always know why it came, and under load it seems
/// to be away now and then.
async fn end_of(sandbox: &str, events: &Receiver<Event>) {
    loop {
        match next(events).await {
            Event::Ended { id, .. } => return assert_eq!(id, sandbox),
            Event::Down | Event::Up => {}
        }
    }
}

#[test]
fn how_soon_it_is_known_what_has_happened() {
    with_engine("soon", async |fixture| {
        let (listener, events) = listener();
        let (relay, engine) = fixture.relayed(listener).await;
        let mut exits = Vec::new();
        let mut memory = Vec::new();
        for round in 0..10 {
            let mut runtime = fixture.runtime_of(&*engine).await;
            let sandbox = runtime.sandbox.id().to_owned();
            let path = format!("/containers/{sandbox}/json");
            let container = docker(&fixture.executor, "GET", &path, Value::Null).await;
            let process = container["State"]["Pid"].as_i64().expect("it runs");
            let watch = ends(process);
            let is_memory = round % 2 == 1;
            if is_memory {
                let run = runtime.run("allocate");
                let heard = async {
                    end_of(&sandbox, &events).await;
                    Instant::now()
                };
                let (_, heard) = futures_lite::future::zip(run, heard).await;
                memory.push(heard - watch.join().expect("it has ended"));
            } else {
                kill(Pid::from_raw(process as i32), Signal::SIGKILL).expect("kills");
                end_of(&sandbox, &events).await;
                let heard = Instant::now();
                exits.push(heard - watch.join().expect("it has ended"));
            }
            runtime.sandbox.remove().await;
        }
        while let Ok(Event::Down) = events.try_recv() {
            assert_eq!(next(&events).await, Event::Up);
        }
        let went = Instant::now();
        relay.stop();
        assert_eq!(next(&events).await, Event::Down);
        let down = went.elapsed();
        let came = Instant::now();
        relay.listen(engine_socket());
        assert_eq!(next(&events).await, Event::Up);
        let up = came.elapsed();
        let told = format!(
            "known of ends after {exits:.1?}, of those for memory after {memory:.1?}, of an engine \
             that went after {down:.1?}, of one that came after {up:.1?}"
        );
        writeln!(std::io::stderr(), "{told}").ok();
    });
}
