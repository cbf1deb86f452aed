//! OWL against the bare sandbox, and against its budgets: latency warm and cold, memory, start.
//!
//! `cargo bench --bench warm` starts the release binary and prints tables; a last word `quick`
//! (`cargo bench --bench warm -- quick`) does the same with few calls, to see that it works.
//! `cargo bench --bench warm -- master` compares gateways with a master, without one and with one
//! that is out of reach instead.
//! Both sides of a comparison take turns, so that whatever else the machine does hits both.
//! Containers are measured where `OWL_TEST_DOCKER_HOST`, else `DOCKER_HOST`, else the usual socket
//! leads to a Docker Engine, with the kind `OWL_BENCH_KIND` (`nodejs:20`) of the manifest
//! `OWL_TEST_RUNTIMES` (the built-in one).

mod daemon;
mod direct;
mod figures;
mod http;
mod master;

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use daemon::Daemon;
use direct::{Engine, Runtime, run_body};
use figures::Times;
use http::Client;

/// Gives back what it gets.
const ECHO: &str = "function main(params) { return params; }";

/// Bytes of parameters, and how many calls each connection makes in a round.
const PAYLOADS: [(&str, usize, usize); 2] = [("100 B", 100, 400), ("100 KB", 100_000, 20)];

/// How much is measured.
#[derive(Clone, Copy)]
struct Extent {
    rounds: usize,
    /// Calls of a round are divided by this.
    thinner: usize,
    colds: usize,
    settle: Duration,
    invocations: usize,
}

const FULL: Extent = Extent {
    rounds: 6,
    thinner: 1,
    colds: 10,
    settle: Duration::from_secs(60),
    invocations: 10_000,
};

const QUICK: Extent = Extent {
    rounds: 2,
    thinner: 20,
    colds: 2,
    settle: Duration::from_secs(1),
    invocations: 200,
};

fn main() -> io::Result<()> {
    let has = |word: &str| std::env::args().any(|argument| argument == word);
    let extent = if has("quick") { QUICK } else { FULL };
    if has("master") {
        return master::compare(extent);
    }
    start_and_memory(extent)?;
    let engine = Engine::find();
    let runtimes = std::env::var_os("OWL_TEST_RUNTIMES").map(PathBuf::from);
    let daemon = Daemon::start(
        engine.as_ref().map_or("none", |engine| &engine.host),
        runtimes.as_deref(),
    )?;
    quickjs_cold(&daemon, extent)?;
    let kind = std::env::var("OWL_BENCH_KIND").unwrap_or_else(|_| "nodejs:20".to_owned());
    if let Some(engine) = &engine {
        container_cold(&daemon, engine, &kind, extent)?;
    }
    figures::warm_heading();
    quickjs_warm(&daemon, extent)?;
    match &engine {
        Some(engine) => container_warm(&daemon, engine, &kind, extent)?,
        None => println!("no Docker Engine answers: containers are left out"),
    }
    Ok(())
}

fn start_and_memory(extent: Extent) -> io::Result<()> {
    let size = std::fs::metadata(env!("CARGO_BIN_EXE_owl"))?.len();
    figures::value("binary", size as f64 / 1e6, "MB");
    let starts = (0..extent.colds.max(3)).map(|_| Ok(Daemon::start("none", None)?.started));
    let starts = Times::of(starts.collect::<io::Result<_>>()?);
    figures::once("exec to listening, new store", &starts);

    let daemon = Daemon::start("none", None)?;
    for n in 0..100 {
        daemon.create(&format!("idle{n}"), "quickjs:1", ECHO)?;
    }
    std::thread::sleep(extent.settle);
    memory(&daemon, "idle, 100 actions")?;
    daemon.create("many", "quickjs:1", ECHO)?;
    let mut clients: Vec<_> = (0..50).map(|_| daemon.client()).collect();
    let parameters = parameters(100);
    for n in 0..extent.invocations {
        let client = &mut clients[n % 50];
        client.expect(200, "POST", &invoke("many"), parameters.as_bytes())?;
    }
    let what = format!("after {} invocations, 50 connections", extent.invocations);
    memory(&daemon, &what)
}

fn memory(daemon: &Daemon, what: &str) -> io::Result<()> {
    let (own, others) = daemon.memory()?;
    let megabytes = |kilobytes: u64| kilobytes as f64 / 1e3;
    let line = |what: &str, kilobytes| figures::value(what, megabytes(kilobytes), "MB");
    line(&format!("PSS of the daemon {what}"), own.all);
    line(
        "  of it anonymous, the rest being pages of files",
        own.anonymous,
    );
    if others.all > 0 {
        line("  PSS of its sandboxes", others.all);
    }
    Ok(())
}

/// A new action each time, so that each call needs a sandbox of its own.
fn quickjs_cold(daemon: &Daemon, extent: Extent) -> io::Result<()> {
    let mut client = daemon.client();
    let colds = (0..extent.colds).map(|n| cold_call(daemon, &mut client, "quickjs:1", n));
    figures::once(
        "cold call of quickjs:1",
        &Times::of(colds.collect::<io::Result<_>>()?),
    );
    Ok(())
}

