//! From measured times to lines of a table.

use std::time::Duration;

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

    fn rate(&self) -> f64 {
        self.sorted.len() as f64 / self.wall.as_secs_f64()
    }
}

pub fn warm_heading() {
    println!(
        "\n{:<34} {:>19} {:>19} {:>19} {:>8}",
        "warm, ms", "OWL p50      p99", "direct p50      p99", "OWL's share p50  p99", "rate"
    );
}

/// A comparison; the rate is OWL's throughput in per cent of the direct one.
pub fn warm(what: &str, owl: &Times, direct: &Times) {
    let (p50, p99) = (owl.percentile(50), owl.percentile(99));
    let (d50, d99) = (direct.percentile(50), direct.percentile(99));
    println!(
        "{what:<34} {p50:>10.3} {p99:>8.3} {d50:>10.3} {d99:>8.3} {:>10.3} {:>8.3} {:>7.0}%",
        p50 - d50,
        p99 - d99,
        100.0 * owl.rate() / direct.rate()
    );
}

/// A line with a median, and the worst.
pub fn once(what: &str, times: &Times) {
    println!(
        "{what:<58} {:>9.2} ms   (worst of {}: {:.2})",
        times.percentile(50),
        times.sorted.len(),
        times.percentile(100)
    );
}

pub fn value(what: &str, value: f64, unit: &str) {
    println!("{what:<58} {value:>9.2} {unit}");
}
