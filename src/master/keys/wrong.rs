//! Keys that the master has refused lately, and how many more it may be asked about: who tries
//! keys here must not be the master's trouble.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

/// A fingerprint of uuid and key that says nothing about them.
pub(super) type Print = [u8; 32];

/// How long a refusal counts without another question.
const REMEMBERED: Duration = Duration::from_secs(30);

/// Refusals that are remembered; the oldest make way.
const MOST: usize = 1024;

/// Refusals at once before no more questions are asked.
const AT_ONCE: u32 = 30;

/// How long it takes until one more question may be asked.
const PAUSE: Duration = Duration::from_secs(1);

/// The refusals.
pub(super) struct Wrong {
    refused: HashMap<Print, Instant>,
    order: VecDeque<(Print, Instant)>,
    /// Refusals that are still to come before no more questions are asked, at a time.
    left: u32,
    counted: Instant,
}

impl Wrong {
    /// None yet.
    pub(super) fn new(now: Instant) -> Self {
        Wrong {
            refused: HashMap::new(),
            order: VecDeque::new(),
            left: AT_ONCE,
            counted: now,
        }
    }

    /// Whether a key was refused so lately that it still is.
    pub(super) fn holds(&mut self, print: &Print, now: Instant) -> bool {
        self.tidy(now);
        self.refused.contains_key(print)
    }

    /// Whether a question may be asked that will most likely be refused.
    pub(super) fn may_ask(&mut self, now: Instant) -> bool {
        self.refill(now);
        self.left > 0
    }

    /// Counts and remembers a refusal.
    pub(super) fn add(&mut self, print: Print, now: Instant) {
        self.refill(now);
        self.left = self.left.saturating_sub(1);
        self.tidy(now);
        if self.order.len() >= MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.drop(oldest);
        }
        self.refused.insert(print, now);
        self.order.push_back((print, now));
    }

    fn refill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.counted).as_millis() / PAUSE.as_millis();
        let passed = u32::try_from(passed).unwrap_or(u32::MAX);
        self.left = self.left.saturating_add(passed).min(AT_ONCE);
        if self.left == AT_ONCE {
            self.counted = now;
        } else {
            self.counted += PAUSE * passed;
        }
    }

    fn tidy(&mut self, now: Instant) {
        while let Some(&oldest) = self.order.front()
            && now.saturating_duration_since(oldest.1) > REMEMBERED
        {
            self.order.pop_front();
            self.drop(oldest);
        }
    }

    /// Forgets a refusal, unless there was a later one of the same key.
    fn drop(&mut self, (print, at): (Print, Instant)) {
        if self.refused.get(&print) == Some(&at) {
            self.refused.remove(&print);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(number: usize) -> Print {
        let mut print = [0; 32];
        print[..8].copy_from_slice(&number.to_ne_bytes());
        print
    }

    #[test]
    fn remembered_for_a_while() {
        let start = Instant::now();
        let mut wrong = Wrong::new(start);
        wrong.add(print(1), start);
        assert!(wrong.holds(&print(1), start + REMEMBERED));
        assert!(!wrong.holds(&print(2), start));
        // A second refusal counts from its own time.
        wrong.add(print(1), start + REMEMBERED);
        let later = start + REMEMBERED + PAUSE;
        assert!(wrong.holds(&print(1), later));
        assert!(!wrong.holds(&print(1), later + REMEMBERED));
        assert!(wrong.refused.is_empty() && wrong.order.is_empty());
    }

    #[test]
    fn the_oldest_make_way() {
        let start = Instant::now();
        let mut wrong = Wrong::new(start);
        for number in 0..=MOST {
            wrong.add(print(number), start);
        }
        assert!(!wrong.holds(&print(0), start) && wrong.holds(&print(1), start));
        assert_eq!((wrong.refused.len(), wrong.order.len()), (MOST, MOST));
    }

    #[test]
    fn a_flood_is_held_back() {
        let start = Instant::now();
        let mut wrong = Wrong::new(start);
        for number in 0..AT_ONCE as usize {
            assert!(wrong.may_ask(start));
            wrong.add(print(number), start);
        }
        assert!(!wrong.may_ask(start + PAUSE / 2));
        assert!(wrong.may_ask(start + PAUSE));
        wrong.add(print(1000), start + PAUSE);
        // Half a pause that was left over is not lost.
        assert!(!wrong.may_ask(start + PAUSE * 3 / 2));
        assert!(wrong.may_ask(start + PAUSE * 2));
        // A long silence gives no more than there was at first.
        let late = start + PAUSE * 100_000;
        for number in 0..AT_ONCE as usize {
            assert!(wrong.may_ask(late));
            wrong.add(print(number), late);
        }
        assert!(!wrong.may_ask(late));
    }
}
