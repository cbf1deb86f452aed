//! How often a namespace may invoke (reference section 1.13).

use std::collections::HashMap;
use std::fmt;

/// Why a request has to come again later.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Throttled {
    /// Too many in this minute.
    Rate { count: u32, allowed: u32 },
    /// Too many at once.
    Concurrent { count: usize, allowed: u32 },
}

impl fmt::Display for Throttled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rate { count, allowed } => write!(
                f,
                "Too many requests in the last minute (count: {count}, allowed: {allowed})."
            ),
            Self::Concurrent { count, allowed } => write!(
                f,
                "Too many concurrent requests in flight (count: {count}, allowed: {allowed})."
            ),
        }
    }
}

/// Counts requests of each namespace in each minute of the clock. Memory is bounded by the number
/// of namespaces that are known.
#[derive(Default)]
pub(super) struct RateThrottle {
    minute: u64,
    counts: HashMap<String, u32>,
}

impl RateThrottle {
    /// Counts a request; refused ones count, too. `now` is in milliseconds since 1970.
    pub(super) fn count(&mut self, uuid: &str, allowed: u32, now: u64) -> Result<(), Throttled> {
        let minute = now / 60_000;
        if minute != self.minute {
            self.minute = minute;
            self.counts.clear();
        }
        let count = match self.counts.get_mut(uuid) {
            Some(count) => {
                *count = count.saturating_add(1);
                *count
            }
            None => {
                self.counts.insert(uuid.into(), 1);
                1
            }
        };
        if count > allowed {
            return Err(Throttled::Rate { count, allowed });
        }
        Ok(())
    }
}

/// Checks how many are in flight before one more.
pub(super) fn concurrent(count: usize, allowed: u32) -> Result<(), Throttled> {
    if count >= allowed as usize {
        return Err(Throttled::Concurrent { count, allowed });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_by_minute_and_namespace() {
        // 11.7-200
        let mut throttle = RateThrottle::default();
        let start = 60_000 * 1000;
        for _ in 0..2 {
            assert_eq!(throttle.count("a", 2, start + 1), Ok(()));
        }
        let refused = throttle.count("a", 2, start + 59_999).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "Too many requests in the last minute (count: 3, allowed: 2)."
        );
        assert_eq!(throttle.count("b", 2, start + 59_999), Ok(()));
        assert_eq!(throttle.count("a", 2, start + 60_000), Ok(()));
        assert!(throttle.count("c", 0, start).is_err());
    }

    #[test]
    fn concurrency() {
        assert_eq!(concurrent(29, 30), Ok(()));
        assert_eq!(
            concurrent(30, 30).unwrap_err().to_string(),
            "Too many concurrent requests in flight (count: 30, allowed: 30)."
        );
        assert!(concurrent(0, 0).is_err());
    }
}
