//! What a cold call takes, and its steps; with a stem cell and without.

use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::daemon::Daemon;
use super::direct::{Engine, Steps, run_body};
use super::figures::{Report, Times};
use super::http::Client;
use super::{ECHO, Extent, parameters, sandboxes};

/// In which another stem cell is there.
const REGROWTH: Duration = Duration::from_secs(2);

/// A cold call, and how long the sandbox took to take the action in, as its record says.
struct Cold {
    all: Duration,
    init: Duration,
}

/// Measures cold calls on the engines that there are.
pub fn measure(
    extent: Extent,
    engine: Option<&Engine>,
    kind: &str,
    report: &mut Report,
) -> io::Result<()> {
    let host = engine.map_or("none", |engine| &engine.host);
    let kinds: Vec<&str> = std::iter::once("quickjs:1")
        .chain(engine.map(|_| kind))
        .collect();
    let daemon = Daemon::start(host, sandboxes::runtimes().as_deref())?;
    quickjs(&daemon, extent, report)?;
    if let Some(engine) = engine {
        container(&daemon, engine, kind, extent, report)?;
    }
    drop(daemon);
    let manifest = sandboxes::with_stem_cells(&kinds)?;
    for kind in kinds {
        stem_cell(host, manifest.path(), kind, extent, report)?;
    }
    Ok(())
}

fn quickjs(daemon: &Daemon, extent: Extent, report: &mut Report) -> io::Result<()> {
    let mut client = daemon.client();
    let colds = (0..extent.colds).map(|n| cold_call(daemon, &mut client, "quickjs:1", n));
    told("quickjs:1", colds.collect::<io::Result<_>>()?, report);
    Ok(())
}

fn container(
    daemon: &Daemon,
    engine: &Engine,
    kind: &str,
    extent: Extent,
    report: &mut Report,
) -> io::Result<()> {
    let mut client = daemon.client();
    let (mut owl, mut raw, mut steps) = (Vec::new(), Vec::new(), Vec::new());
    for n in 0..extent.colds {
        owl.push(cold_call(daemon, &mut client, kind, n)?);
        let model = engine.container_of(&name(kind, n))?;
        let begun = Instant::now();
        let container = engine.start_like(&model, ECHO)?;
        let body = run_body(&parameters(100));
        container.client()?.expect(200, "POST", "/run", &body)?;
        raw.push(begun.elapsed());
        steps.push(container.steps);
    }
    told(kind, owl, report);
    report.once("  create, start, init, run by hand", &Times::of(raw));
    let mut step = |what: &str, of: fn(&Steps) -> Duration| {
        let times = Times::of(steps.iter().map(of).collect());
        report.once(&format!("    {what} by hand"), &times);
    };
    step("create", |steps| steps.create);
    step("start", |steps| steps.start);
    step("until it listens", |steps| steps.boot);
    step("init", |steps| steps.init);
    Ok(())
}

/// A daemon of its own, which has one stem cell of each kind.
fn stem_cell(
    host: &str,
    manifest: &Path,
    kind: &str,
    extent: Extent,
    report: &mut Report,
) -> io::Result<()> {
    let daemon = Daemon::start(host, Some(manifest))?;
    let mut client = daemon.client();
    let mut colds = Vec::new();
    for n in 0..extent.colds {
        thread::sleep(REGROWTH);
        colds.push(cold_call(&daemon, &mut client, kind, n)?);
    }
    told(&format!("{kind} with a stem cell"), colds, report);
    Ok(())
}

fn told(what: &str, colds: Vec<Cold>, report: &mut Report) {
    let all = colds.iter().map(|cold| cold.all).collect();
    report.once(&format!("cold call of {what}"), &Times::of(all));
    let inits = colds.iter().map(|cold| cold.init).collect();
    report.once(
        &format!("  of it until {what} has its code"),
        &Times::of(inits),
    );
}

fn name(kind: &str, n: usize) -> String {
    format!("cold-{}-{n}", kind.replace([':', '.'], "-"))
}

/// A new action each time, so that each call needs a sandbox of its own.
fn cold_call(daemon: &Daemon, client: &mut Client, kind: &str, n: usize) -> io::Result<Cold> {
    let name = name(kind, n);
    daemon.create(&name, kind, ECHO)?;
    client.connect()?;
    let path = format!("/api/v1/namespaces/_/actions/{name}?blocking=true");
    let clock = Instant::now();
    let record = client.expect(200, "POST", &path, parameters(100).as_bytes())?;
    let all = clock.elapsed();
    let record: Value = serde_json::from_slice(&record).map_err(io::Error::other)?;
    let annotations = record["annotations"].as_array();
    let init = annotations
        .into_iter()
        .flatten()
        .find(|annotation| annotation["key"] == "initTime")
        .and_then(|annotation| annotation["value"].as_u64());
    let init = Duration::from_millis(init.unwrap_or_default());
    Ok(Cold { all, init })
}
