//! What the daemon spends on a warm call: time of its threads, and how often they sleep; under a
//! tool, what that counts.
//!
//! The call is one of `quickjs:1`, or of the kind `OWL_BENCH_KIND` if that is set and a Docker
//! Engine answers. `OWL_BENCH_UNDER` is what the daemon is started under, such as
//! `strace -f --summary-only --output=FILE` or `valgrind --tool=callgrind --separate-threads=yes`
//! (with which only containers work), and `OWL_BENCH_CALLS` how many calls are made. A tool sees
//! the start and the end of the daemon, too: the difference between runs with two numbers of calls
//! is what the calls alone have cost.

use std::fs;
use std::io;
use std::time::Duration;

use super::daemon::Daemon;
use super::direct::Engine;
use super::figures::{Report, Times};
use super::{ECHO, Extent, calls_of_one, invoke, parameters, sandboxes};

/// Calls, unless another number is asked for.
const CALLS: usize = 20_000;

/// Calls before those that are measured.
const BEFORE: usize = 200;

/// Until what follows a call, such as its record, is through.
const REST: Duration = Duration::from_millis(500);

/// Calls an action again and again over one connection.
pub fn measure(extent: Extent, engine: Option<&Engine>, report: &mut Report) -> io::Result<()> {
    let calls = std::env::var("OWL_BENCH_CALLS").ok();
    let calls = calls.and_then(|calls| calls.parse().ok());
    let calls = calls.unwrap_or(CALLS / extent.thinner);
    let kind = std::env::var("OWL_BENCH_KIND");
    let (daemon, kind) = match (engine, &kind) {
        (Some(engine), Ok(kind)) => {
            let runtimes = sandboxes::runtimes();
            (Daemon::start(&engine.host, runtimes.as_deref())?, &**kind)
        }
        _ => (Daemon::start("none", None)?, "quickjs:1"),
    };
    daemon.create("profile", kind, ECHO)?;
    let (mut client, path, body) = (daemon.client(), invoke("profile"), parameters(100));
    let mut call = |calls| calls_of_one(&mut client, calls, 200, &path, body.as_bytes());
    call(BEFORE)?;
    std::thread::sleep(REST);
    let before = threads(daemon.id())?;
    let times = Times::of(call(calls)?);
    std::thread::sleep(REST);
    let after = threads(daemon.id())?;
    println!("\nof {calls} warm calls of {kind}, one at a time");
    report.rate("as the caller sees them", &times);
    for (name, spent) in after {
        let known = before.iter().find(|(known, _)| *known == name);
        let Some((_, begun)) = known else { continue };
        let each = |of: fn(&Spent) -> u64| {
            of(&spent).saturating_sub(of(begun)) as f64 / calls.max(1) as f64
        };
        let sleeps = each(|spent| spent.sleeps);
        if sleeps > 0.01 {
            let thread = format!("thread {name}, a call");
            let processor = each(|spent| spent.processor) / 1e6;
            report.value(&format!("{thread}: processor"), processor, "ms");
            report.value(&format!("{thread}: goes to sleep"), sleeps, "times");
        }
    }
    Ok(())
}

/// What a thread has spent.
struct Spent {
    /// Time on a processor, in nanoseconds.
    processor: u64,
    /// How often it gave the processor up.
    sleeps: u64,
}

/// The threads of a process, by name.
fn threads(pid: u32) -> io::Result<Vec<(String, Spent)>> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task"))?;
    tasks
        .map(|task| {
            let folder = task?.path();
            let name = fs::read_to_string(folder.join("comm"))?.trim().to_owned();
            let schedule = fs::read_to_string(folder.join("schedstat"))?;
            let status = fs::read_to_string(folder.join("status"))?;
            let sleeps = status
                .lines()
                .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
            let number = |text: Option<&str>| {
                let number = text.and_then(|text| text.trim().parse().ok());
                number
                    .ok_or_else(|| io::Error::other("the kernel does not tell what threads spend"))
            };
            let spent = Spent {
                processor: number(schedule.split(' ').next())?,
                sleeps: number(sleeps)?,
            };
            Ok((name, spent))
        })
        .collect()
}
