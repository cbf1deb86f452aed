//! Warm blocking calls through OWL against direct ones, in turns.

use std::io;

use serde_json::{Value, json};

use super::daemon::Daemon;
use super::direct::{Engine, Runtime, run_body};
use super::figures::Report;
use super::http::Client;
use super::turns::{Turns, Way};
use super::{AT_A_TIME, ECHO, Extent, invoke, parameters, sandboxes};

/// What is called, with how many bytes of parameters, and how often in a round.
#[derive(Clone, Copy)]
struct Load {
    what: &'static str,
    code: &'static str,
    bytes: usize,
    calls: usize,
}

/// Parameters of several sizes that are given back.
const PAYLOADS: [Load; 3] = [
    Load::of("100 B", ECHO, 100, 800),
    Load::of("100 KB", ECHO, 100_000, 64),
    Load::of("1 MB", ECHO, 1_000_000, 16),
];

/// Actions that take their time: about a millisecond of the processor, and a wait.
const WORK: [Load; 3] = [
    Load::of("no work", ECHO, 100, 800),
    Load::of("sorts 3,000 numbers", SORTS, 100, 400),
    Load::of("waits 20 ms", WAITS, 100, 80),
];

/// The same numbers each time: a step of a generator puts them into disorder.
const SORTS: &str = "function main() { let x = 1; const list = Array.from({length: 3000}, \
    () => x = (x * 48271) % 2147483647); list.sort((a, b) => a - b); return {first: list[0]}; }";

const WAITS: &str =
    "function main() { return new Promise(done => setTimeout(() => done({}), 20)); }";

impl Load {
    const fn of(what: &'static str, code: &'static str, bytes: usize, calls: usize) -> Self {
        Load {
            what,
            code,
            bytes,
            calls,
        }
    }
}

/// Compares what there is: QuickJS as a process, and in a container, and the kind that was chosen.
pub fn compare(
    extent: Extent,
    engine: Option<&Engine>,
    kind: &str,
    report: &mut Report,
) -> io::Result<()> {
    compare_loads(&[&PAYLOADS], &AT_A_TIME, extent, engine, kind, report)
}

/// The same for actions that take their time, one and four at a time.
pub fn compare_work(
    extent: Extent,
    engine: Option<&Engine>,
    kind: &str,
    report: &mut Report,
) -> io::Result<()> {
    let each: Vec<&[Load]> = WORK.iter().map(std::slice::from_ref).collect();
    compare_loads(&each, &[1, 4], extent, engine, kind, report)
}

/// Compares with loads, those of each group in the same sandboxes.
fn compare_loads(
    groups: &[&[Load]],
    at_a_time: &[usize],
    extent: Extent,
    engine: Option<&Engine>,
    kind: &str,
    report: &mut Report,
) -> io::Result<()> {
    let host = engine.map_or("none", |engine| &engine.host);
    let daemon = Daemon::start(host, sandboxes::runtimes().as_deref())?;
    report.warm_heading();
    let side = |what, exec, loads| Side {
        what,
        daemon: &daemon,
        exec,
        loads,
        at_a_time,
    };
    for group in groups {
        let code = group[0].code;
        let exec = json!({"kind": "quickjs:1", "code": code});
        let side = side("quickjs:1 process", exec, group);
        let runtimes = (0..side.most()).map(|_| Runtime::start(code));
        let runtimes = runtimes.collect::<io::Result<Vec<_>>>()?;
        let direct = runtimes.iter().map(Runtime::client).collect();
        side.compare(extent, direct, report)?;
    }
    let Some(engine) = engine else {
        println!("no Docker Engine answers: containers are left out");
        return Ok(());
    };
    for group in groups {
        let exec = sandboxes::quickjs_container(engine, group[0].code)?;
        let side = side("quickjs:1 container", exec, group);
        side.compare_containers(extent, engine, report)?;
    }
    for group in groups {
        let exec = json!({"kind": kind, "code": group[0].code});
        side(kind, exec, group).compare_containers(extent, engine, report)?;
    }
    Ok(())
}

/// What is called through OWL.
struct Side<'a> {
    what: &'a str,
    daemon: &'a Daemon,
    exec: Value,
    /// With what; the same code for all.
    loads: &'a [Load],
    /// Connections at a time: each number of them is measured by itself.
    at_a_time: &'a [usize],
}

impl Side<'_> {
    fn most(&self) -> usize {
        self.at_a_time.iter().copied().max().unwrap_or_default()
    }

    /// Against containers that are made like the one that the daemon makes.
    fn compare_containers(
        &self,
        extent: Extent,
        engine: &Engine,
        report: &mut Report,
    ) -> io::Result<()> {
        self.create()?;
        let (mut client, body) = (self.daemon.client(), parameters(100));
        client.expect(200, "POST", &invoke(&self.action()), body.as_bytes())?;
        let model = engine.container_of(&self.action())?;
        let containers = (0..self.most()).map(|_| engine.start_like(&model, self.loads[0].code));
        let containers = containers.collect::<io::Result<Vec<_>>>()?;
        let direct = containers.iter().map(|container| container.client());
        self.compare(extent, direct.collect::<io::Result<_>>()?, report)
    }

    fn action(&self) -> String {
        let name = format!("{}-{}", self.what, self.loads[0].what);
        name.replace([':', ' ', '.', ','], "-")
    }

    fn create(&self) -> io::Result<()> {
        self.daemon.create_exec(&self.action(), &self.exec)
    }

    /// Calls an action through OWL, and sandboxes of it without, in turns: one at a time, then
    /// more of them.
    fn compare(
        &self,
        extent: Extent,
        mut direct: Vec<Client>,
        report: &mut Report,
    ) -> io::Result<()> {
        self.create()?;
        let path = invoke(&self.action());
        for at_a_time in self.at_a_time.iter().copied() {
            let direct = &mut direct[..at_a_time];
            let mut clients: Vec<_> = (0..at_a_time).map(|_| self.daemon.client()).collect();
            for load in self.loads {
                let parameters = parameters(load.bytes);
                let body = run_body(&parameters);
                let mut ways = [
                    Way {
                        clients: &mut clients,
                        path: &path,
                        body: parameters.as_bytes(),
                    },
                    Way {
                        clients: direct,
                        path: "/run",
                        body: &body,
                    },
                ];
                let calls = load.calls / extent.thinner / at_a_time;
                let turns = Turns::take(&mut ways, calls, extent)?;
                let what = format!("{}, {}, {at_a_time} at a time", self.what, load.what);
                report.warm(&what, &turns);
            }
        }
        Ok(())
    }
}
