//! From measured times to lines of tables, and to JSON.

use std::time::Duration;

use serde_json::{Map, Value, json};

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
            "\n{:<38} {:>19} {:>19} {:>19} {:>8}",
            "warm, ms", "OWL p50      p99", "direct p50      p99", "OWL's share p50  p99", "rate"
        );
    }

    /// A comparison; the rate is OWL's throughput in per cent of the direct one.
    pub fn warm(&mut self, what: &str, owl: &Times, direct: &Times) {
        let (p50, p99) = (owl.percentile(50), owl.percentile(99));
        let (d50, d99) = (direct.percentile(50), direct.percentile(99));
        let rate = 100.0 * owl.rate() / direct.rate();
        println!(
            "{what:<38} {p50:>10.3} {p99:>8.3} {d50:>10.3} {d99:>8.3} {:>10.3} {:>8.3} {rate:>7.0}%",
            p50 - d50,
            p99 - d99,
        );
        self.keep(
            what,
            json!({
                "calls": owl.count(),
                "owl_ms": {"p50": p50, "p99": p99},
                "direct_ms": {"p50": d50, "p99": d99},
                "share_ms": {"p50": p50 - d50, "p99": p99 - d99},
                "rate_percent": rate,
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