fn cold_call(daemon: &Daemon, client: &mut Client, kind: &str, n: usize) -> io::Result<Duration> {
    let name = format!("cold-{}-{n}", kind.replace([':', '.'], "-"));
    daemon.create(&name, kind, ECHO)?;
    client.connect()?;
    let clock = Instant::now();
    client.expect(200, "POST", &invoke(&name), parameters(100).as_bytes())?;
    Ok(clock.elapsed())
}

fn container_cold(daemon: &Daemon, engine: &Engine, kind: &str, extent: Extent) -> io::Result<()> {
    let mut client = daemon.client();
    let (mut owl, mut raw) = (Vec::new(), Vec::new());
    for n in 0..extent.colds {
        owl.push(cold_call(daemon, &mut client, kind, n)?);
        let name = format!("cold-{}-{n}", kind.replace([':', '.'], "-"));
        let model = engine.container_of(&name)?;
        let container = engine.start_like(&model, ECHO)?;
        let body = run_body(&parameters(100));
        container.client()?.expect(200, "POST", "/run", &body)?;
        raw.push(container.began.elapsed());
    }
    figures::once(&format!("cold call of {kind}"), &Times::of(owl));
    figures::once("  create, start, init, run by hand", &Times::of(raw));
    Ok(())
}

fn quickjs_warm(daemon: &Daemon, extent: Extent) -> io::Result<()> {
    daemon.create("warm", "quickjs:1", ECHO)?;
    let runtimes = (0..4).map(|_| Runtime::start(ECHO));
    let runtimes = runtimes.collect::<io::Result<Vec<_>>>()?;
    let mut direct: Vec<_> = runtimes.iter().map(Runtime::client).collect();
    compare("quickjs:1, process", daemon, "warm", extent, &mut direct)
}

fn container_warm(daemon: &Daemon, engine: &Engine, kind: &str, extent: Extent) -> io::Result<()> {
    daemon.create("warm-container", kind, ECHO)?;
    let body = parameters(100);
    let mut client = daemon.client();
    client.expect(200, "POST", &invoke("warm-container"), body.as_bytes())?;
    let model = engine.container_of("warm-container")?;
    let containers = (0..4).map(|_| engine.start_like(&model, ECHO));
    let containers = containers.collect::<io::Result<Vec<_>>>()?;
    let direct = containers.iter().map(|container| container.client());
    let mut direct = direct.collect::<io::Result<Vec<_>>>()?;
    compare(kind, daemon, "warm-container", extent, &mut direct)
}

/// Calls an action through OWL, and sandboxes of it without, in turns: one at a time, then as
/// many as there are sandboxes.
fn compare(
    what: &str,
    daemon: &Daemon,
    action: &str,
    extent: Extent,
    direct: &mut [Client],
) -> io::Result<()> {
    for at_a_time in [1, direct.len()] {
        let direct = &mut direct[..at_a_time];
        let mut clients: Vec<_> = (0..at_a_time).map(|_| daemon.client()).collect();
        for (size, bytes, calls) in PAYLOADS {
            let parameters = parameters(bytes);
            let body = run_body(&parameters);
            let calls = (calls / extent.thinner).max(5);
            let (mut owl, mut bare) = (Times::default(), Times::default());
            for round in 0..=extent.rounds {
                // For the disk: OWL keeps a record of each result, and refuses calls when their
                // writing falls behind.
                std::thread::sleep(extent.settle / 60);
                let path = invoke(action);
                let (times, wall) = run(&mut clients, calls, &path, parameters.as_bytes())?;
                let (others, others_wall) = run(direct, calls, "/run", &body)?;
                if round > 0 {
                    // The first one warms up, and starts the sandboxes that are missing.
                    owl.add(times, wall);
                    bare.add(others, others_wall);
                }
            }
            let what = format!("{what}, {size}, {at_a_time} at a time");
            figures::warm(&what, &owl, &bare);
        }
    }
    Ok(())
}

/// Makes calls over all connections at the same time: each one's time, and that of all.
fn run(
    clients: &mut [Client],
    calls: usize,
    path: &str,
    body: &[u8],
) -> io::Result<(Vec<Duration>, Duration)> {
    let clock = Instant::now();
    let times = std::thread::scope(|scope| {
        let threads: Vec<_> = clients
            .iter_mut()
            .map(|client| scope.spawn(move || calls_of_one(client, calls, path, body)))
            .collect();
        let results = threads.into_iter().map(|thread| {
            let result = thread.join();
            result.unwrap_or_else(|_| Err(io::Error::other("a thread panicked")))
        });
        results.collect::<io::Result<Vec<_>>>()
    })?;
    Ok((times.concat(), clock.elapsed()))
}

fn calls_of_one(
    client: &mut Client,
    calls: usize,
    path: &str,
    body: &[u8],
) -> io::Result<Vec<Duration>> {
    (0..calls)
        .map(|_| {
            let clock = Instant::now();
            client.expect(200, "POST", path, body)?;
            Ok(clock.elapsed())
        })
        .collect()
}

/// Parameters of about this many bytes.
fn parameters(bytes: usize) -> String {
    format!("{{\"text\":\"{}\"}}", "x".repeat(bytes - 11))
}

fn invoke(action: &str) -> String {
    format!("/api/v1/namespaces/_/actions/{action}?blocking=true&result=true")
}
