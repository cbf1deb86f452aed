//! What a master costs a call that runs here: with it, without it, and while it is out of reach.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::daemon::Daemon;
use super::figures::{Report, Times};
use super::http::Client;
use super::{ECHO, Extent, calls_of_one, invoke, parameters};

/// Calls of a gateway in a round.
const CALLS: usize = 400;

/// Rounds for each of those that [`Extent`] asks for: this is about small differences.
const MORE: usize = 4;

/// A gateway, and the master that it has.
struct Case {
    what: &'static str,
    gateway: Daemon,
    /// Kept running.
    _master: Option<Daemon>,
    warm: Times,
    /// The medians of the rounds, in ms: how far they lie apart is the noise.
    medians: Vec<f64>,
    first: Times,
}

/// How a gateway stands to its master.
#[derive(Clone, Copy, PartialEq)]
enum Link {
    Never,
    Up,
    /// Connections are refused.
    Down,
    /// Connections are made, and nobody answers.
    Silent,
}

/// Compares warm calls of gateways that take turns, then the first call after a restart.
pub fn compare(extent: Extent, report: &mut Report) -> io::Result<()> {
    let mut cases = [
        Case::new("never configured", Link::Never, None)?,
        Case::new("master up", Link::Up, None)?,
        Case::new("master up, copies compared each second", Link::Up, Some(1))?,
        Case::new("master down, copies long due", Link::Down, Some(0))?,
        Case::new("master silent, copies long due", Link::Silent, Some(0))?,
    ];
    warm(&mut cases, extent)?;
    println!(
        "\n{:<42} {:>8} {:>8}   medians of rounds",
        "warm call of quickjs:1, 100 B, ms", "p50", "p99"
    );
    for case in &cases {
        println!(
            "{:<42} {:>8.3} {:>8.3}   {:.3} to {:.3}",
            case.what,
            case.warm.percentile(50),
            case.warm.percentile(99),
            case.lowest(),
            case.highest()
        );
    }
    println!("\nfirst call after a restart");
    for case in &mut cases {
        case.first(extent.colds)?;
        report.once(case.what, &case.first);
    }
    for case in &cases {
        report.keep(case.what, case.json());
    }
    Ok(())
}

/// Each round begins with another gateway, so that none always follows the same one.
fn warm(cases: &mut [Case], extent: Extent) -> io::Result<()> {
    let calls = (CALLS / extent.thinner).max(5);
    let body = parameters(100);
    let mut clients: Vec<Client> = cases.iter().map(|case| case.gateway.client()).collect();
    for round in 0..=extent.rounds * MORE {
        for turn in 0..cases.len() {
            let at = (round + turn) % cases.len();
            // For the disk, as elsewhere; and copies become older.
            thread::sleep(extent.settle / 120);
            let clock = Instant::now();
            let times = calls_of_one(
                &mut clients[at],
                calls,
                200,
                &invoke("warm"),
                body.as_bytes(),
            )?;
            // The first round warms up.
            if round > 0 {
                cases[at].add(times, clock.elapsed());
            }
        }
    }
    Ok(())
}

impl Case {
    /// Starts a gateway, with this setting of `OWL_REVALIDATE`, and lets it learn the action.
    fn new(what: &'static str, link: Link, revalidate: Option<u64>) -> io::Result<Self> {
        let mut settings = vec![("DOCKER_HOST", "none".to_owned())];
        let mut master = None;
        if link != Link::Never {
            let cloud = Daemon::with(settings.clone())?;
            settings.push(("OWL_NEXT_OPENWHISK", format!("http://{}", cloud.address)));
            master = Some(cloud);
        }
        settings.extend(revalidate.map(|seconds| ("OWL_REVALIDATE", seconds.to_string())));
        let gateway = Daemon::with(settings)?;
        gateway.create("warm", "quickjs:1", ECHO)?;
        let mut client = gateway.client();
        client.expect(200, "POST", &invoke("warm"), parameters(100).as_bytes())?;
        match (link, &mut master) {
            (Link::Down, master) => *master = None,
            (Link::Silent, Some(master)) => master.pause(),
            _ => {}
        }
        if matches!(link, Link::Down | Link::Silent) {
            // Until the gateway has noticed.
            let path = "/api/v1/namespaces/_/actions/unknown";
            while client.call("GET", path, b"")?.0 != 503 {}
        }
        Ok(Case {
            what,
            gateway,
            _master: master,
            warm: Times::default(),
            medians: Vec::new(),
            first: Times::default(),
        })
    }

    fn add(&mut self, times: Vec<Duration>, wall: Duration) {
        self.medians.push(Times::of(times.clone()).percentile(50));
        self.warm.add(times, wall);
    }

    fn lowest(&self) -> f64 {
        self.medians.iter().copied().fold(f64::INFINITY, f64::min)
    }

    fn highest(&self) -> f64 {
        self.medians.iter().copied().fold(0.0, f64::max)
    }

    /// The first call of a daemon that has just been started, several times.
    fn first(&mut self, times: usize) -> io::Result<()> {
        for _ in 0..times {
            self.gateway.restart()?;
            let mut client = self.gateway.client();
            client.connect()?;
            let clock = Instant::now();
            client.expect(200, "POST", &invoke("warm"), parameters(100).as_bytes())?;
            let time = clock.elapsed();
            self.first.add(vec![time], time);
        }
        Ok(())
    }

    fn json(&self) -> Value {
        json!({
            "calls": self.warm.count(),
            "warm_ms": {"p50": self.warm.percentile(50), "p99": self.warm.percentile(99)},
            "round_p50_ms": [self.lowest(), self.highest()],
            "first_ms": {"p50": self.first.percentile(50), "worst": self.first.percentile(100)},
        })
    }
}
