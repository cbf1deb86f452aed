//! Warm blocking calls through OWL against direct ones, in turns.

use std::io;
use std::thread;

use serde_json::{Value, json};

use super::daemon::Daemon;
use super::direct::{Engine, Runtime, run_body};
use super::figures::{Report, Times};
use super::http::Client;
use super::{AT_A_TIME, ECHO, Extent, calls_of_all, invoke, parameters, sandboxes};

/// Bytes of parameters, and how many calls are made in a round.
const PAYLOADS: [(&str, usize, usize); 3] = [
    ("100 B", 100, 800),
    ("100 KB", 100_000, 64),
    ("1 MB", 1_000_000, 16),
];

/// Compares what there is: QuickJS as a process, and in a container, and the kind that was chosen.
pub fn compare(
    extent: Extent,
    engine: Option<&Engine>,
    kind: &str,
    report: &mut Report,
) -> io::Result<()> {
    let host = engine.map_or("none", |engine| &engine.host);
    let daemon = Daemon::start(host, sandboxes::runtimes().as_deref())?;
    report.warm_heading();
    let runtimes = (0..most()).map(|_| Runtime::start(ECHO));
    let runtimes = runtimes.collect::<io::Result<Vec<_>>>()?;
    let direct = runtimes.iter().map(Runtime::client).collect();
    let exec = json!({"kind": "quickjs:1", "code": ECHO});
    let side = Side {
        what: "quickjs:1 process",
        daemon: &daemon,
        exec,
    };
    side.compare(extent, direct, report)?;
    drop(runtimes);
    let Some(engine) = engine else {
        println!("no Docker Engine answers: containers are left out");
        return Ok(());
    };
    let sides = [
        (
            "quickjs:1 container",
            sandboxes::quickjs_container(engine, ECHO)?,
        ),
        (kind, json!({"kind": kind, "code": ECHO})),
    ];
    for (what, exec) in sides {
        let side = Side {
            what,
            daemon: &daemon,
            exec,
        };
        side.compare_containers(extent, engine, report)?;
    }
    Ok(())
}

fn most() -> usize {
    AT_A_TIME.into_iter().max().unwrap_or_default()
}

/// What is called through OWL.
struct Side<'a> {
    what: &'a str,
    daemon: &'a Daemon,
    exec: Value,
}

impl Side<'_> {
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
        let containers = (0..most()).map(|_| engine.start_like(&model, ECHO));
        let containers = containers.collect::<io::Result<Vec<_>>>()?;
        let direct = containers.iter().map(|container| container.client());
        self.compare(extent, direct.collect::<io::Result<_>>()?, report)
    }

    fn action(&self) -> String {
        self.what.replace([':', ' ', '.'], "-")
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
        for at_a_time in AT_A_TIME {
            let direct = &mut direct[..at_a_time];
            let mut clients: Vec<_> = (0..at_a_time).map(|_| self.daemon.client()).collect();
            for (size, bytes, calls) in PAYLOADS {
                let parameters = parameters(bytes);
                let body = run_body(&parameters);
                let calls = (calls / extent.thinner / at_a_time).max(1);
                let (mut owl, mut bare) = (Times::default(), Times::default());
                for round in 0..=extent.rounds {
                    // For the disk: OWL keeps a record of each result, and refuses calls when
                    // their writing falls behind.
                    thread::sleep(extent.pause);
                    let (times, wall) =
                        calls_of_all(&mut clients, calls, 200, &path, parameters.as_bytes())?;
                    let (others, others_wall) = calls_of_all(direct, calls, 200, "/run", &body)?;
                    if round > 0 {
                        // The first one warms up, and starts the sandboxes that are missing.
                        owl.add(times, wall);
                        bare.add(others, others_wall);
                    }
                }
                let what = format!("{}, {size}, {at_a_time} at a time", self.what);
                report.warm(&what, &owl, &bare);
            }
        }
        Ok(())
    }
}
