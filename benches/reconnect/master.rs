//! A master that answers one request after another.

use std::time::Duration;

/// On the way there and back.
const WAY: Duration = Duration::from_millis(80);

/// How long a request may wait before others are refused.
const LONGEST_LINE: Duration = Duration::from_secs(5);

/// How a request ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Done,
    /// 503: too many wait.
    Refused,
    /// No connection.
    Away,
}

/// The master.
pub struct Master {
    lost: Duration,
    back: Duration,
    /// Time that one request takes it.
    each: Duration,
    /// When all that waits will be done.
    free: Duration,
}

impl Master {
    /// One that is away from `lost` to `back`, and answers `capacity` requests a second.
    pub fn new(lost: Duration, back: Duration, capacity: u32) -> Self {
        Master {
            lost,
            back,
            each: Duration::from_secs(1) / capacity,
            free: Duration::ZERO,
        }
    }

    /// A request is sent; tells when its sender knows how it ended.
    pub fn asked(&mut self, now: Duration) -> (Duration, Answer) {
        if (self.lost..self.back).contains(&now) {
            return (now + WAY, Answer::Away);
        }
        let begins = self.free.max(now);
        if begins - now > LONGEST_LINE {
            return (now + WAY, Answer::Refused);
        }
        self.free = begins + self.each;
        (self.free + WAY, Answer::Done)
    }
}
