//! How often people are told of what comes to nothing: there may be thousands in an outage.

use std::time::{Duration, Instant};

/// Least time between two lines in the log of the same kind.
const BETWEEN: Duration = Duration::from_secs(60);

/// What happens again and again, and when it was told of last.
#[derive(Debug, Default)]
pub struct Told {
    last: Option<Instant>,
    untold: u64,
}

impl Told {
    /// It has happened once more. Gives how often since it was told of, if it is to be told now.
    pub fn add(&mut self, now: Instant) -> Option<u64> {
        self.untold += 1;
        let is_due = |last: Instant| now.saturating_duration_since(last) >= BETWEEN;
        if !self.last.is_none_or(is_due) {
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_once_and_then_summed_up() {
        let (mut told, now) = (Told::default(), Instant::now());
        assert_eq!(told.add(now), Some(1));
        assert_eq!(told.add(now), None);
        assert_eq!(told.add(now + BETWEEN / 2), None);
        assert_eq!(told.add(now + BETWEEN), Some(3));
        assert_eq!(told.add(now + BETWEEN), None);
    }
}
