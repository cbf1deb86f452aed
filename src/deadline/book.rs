//! Which deadlines there are, and when the timer has to go off for them: decided from times that
//! are passed in.

use std::collections::BTreeMap;
use std::time::Instant;

/// A deadline in the book: its time, and a number of its own.
pub(super) type Entry = (Instant, u64);

/// The deadlines that are waited for, each with whom to wake (`W`).
#[derive(Debug)]
pub(super) struct Book<W> {
    waiting: BTreeMap<Entry, W>,
    next: u64,
    /// When the timer goes off; it may be for a deadline that nobody waits for any more.
    armed: Option<Instant>,
}

impl<W> Default for Book<W> {
    fn default() -> Self {
        Book {
            waiting: BTreeMap::new(),
            next: 0,
            armed: None,
        }
    }
}

impl<W> Book<W> {
    pub(super) fn insert(&mut self, when: Instant, waker: W) -> Entry {
        let entry = (when, self.next);
        self.next += 1;
        self.waiting.insert(entry, waker);
        entry
    }

    pub(super) fn remove(&mut self, entry: Entry) -> Option<W> {
        self.waiting.remove(&entry)
    }

    /// Who waits for a deadline, as long as it is not due.
    pub(super) fn waker(&mut self, entry: Entry) -> Option<&mut W> {
        self.waiting.get_mut(&entry)
    }

    /// When the timer is to go off, if that is to change: it is taken as set then. One that goes
    /// off too early is left as it is, which costs less than to move it each time.
    pub(super) fn arm(&mut self) -> Option<Instant> {
        let (first, _) = *self.waiting.first_key_value()?.0;
        if self.armed.is_some_and(|armed| armed <= first) {
            return None;
        }
        self.armed = Some(first);
        Some(first)
    }

    /// The timer went off, or may have. Gives whom to wake.
    pub(super) fn went_off(&mut self, now: Instant) -> Vec<W> {
        if self.armed.is_some_and(|armed| armed <= now) {
            self.armed = None;
        }
        let mut due = Vec::new();
        while let Some(first) = self.waiting.first_entry()
            && first.key().0 <= now
        {
            due.push(first.remove());
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// A book without deadlines, and a clock that only tests move.
    fn book() -> (Book<&'static str>, impl Fn(u64) -> Instant) {
        let start = Instant::now();
        (Book::default(), move |second| {
            start + Duration::from_secs(second)
        })
    }

    #[test]
    fn the_timer_moves_only_for_an_earlier_deadline() {
        let (mut book, time) = book();
        assert_eq!(book.arm(), None);
        book.insert(time(10), "ten");
        assert_eq!(book.arm(), Some(time(10)));
        book.insert(time(20), "twenty");
        assert_eq!(book.arm(), None);
        book.insert(time(10), "also ten");
        assert_eq!(book.arm(), None);
        book.insert(time(5), "five");
        assert_eq!(book.arm(), Some(time(5)));
        assert_eq!(book.went_off(time(5)), ["five"]);
        assert_eq!(book.arm(), Some(time(10)));
        assert_eq!(book.went_off(time(15)), ["ten", "also ten"]);
        assert_eq!(book.arm(), Some(time(20)));
    }

    #[test]
    fn thousands_that_are_never_reached_move_it_once_in_a_while() {
        let (mut book, time) = book();
        let mut moved = 0;
        for second in 0..10_000 {
            // Each gives up at once what would have been due a hundred seconds later.
            if book.armed.is_some_and(|armed| armed <= time(second)) {
                assert!(book.went_off(time(second)).is_empty());
            }
            let entry = book.insert(time(second + 100), "late");
            moved += u32::from(book.arm().is_some());
            assert_eq!(book.remove(entry), Some("late"));
        }
        assert_eq!(moved, 100);
    }

    #[test]
    fn a_timer_for_nobody_is_set_for_the_next_when_it_goes_off() {
        let (mut book, time) = book();
        let early = book.insert(time(1), "early");
        book.insert(time(9), "late");
        assert_eq!(book.arm(), Some(time(1)));
        book.remove(early);
        assert_eq!(book.arm(), None);
        assert!(book.went_off(time(1)).is_empty());
        assert_eq!(book.arm(), Some(time(9)));
        assert_eq!(book.went_off(time(9)), ["late"]);
        assert_eq!(book.arm(), None);
        assert!(book.waiting.is_empty());
    }

    #[test]
    fn a_wake_up_that_comes_too_early_leaves_the_timer_as_it_is() {
        let (mut book, time) = book();
        book.insert(time(9), "late");
        assert_eq!(book.arm(), Some(time(9)));
        assert!(book.went_off(time(8)).is_empty());
        assert_eq!(book.arm(), None);
    }

    #[test]
    fn who_waits_may_change_until_it_is_due() {
        let (mut book, time) = book();
        let entry = book.insert(time(1), "one");
        *book.waker(entry).unwrap() = "another";
        assert_eq!(book.went_off(time(1)), ["another"]);
        assert!(book.waker(entry).is_none());
        assert_eq!(book.remove(entry), None);
    }
}
