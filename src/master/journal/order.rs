//! Which entry is next: the first whose namespace need not wait. Pure, with the time handed in.
//!
//! Entries go one after another, whatever namespace they are of: a binding may refer to a package
//! that another namespace has just made. Only what the master does not want now is passed over.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// The first pause of a namespace that is to wait; each one after it is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(64);
/// How often the master may fail at a write before that counts as its answer.
const MOST_ERRORS: u32 = 8;

/// What waits, and for how long.
#[derive(Debug, Default)]
pub struct Order {
    namespaces: HashMap<String, Pause>,
    errors: HashMap<u64, u32>,
}

#[derive(Clone, Copy, Debug)]
struct Pause {
    until: Instant,
    length: Duration,
}

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Replay this entry.
    Entry(u64),
    /// Wait until then.
    At(Instant),
    /// There is nothing.
    Nothing,
}

impl Order {
    /// The next of the open entries, which are given in their order with their namespaces.
    pub fn next<'a>(&self, open: impl Iterator<Item = (u64, &'a str)>, now: Instant) -> Next {
        let mut soonest: Option<Instant> = None;
        for (number, namespace) in open {
            match self.namespaces.get(namespace) {
                Some(pause) if pause.until > now => {
                    let until = soonest.map_or(pause.until, |soonest| soonest.min(pause.until));
                    soonest = Some(until);
                }
                _ => return Next::Entry(number),
            }
        }
        soonest.map_or(Next::Nothing, Next::At)
    }

    /// A namespace is to wait.
    pub fn pause(&mut self, namespace: &str, now: Instant) {
        let known = self.namespaces.get(namespace);
        let length = known.map_or(FIRST_PAUSE, |pause| (pause.length * 2).min(LONGEST_PAUSE));
        let pause = Pause {
            until: now + length,
            length,
        };
        self.namespaces.insert(namespace.to_owned(), pause);
    }

    /// The master has failed at an entry; gives whether that has happened too often.
    pub fn has_failed_at(&mut self, number: u64) -> bool {
        let errors = self.errors.entry(number).or_default();
        *errors += 1;
        *errors >= MOST_ERRORS
    }

    /// An entry has ended.
    pub fn ended(&mut self, number: u64, namespace: &str) {
        self.errors.remove(&number);
        self.namespaces.remove(namespace);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: [(u64, &str); 3] = [(1, "a"), (2, "b"), (5, "a")];

    #[test]
    fn in_order_past_those_that_wait() {
        let mut order = Order::default();
        let now = Instant::now();
        let next = |order: &Order, now| order.next(OPEN.into_iter(), now);
        assert_eq!(next(&order, now), Next::Entry(1));
        order.pause("a", now);
        assert_eq!(next(&order, now), Next::Entry(2));
        order.pause("b", now + FIRST_PAUSE / 2);
        let later = now + FIRST_PAUSE * 3 / 4;
        assert_eq!(next(&order, later), Next::At(now + FIRST_PAUSE));
        assert_eq!(next(&order, now + FIRST_PAUSE), Next::Entry(1));
        assert_eq!(order.next([].into_iter(), now), Next::Nothing);
    }

    #[test]
    fn pauses_grow_within_a_bound_until_something_ends() {
        let mut order = Order::default();
        let now = Instant::now();
        let wait = |order: &Order| match order.next([(1, "a")].into_iter(), now) {
            Next::At(until) => until - now,
            next => panic!("{next:?}"),
        };
        let mut last = Duration::ZERO;
        for _ in 0..12 {
            order.pause("a", now);
            assert!(wait(&order) > last || last == LONGEST_PAUSE);
            last = wait(&order);
        }
        assert_eq!(last, LONGEST_PAUSE);
        order.ended(1, "a");
        order.pause("a", now);
        assert_eq!(wait(&order), FIRST_PAUSE);
    }

    #[test]
    fn errors_are_an_answer_in_the_end() {
        let mut order = Order::default();
        let failures = (1..).find(|_| order.has_failed_at(7)).unwrap();
        assert_eq!(failures, MOST_ERRORS);
        order.ended(7, "a");
        assert!(!order.has_failed_at(7));
    }
}
