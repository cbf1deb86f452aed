//! What is known in memory of keys that the store has: when each was accepted last, which the
//! store is not told every time, and when the master was asked in vain.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Keys that are known at most; the store has as many.
const MOST: usize = 4096;

/// Pause after a question about a key before the next one.
const PAUSE: Duration = Duration::from_secs(10);

/// By uuid.
#[derive(Default)]
pub(super) struct Seen(HashMap<String, Key>);

#[derive(Default)]
struct Key {
    accepted_at: u64,
    asked: Option<Instant>,
}

impl Seen {
    /// When a key was accepted last: milliseconds since 1970. `stored` is what the store says.
    pub(super) fn accepted_at(&self, uuid: &str, stored: u64) -> u64 {
        let known = self.0.get(uuid).map_or(0, |key| key.accepted_at);
        known.max(stored)
    }

    /// A key was accepted.
    pub(super) fn accepted(&mut self, uuid: &str, now: u64) {
        self.entry(uuid).accepted_at = now;
    }

    /// Whether it is time to ask about a key beside its use; if so, that is done now.
    pub(super) fn ask(&mut self, uuid: &str, now: Instant) -> bool {
        let asked = &mut self.entry(uuid).asked;
        let is_time = asked.is_none_or(|asked| now.saturating_duration_since(asked) >= PAUSE);
        if is_time {
            *asked = Some(now);
        }
        is_time
    }

    /// A key is not known any more.
    pub(super) fn forget(&mut self, uuid: &str) {
        self.0.remove(uuid);
    }

    fn entry(&mut self, uuid: &str) -> &mut Key {
        // Only where the store has forgotten keys and learned others.
        if self.0.len() >= MOST && !self.0.contains_key(uuid) {
            self.0.clear();
        }
        self.0.entry(uuid.to_owned()).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_later_time_counts() {
        let mut seen = Seen::default();
        assert_eq!(seen.accepted_at("a", 5), 5);
        seen.accepted("a", 7);
        assert_eq!(seen.accepted_at("a", 5), 7);
        assert_eq!(seen.accepted_at("a", 8), 8);
        seen.forget("a");
        assert_eq!(seen.accepted_at("a", 5), 5);
        for number in 0..=MOST {
            seen.accepted(&number.to_string(), 1);
        }
        assert!(seen.0.len() <= MOST);
    }

    #[test]
    fn not_asked_at_every_use() {
        let (mut seen, start) = (Seen::default(), Instant::now());
        assert!(seen.ask("a", start));
        assert!(!seen.ask("a", start + PAUSE / 2) && seen.ask("b", start));
        assert!(seen.ask("a", start + PAUSE));
    }
}
