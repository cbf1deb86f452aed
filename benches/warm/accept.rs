//! Calls that nobody waits for: how many are accepted, each durable before its 202.

use std::io;
use std::thread;

use super::daemon::Daemon;
use super::figures::{Report, Times};
use super::{AT_A_TIME, ECHO, Extent, calls_of_all, parameters};

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
        let path = "/api/v1/namespaces/_/actions/accepted";
        let (times, wall) = calls_of_all(&mut clients, calls, 202, path, body.as_bytes())?;
        let mut all = Times::default();
        all.add(times, wall);
        report.rate(&format!("calls accepted, {at_a_time} at a time"), &all);
        // Until all of them have run.
        thread::sleep(extent.pause * 4);
    }
    Ok(())
}
