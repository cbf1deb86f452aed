//! Many actions in few places: calls one after another, as often of an action as Zipf has it.

use std::io;
use std::time::Instant;

use serde_json::Value;

use super::daemon::Daemon;
use super::direct::Engine;
use super::figures::{Report, Times};
use super::{ECHO, Extent, parameters, sandboxes};

const ACTIONS: usize = 20;

/// Places for them.
const CAPACITY: &str = "5";

/// Calls of a full measurement.
const CALLS: usize = 400;

/// Calls that come before those that are measured.
const BEFORE: usize = 40;

/// Plays the calls on each engine that there is.
pub fn measure(
    extent: Extent,
    engine: Option<&Engine>,
    kind: &str,
    report: &mut Report,
) -> io::Result<()> {
    println!();
    play("none", "quickjs:1", extent, report)?;
    match engine {
        Some(engine) => play(&engine.host, kind, extent, report),
        None => Ok(()),
    }
}

fn play(host: &str, kind: &str, extent: Extent, report: &mut Report) -> io::Result<()> {
    let mut settings = Daemon::settings(host, sandboxes::runtimes().as_deref());
    settings.push(("OWL_HOST_CAPACITY", CAPACITY.to_owned()));
    let daemon = Daemon::with(settings)?;
    for n in 0..ACTIONS {
        daemon.create(&format!("mixed{n}"), kind, ECHO)?;
    }
    let mut client = daemon.client();
    let (mut all, mut colds) = (Vec::new(), 0);
    let (calls, body) = (CALLS / extent.thinner, parameters(100));
    let mut chance = Chance(1);
    for n in 0..BEFORE + calls {
        let action = chance.zipf(ACTIONS);
        let path = format!("/api/v1/namespaces/_/actions/mixed{action}?blocking=true");
        let clock = Instant::now();
        let record = client.expect(200, "POST", &path, body.as_bytes())?;
        let time = clock.elapsed();
        if n < BEFORE {
            continue;
        }
        all.push(time);
        let record: Value = serde_json::from_slice(&record).map_err(io::Error::other)?;
        let annotations = record["annotations"].as_array();
        let mut annotations = annotations.into_iter().flatten();
        colds += usize::from(annotations.any(|annotation| annotation["key"] == "initTime"));
    }
    let what = format!("{kind}, {ACTIONS} actions by Zipf in {CAPACITY} places");
    let share = 100.0 * colds as f64 / calls.max(1) as f64;
    report.value(&format!("cold calls of {what}"), share, "%");
    report.rate(&what, &Times::of(all));
    Ok(())
}

/// The same numbers in each run.
struct Chance(u64);

impl Chance {
    /// A number below 1 (xorshift).
    fn unit(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    /// One of `n`, the k-th of them k times less often than the first.
    fn zipf(&mut self, n: usize) -> usize {
        let all: f64 = (1..=n).map(|k| 1.0 / k as f64).sum();
        let mut left = self.unit() * all;
        for k in 1..n {
            left -= 1.0 / k as f64;
            if left < 0.0 {
                return k - 1;
            }
        }
        n - 1
    }
}
