//! From measured times to lines of tables, and to JSON.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::turns::Turns;

/// Times of many calls.
#[derive(Default)]
pub struct Times {
    sorted: Vec<Duration>,
    /// Time that they took together, side by side.
    wall: Duration,
}

impl Times {
    pub fn add(&mut self, times: Vec<Duration>, wall: Duration) {
        self.sorted.extend(times);
        self.sorted.sort();
        self.wall += wall;
    }

    /// Of single calls, one after another.
    pub fn of(times: Vec<Duration>) -> Self {
        let mut all = Times::default();
        let wall = times.iter().sum();
        all.add(times, wall);
        all
    }

    /// In milliseconds.
    pub fn percentile(&self, percent: usize) -> f64 {
        let at = (self.sorted.len() * percent / 100).min(self.sorted.len().saturating_sub(1));
        self.sorted
            .get(at)
            .map_or(0.0, |time| time.as_secs_f64() * 1e3)
    }

    pub fn count(&self) -> usize {
        self.sorted.len()
    }

    /// Calls a second.
    pub fn rate(&self) -> f64 {
        self.sorted.len() as f64 / self.wall.as_secs_f64()
    }
}

/// What was measured: printed as it comes, and all of it at the end.
#[derive(Default)]
pub struct Report(Map<String, Value>);

impl Report {
    /// Without a line.
    pub fn keep(&mut self, what: &str, value: Value) {
        self.0.insert(what.trim().to_owned(), value);
    }

    pub fn warm_heading(&self) {
        println!(
            "\n{:<38} {:>19} {:>19} {:>19} {:>8} {:>19} {:>8}",
            "warm, ms",
            "OWL p50      p99",
            "direct p50      p99",
            "OWL's share p50  p99",
            "rate",
            "quiet: p50      p99",
            "rate"
        );
    }

    /// A comparison of OWL, the first way, with direct calls, the second; the rate is OWL's
    /// throughput in per cent of the direct one. Then the shares and the rate in quiet turns.
    pub fn warm(&mut self, what: &str, turns: &Turns) {
        let (owl, direct) = (turns.all(0), turns.all(1));
        let (p50, p99) = (owl.percentile(50), owl.percentile(99));
        let (d50, d99) = (direct.percentile(50), direct.percentile(99));
        let (share, rate) = (share(&owl, &direct), rate(&owl, &direct));
        let (owl_quiet, direct_quiet) = (turns.quiet(0), turns.quiet(1));
        let quiet_share = self::share(&owl_quiet, &direct_quiet);
        let quiet_rate = self::rate(&owl_quiet, &direct_quiet);
        println!(
            "{what:<38} {p50:>10.3} {p99:>8.3} {d50:>10.3} {d99:>8.3} {:>10.3} {:>8.3} {rate:>7.0}% {:>10.3} {:>8.3} {quiet_rate:>7.0}%",
            share.0, share.1, quiet_share.0, quiet_share.1,
        );
        self.keep(
            what,
            json!({
                "calls": owl.count(),
                "owl_ms": {"p50": p50, "p99": p99},
                "direct_ms": {"p50": d50, "p99": d99},
                "share_ms": {"p50": share.0, "p99": share.1},
                "rate_percent": rate,
                "quiet": {
                    "calls": owl_quiet.count(),
                    "direct_ms": {
                        "p50": direct_quiet.percentile(50),
                        "p99": direct_quiet.percentile(99),
                    },
                    "share_ms": {"p50": quiet_share.0, "p99": quiet_share.1},
                    "rate_percent": quiet_rate,
                },
            }),
        );
    }

    /// A line with a median, and the worst.
    pub fn once(&mut self, what: &str, times: &Times) {
        let (p50, worst) = (times.percentile(50), times.percentile(100));
        let count = times.count();
        println!("{what:<58} {p50:>9.2} ms   (worst of {count}: {worst:.2})");
        self.keep(
            what,
            json!({"ms": {"p50": p50, "worst": worst}, "count": count}),
        );
    }

    /// A line with a rate, and how long each took.
    pub fn rate(&mut self, what: &str, times: &Times) {
        let (rate, p50, p99) = (times.rate(), times.percentile(50), times.percentile(99));
        println!("{what:<58} {rate:>9.0} /s   (p50 {p50:.3} ms, p99 {p99:.3} ms)");
        self.keep(
            what,
            json!({"per_second": rate, "ms": {"p50": p50, "p99": p99}, "count": times.count()}),
        );
    }

    pub fn value(&mut self, what: &str, value: f64, unit: &str) {
        println!("{what:<58} {value:>9.2} {unit}");
        self.keep(what, json!({"value": value, "unit": unit}));
    }

    /// All of it, in one line.
    pub fn print(self) {
        println!("\n{}", Value::Object(self.0));
    }
}

/// By how much the medians and the 99th percentiles differ, in milliseconds.
fn share(owl: &Times, direct: &Times) -> (f64, f64) {
    let of = |percent| owl.percentile(percent) - direct.percentile(percent);
    (of(50), of(99))
}

/// Throughput in per cent of the direct one.
fn rate(owl: &Times, direct: &Times) -> f64 {
    100.0 * owl.rate() / direct.rate()
}
