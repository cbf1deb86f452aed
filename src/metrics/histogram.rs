//! How long something takes, in fixed buckets.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::text::Text;

/// Upper bounds in microseconds; what is longer is in a last bucket. From a warm call to a long
/// action.
const BOUNDS: [u64; 12] = [
    500,
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    100_000,
    250_000,
    1_000_000,
    5_000_000,
    30_000_000,
    120_000_000,
];

/// Durations, counted.
#[derive(Default)]
pub(super) struct Histogram {
    buckets: [AtomicU64; BOUNDS.len() + 1],
    /// Microseconds in all.
    sum: AtomicU64,
}

impl Histogram {
    /// Counts one.
    pub(super) fn add(&self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.partition_point(|bound| *bound < micros);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(micros, Ordering::Relaxed);
    }

    /// Writes its samples, unless nothing was counted.
    pub(super) fn write(&self, text: &mut Text, name: &str, labels: &[(&str, &str)]) {
        let counts = self.buckets.each_ref().map(|n| n.load(Ordering::Relaxed));
        if counts.iter().all(|count| *count == 0) {
            return;
        }
        let bucket = format!("{name}_bucket");
        let mut so_far = 0;
        for (i, count) in counts.iter().enumerate() {
            so_far += count;
            let bound = BOUNDS.get(i).map(|bound| seconds(*bound).to_string());
            let bound = ("le", bound.as_deref().unwrap_or("+Inf"));
            text.sample(&bucket, &[labels, &[bound]].concat(), so_far);
        }
        let sum = seconds(self.sum.load(Ordering::Relaxed));
        text.sample(&format!("{name}_sum"), labels, sum);
        text.sample(&format!("{name}_count"), labels, so_far);
    }
}

fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_add_up() {
        let histogram = Histogram::default();
        let mut text = Text::default();
        histogram.write(&mut text, "h", &[]);
        for millis in [0, 1, 2, 400, 3_600_000] {
            histogram.add(Duration::from_millis(millis));
        }
        histogram.write(&mut text, "h", &[("a", "b")]);
        assert_eq!(
            text.finish(),
            "h_bucket{a=\"b\",le=\"0.0005\"} 1\n\
             h_bucket{a=\"b\",le=\"0.001\"} 2\n\
             h_bucket{a=\"b\",le=\"0.0025\"} 3\n\
             h_bucket{a=\"b\",le=\"0.005\"} 3\n\
             h_bucket{a=\"b\",le=\"0.01\"} 3\n\
             h_bucket{a=\"b\",le=\"0.025\"} 3\n\
             h_bucket{a=\"b\",le=\"0.1\"} 3\n\
             h_bucket{a=\"b\",le=\"0.25\"} 3\n\
             h_bucket{a=\"b\",le=\"1\"} 4\n\
             h_bucket{a=\"b\",le=\"5\"} 4\n\
             h_bucket{a=\"b\",le=\"30\"} 4\n\
             h_bucket{a=\"b\",le=\"120\"} 4\n\
             h_bucket{a=\"b\",le=\"+Inf\"} 5\n\
             h_sum{a=\"b\"} 3600.403\n\
             h_count{a=\"b\"} 5\n"
        );
    }
}
