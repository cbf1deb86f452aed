//! OWL against the bare sandbox, and against its budgets: latency warm and cold, memory, start.
//!
//! `cargo bench --bench warm` starts the release binary and prints tables, then the same as JSON.
//! What is measured can be chosen (`cargo bench --bench warm -- cold mixed`):
//!
//! - `footprint`: binary, start, memory at each stage
//! - `cold`: cold calls and their steps, with a stem cell and without
//! - `warm`: warm blocking calls against direct ones, which take turns with them
//! - `work`: the same for actions that take their time
//! - `accept`: how many calls are accepted that nobody waits for
//! - `mixed`: many actions in few places
//! - `master`: gateways with a master, without one and with one that is out of reach; only if it is
//!   asked for
//! - `relay`: warm calls through a relay that does nothing, beside those through OWL; only if it is
//!   asked for
//! - `profile`: what the daemon spends on a warm call, alone or under a tool; only if it is asked for
//!
//! The word `quick` does the same with few calls, to see that it works. Containers are measured
//! where `OWL_TEST_DOCKER_HOST`, else `DOCKER_HOST`, else the usual socket leads to a Docker
//! Engine, with the kind `OWL_BENCH_KIND` (`nodejs:20`) of the manifest `OWL_TEST_RUNTIMES` (the
//! built-in one).

mod accept;
mod cold;
mod daemon;
mod direct;
mod figures;
mod footprint;
mod http;
mod master;
mod mixed;
mod profile;
mod relay;
mod sandboxes;
mod turns;
mod warm;

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use direct::Engine;
use figures::Report;
use http::Client;

/// Gives back what it gets.
const ECHO: &str = "function main(params) { return params; }";

/// What is measured if nothing is chosen.
const PARTS: [&str; 6] = ["footprint", "cold", "accept", "mixed", "warm", "work"];

/// What is measured only if it is chosen.
const SPECIAL: [&str; 3] = ["master", "profile", "relay"];

/// How much is measured.
#[derive(Clone, Copy)]
struct Extent {
    rounds: usize,
    /// Calls of a round are divided by this.
    thinner: usize,
    colds: usize,
    /// Until a daemon that has nothing to do is at rest.
    settle: Duration,
    /// Between rounds.
    pause: Duration,
    invocations: usize,
}

const FULL: Extent = Extent {
    rounds: 8,
    thinner: 1,
    colds: 10,
    settle: Duration::from_secs(60),
    pause: Duration::from_millis(500),
    invocations: 100_000,
};

const QUICK: Extent = Extent {
    rounds: 2,
    thinner: 20,
    colds: 2,
    settle: Duration::from_secs(1),
    pause: Duration::from_millis(50),
    invocations: 200,
};

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some(relay::ARGUMENT) {
        return relay::serve(&arguments.next().unwrap_or_default());
    }
    // Cargo adds arguments of its own, which begin with dashes.
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with('-'))
        .collect();
    let has = |word: &str| words.iter().any(|is| is == word);
    let extent = if has("quick") { QUICK } else { FULL };
    let is_part = |word: &str| PARTS.contains(&word) || SPECIAL.contains(&word);
    if let Some(word) = words.iter().find(|word| !is_part(word) && *word != "quick") {
        return Err(io::Error::other(format!("there is no part {word}")));
    }
    let chosen = words.iter().any(|word| is_part(word));
    let engine = Engine::find();
    let kind = sandboxes::container_kind();
    let mut report = Report::default();
    for part in PARTS.into_iter().chain(SPECIAL) {
        if !has(part) && (chosen || SPECIAL.contains(&part)) {
            continue;
        }
        match part {
            "footprint" => footprint::measure(extent, &mut report)?,
            "cold" => cold::measure(extent, engine.as_ref(), &kind, &mut report)?,
            "accept" => accept::measure(extent, &mut report)?,
            "mixed" => mixed::measure(extent, engine.as_ref(), &kind, &mut report)?,
            "warm" => warm::compare(extent, engine.as_ref(), &kind, &mut report)?,
            "work" => warm::compare_work(extent, engine.as_ref(), &kind, &mut report)?,
            "relay" => relay::compare(extent, engine.as_ref(), &kind, &mut report)?,
            "profile" => profile::measure(extent, engine.as_ref(), &mut report)?,
            _ => master::compare(extent, &mut report)?,
        }
    }
    report.print();
    Ok(())
}

/// Connections at a time, in the parts that have several.
const AT_A_TIME: [usize; 3] = [1, 4, 16];

fn calls_of_one(
    client: &mut Client,
    calls: usize,
    status: u16,
    path: &str,
    body: &[u8],
) -> io::Result<Vec<Duration>> {
    (0..calls)
        .map(|_| {
            let clock = Instant::now();
            client.expect(status, "POST", path, body)?;
            Ok(clock.elapsed())
        })
        .collect()
}

/// Makes calls over all connections at the same time: each one's time, and that of all.
fn calls_of_all(
    clients: &mut [Client],
    calls: usize,
    status: u16,
    path: &str,
    body: &[u8],
) -> io::Result<(Vec<Duration>, Duration)> {
    let clock = Instant::now();
    let times = thread::scope(|scope| {
        let threads: Vec<_> = clients
            .iter_mut()
            .map(|client| scope.spawn(move || calls_of_one(client, calls, status, path, body)))
            .collect();
        let results = threads.into_iter().map(|thread| {
            let result = thread.join();
            result.unwrap_or_else(|_| Err(io::Error::other("a thread panicked")))
        });
        results.collect::<io::Result<Vec<_>>>()
    })?;
    Ok((times.concat(), clock.elapsed()))
}

/// Parameters of about this many bytes.
fn parameters(bytes: usize) -> String {
    format!("{{\"text\":\"{}\"}}", "x".repeat(bytes - 11))
}

fn invoke(action: &str) -> String {
    format!("/api/v1/namespaces/_/actions/{action}?blocking=true&result=true")
}
