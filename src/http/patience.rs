//! How long a slow other side is waited for: decided from a clock that is passed in.

use std::time::{Duration, Instant};

/// Time that one side of a connection may take, in all, while the other one waits for it.
///
/// It runs out while waiting and is refilled by what comes: who keeps to the least rate is
/// waited for without end, who trickles or stops for `full` at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    full: Duration,
    left: Duration,
    /// Bytes a second.
    rate: u32,
    /// Since when it is running out.
    since: Option<Instant>,
}

impl Patience {
    pub(crate) const fn new(full: Duration, rate: u32) -> Self {
        Patience {
            full,
            left: full,
            rate: if rate == 0 { 1 } else { rate },
            since: None,
        }
    }

    /// Begins to wait, or goes on waiting; tells until when.
    pub(crate) fn wait(&mut self, now: Instant) -> Instant {
        *self.since.get_or_insert(now) + self.left
    }

    /// Ends the wait: these many bytes went over.
    pub(crate) fn progress(&mut self, now: Instant, bytes: usize) {
        // Nothing is spent without a wait, so the usual case needs no clock.
        let Some(since) = self.since.take() else {
            return;
        };
        let spent = now.saturating_duration_since(since);
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let earned = Duration::from_secs(1) * bytes / self.rate;
        self.left = self.left.saturating_sub(spent).saturating_add(earned);
        self.left = self.left.min(self.full);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn silence_ends_it() {
        let start = Instant::now();
        let mut patience = Patience::new(10 * SECOND, 1000);
        assert_eq!(patience.wait(start), start + 10 * SECOND);
        // Asking again does not begin anew.
        assert_eq!(patience.wait(start + 3 * SECOND), start + 10 * SECOND);
    }

    #[test]
    fn trickling_ends_it_too() {
        let start = Instant::now();
        let mut patience = Patience::new(10 * SECOND, 1000);
        let mut now = start;
        while patience.wait(now) > now + SECOND {
            now += SECOND;
            patience.progress(now, 100);
        }
        let lasted = now - start;
        assert!(lasted > 9 * SECOND && lasted < 12 * SECOND, "{lasted:?}");
    }

    #[test]
    fn the_least_rate_keeps_it() {
        let start = Instant::now();
        let mut patience = Patience::new(10 * SECOND, 1000);
        for second in 0..10_000 {
            let now = start + SECOND * second;
            assert_eq!(patience.wait(now), now + 10 * SECOND);
            patience.progress(now + SECOND, 1000);
        }
    }

    #[test]
    fn time_that_nobody_waits_is_not_counted() {
        let start = Instant::now();
        let mut patience = Patience::new(10 * SECOND, 1000);
        patience.wait(start);
        patience.progress(start + 4 * SECOND, 1);
        let later = start + 1000 * SECOND;
        let left = patience.wait(later) - later;
        assert!(left >= 6 * SECOND && left < 7 * SECOND, "{left:?}");
    }
}
