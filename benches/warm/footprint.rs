//! What the daemon takes without doing much: room on disk, time to start, memory at each stage.

use std::io;
use std::thread;

use super::daemon::Daemon;
use super::figures::{Report, Times};
use super::{ECHO, Extent, invoke, parameters};

/// Connections that are open at the end.
const CONNECTIONS: usize = 50;

/// Measures the binary, starts of it, and its memory as it gets more to do.
pub fn measure(extent: Extent, report: &mut Report) -> io::Result<()> {
    let size = std::fs::metadata(env!("CARGO_BIN_EXE_owl"))?.len();
    report.value("binary", size as f64 / 1e6, "MB");
    let starts = (0..extent.colds.max(3)).map(|_| Ok(Daemon::start("none", None)?.started));
    let starts = Times::of(starts.collect::<io::Result<_>>()?);
    report.once("exec to listening, new store", &starts);

    let daemon = Daemon::start("none", None)?;
    memory(&daemon, "at first", report)?;
    for n in 0..100 {
        daemon.create(&format!("idle{n}"), "quickjs:1", ECHO)?;
    }
    thread::sleep(extent.settle);
    memory(&daemon, "idle, 100 actions", report)?;
    daemon.create("many", "quickjs:1", ECHO)?;
    let mut clients: Vec<_> = (0..CONNECTIONS).map(|_| daemon.client()).collect();
    let body = parameters(100);
    let mut calls = |from: usize, to: usize| -> io::Result<()> {
        for n in from..to {
            let client = &mut clients[n % CONNECTIONS];
            client.expect(200, "POST", &invoke("many"), body.as_bytes())?;
        }
        Ok(())
    };
    let (some, all) = (extent.invocations / 10, extent.invocations);
    let what = |calls: usize| format!("after {calls} invocations, {CONNECTIONS} connections");
    calls(0, some)?;
    memory(&daemon, &what(some), report)?;
    calls(some, all)?;
    memory(&daemon, &what(all), report)?;
    thread::sleep(extent.settle);
    memory(&daemon, "some time after that", report)
}

fn memory(daemon: &Daemon, what: &str, report: &mut Report) -> io::Result<()> {
    let (own, others) = daemon.memory()?;
    let mut line = |what: &str, kilobytes: u64| report.value(what, kilobytes as f64 / 1e3, "MB");
    line(&format!("PSS of the daemon {what}"), own.all);
    line(&format!("  of it anonymous, {what}"), own.anonymous);
    if others.all > 0 {
        line(&format!("  PSS of its sandboxes, {what}"), others.all);
    }
    Ok(())
}
