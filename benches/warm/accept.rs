//! Calls that nobody waits for: how many are accepted, each durable before its 202.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use super::daemon::Daemon;
use super::figures::{Report, Times};
use super::{ECHO, Extent, parameters};

/// Connections at a time.
const AT_A_TIME: [usize; 3] = [1, 4, 16];

/// Accepted calls in each measurement: fewer than may wait, as they are accepted faster than run.
const CALLS: usize = 800;

/// Measures how fast calls are accepted.
pub fn measure(extent: Extent, report: &mut Report) -> io::Result<()> {
    let daemon = Daemon::start("none", None)?;
    daemon.create("accepted", "quickjs:1", ECHO)?;
    let body = parameters(100);
    println!();
    for at_a_time in AT_A_TIME {
        let mut clients: Vec<_> = (0..at_a_time).map(|_| daemon.client()).collect();
        let calls = (CALLS / extent.thinner / at_a_time).max(1);
        let clock = Instant::now();
        let times = thread::scope(|scope| {
            let body = body.as_bytes();
            let threads: Vec<_> = clients
                .iter_mut()
                .map(|client| {
                    scope.spawn(move || -> io::Result<Vec<Duration>> {
                        let mut times = Vec::new();
                        for _ in 0..calls {
                            let clock = Instant::now();
                            let path = "/api/v1/namespaces/_/actions/accepted";
                            client.expect(202, "POST", path, body)?;
                            times.push(clock.elapsed());
                        }
                        Ok(times)
                    })
                })
                .collect();
            let results = threads.into_iter().map(|thread| {
                let result = thread.join();
                result.unwrap_or_else(|_| Err(io::Error::other("a thread panicked")))
            });
            results.collect::<io::Result<Vec<_>>>()
        })?;
        let mut all = Times::default();
        all.add(times.concat(), clock.elapsed());
        report.rate(&format!("calls accepted, {at_a_time} at a time"), &all);
        // Until all of them have run.
        thread::sleep(extent.pause * 4);
    }
    Ok(())
}
