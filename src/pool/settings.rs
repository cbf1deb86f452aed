//! The bounds of the pool.

use std::time::Duration;

use super::room::Room;
use super::warmth;

/// The bounds of the pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Sandboxes at the same time.
    pub capacity: usize,
    /// MB that the memory limits of all sandboxes may come to.
    pub memory: u64,
    /// Requests that may wait at the same time.
    pub queue_length: usize,
    /// How long a warm sandbox goes on with requests of its own action while another action's wait
    /// for its place: this long from its first run, and from their request.
    pub patience: Duration,
    /// How long requests may be passed over that need more room than is left. After that nothing
    /// is handed out to anybody until they fit.
    pub aging: Duration,
    /// Time after which an idle sandbox is removed.
    pub idle: Duration,
    /// Time after which an idle sandbox is frozen; none: never.
    pub freeze_after: Option<Duration>,
    /// MB that the memory limits of idle sandboxes may come to.
    pub idle_memory: u64,
    /// When idle sandboxes are removed before that; none: never.
    pub watermarks: Option<Watermarks>,
    /// Sandboxes that are started at the same time.
    pub starts: usize,
}

impl Default for Settings {
    /// As many sandboxes as the prototype had, and memory for all of them.
    fn default() -> Self {
        Settings {
            capacity: 5,
            memory: 5 * 512,
            queue_length: 1000,
            patience: Duration::from_millis(500),
            aging: Duration::from_secs(5),
            idle: Duration::from_secs(600),
            freeze_after: Some(Duration::from_secs(10)),
            idle_memory: 5 * 512,
            watermarks: None,
            starts: 5,
        }
    }
}

impl Settings {
    /// The bounds of what is kept warm.
    pub(super) const fn warmth(&self) -> warmth::Settings {
        warmth::Settings {
            idle: self.idle,
            memory: self.idle_memory,
        }
    }

    /// All the room that there is.
    pub(super) const fn room(&self) -> Room {
        Room {
            places: self.capacity,
            memory: self.memory,
        }
    }
}

/// Parts of one, in which fractions are kept: products with them are exact.
const ONE: u64 = 1_000_000;

/// When idle sandboxes go, before their time: every `period`, if more than `high` of the capacity
/// exist, the longest idle ones do until fewer than `low` of it are left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watermarks {
    /// Time between two checks.
    pub period: Duration,
    high: u64,
    low: u64,
}

impl Watermarks {
    /// `high` and `low` are fractions of the capacity, with up to six digits.
    pub fn new(period: Duration, high: f64, low: f64) -> Self {
        let parts = |fraction: f64| (fraction * ONE as f64).round() as u64;
        Watermarks {
            period,
            high: parts(high),
            low: parts(low),
        }
    }

    /// Whether so many sandboxes are too many.
    pub(super) fn is_above(&self, count: usize, capacity: usize) -> bool {
        count as u64 * ONE > self.high * capacity as u64
    }

    /// Whether so many sandboxes are few enough.
    pub(super) fn is_below(&self, count: usize, capacity: usize) -> bool {
        (count as u64 * ONE) < self.low * capacity as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_are_exact() {
        let marks = Watermarks::new(Duration::from_secs(1), 0.7, 0.4);
        let above: Vec<bool> = (5..8).map(|count| marks.is_above(count, 8)).collect();
        assert_eq!(above, [false, true, true]);
        let below: Vec<bool> = (2..5).map(|count| marks.is_below(count, 8)).collect();
        assert_eq!(below, [true, true, false]);
        // 0.29 × 100 is less than 29 in floating point.
        let marks = Watermarks::new(Duration::from_secs(1), 0.29, 0.0);
        assert!(!marks.is_above(29, 100));
        assert!(marks.is_above(30, 100));
        assert!(!marks.is_below(0, 100));
    }
}
