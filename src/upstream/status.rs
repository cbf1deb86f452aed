//! What is told of other OpenWhisks: their state, and what was counted.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hyper::StatusCode;

use super::{Upstream, UpstreamError};
use crate::metrics::{Kind, Text};

/// Whether another OpenWhisk is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing has come from it yet.
    Unknown,
    /// It answers.
    Up,
    /// It is out of reach.
    Down,
}

impl State {
    /// As it is written: `unknown`, `up` or `down`.
    pub const fn name(self) -> &'static str {
        match self {
            State::Unknown => "unknown",
            State::Up => "up",
            State::Down => "down",
        }
    }
}

/// How another OpenWhisk is.
#[derive(Clone, Debug)]
pub struct Status {
    /// Whether it is there.
    pub state: State,
    /// When that last changed; the daemon's start if it never did.
    pub since: Instant,
    /// When it last answered.
    pub last_answer: Option<Instant>,
    /// Why it is out of reach, if it is.
    pub reason: Option<String>,
    /// How long it has been out of reach in all.
    pub out_of_reach: Duration,
    /// What was counted.
    pub counted: Counted,
}

/// How requests have ended, as the metrics name it; the numbers are in [`Counted::requests`].
const ENDS: [&str; 7] = [
    "answered",
    "server_error",
    "unsent",
    "broken",
    "abandoned",
    "busy",
    "not_tried",
];

/// Numbers since the daemon's start.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counted {
    /// Requests, by how they have ended: [`ENDS`].
    requests: [u64; ENDS.len()],
    /// Probes.
    pub probes: u64,
    /// Times that it was lost.
    pub outages: u64,
}

/// The counters behind [`Counted`].
#[derive(Debug, Default)]
pub(super) struct Counts {
    requests: [AtomicU64; ENDS.len()],
    probes: AtomicU64,
    outages: AtomicU64,
}

impl Counts {
    /// Counts a request by its answer, or by why there is none.
    pub(super) fn add(&self, end: Result<StatusCode, &UpstreamError>) {
        let end = match end {
            Ok(status) if status.is_server_error() => 1,
            Ok(_) => 0,
            Err(UpstreamError::Unsent(_)) => 2,
            Err(UpstreamError::Broken(_)) => 3,
            // Which has been counted as an answer: see `Upstream::fetch`.
            Err(UpstreamError::NoRoom(status)) => usize::from(status.is_server_error()),
            Err(UpstreamError::Abandoned(_)) => 4,
            Err(UpstreamError::Busy) => 5,
            Err(UpstreamError::Down) => 6,
        };
        self.requests[end].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn add_probe(&self) {
        self.probes.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn add_outage(&self) {
        self.outages.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> Counted {
        let number = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Counted {
            requests: self.requests.each_ref().map(number),
            probes: number(&self.probes),
            outages: number(&self.outages),
        }
    }
}

/// Writes the metrics of other OpenWhisks, each under its URL.
pub fn write_metrics(upstreams: &[&Upstream], text: &mut Text) {
    let all = || {
        upstreams
            .iter()
            .map(|upstream| (upstream.url(), upstream.status()))
    };
    let name = "owl_upstream_up";
    let help = "Whether another OpenWhisk answers: 1, or 0 while it is known to be out of reach.";
    text.family(name, Kind::Gauge, help);
    for (url, status) in all() {
        let up = u8::from(status.state != State::Down);
        text.sample(name, &[("upstream", url)], up);
    }
    let name = "owl_upstream_requests_total";
    let help = "Requests to another OpenWhisk, by how they have ended.";
    text.family(name, Kind::Counter, help);
    for (url, status) in all() {
        for (end, count) in ENDS.iter().zip(status.counted.requests) {
            text.sample(name, &[("upstream", url), ("end", end)], count);
        }
    }
    let name = "owl_upstream_probes_total";
    let help = "Questions whether another OpenWhisk is there.";
    text.family(name, Kind::Counter, help);
    for (url, status) in all() {
        text.sample(name, &[("upstream", url)], status.counted.probes);
    }
    let name = "owl_upstream_outages_total";
    let help = "Times that another OpenWhisk has come to be out of reach.";
    text.family(name, Kind::Counter, help);
    for (url, status) in all() {
        text.sample(name, &[("upstream", url)], status.counted.outages);
    }
    let name = "owl_upstream_outage_seconds_total";
    let help = "Time that another OpenWhisk was out of reach.";
    text.family(name, Kind::Counter, help);
    for (url, status) in all() {
        text.sample(name, &[("upstream", url)], status.out_of_reach.as_secs());
    }
}
