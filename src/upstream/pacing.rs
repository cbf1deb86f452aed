//! How fast work that nobody waits for is sent to another OpenWhisk: replayed writes, stored
//! triggers. Decisions only, with the time and the chance handed in.
//!
//! A thousand gateways that find their master again would each send what they have kept, all at
//! once. None knows of the others, so each begins slowly, becomes faster while the master keeps
//! up, and slower when it says that it does not, by its status or by the time that it takes.

use std::time::{Duration, Instant};

use hyper::header::RETRY_AFTER;
use hyper::{HeaderMap, StatusCode};

/// Pause between two requests at the beginning, on average.
const FIRST_GAP: Duration = Duration::from_secs(1);

/// Least pause between two requests, on average.
const LEAST_GAP: Duration = Duration::from_millis(50);

/// Longest pause between two requests, on average, and the longest that an answer may ask for.
const LONGEST_GAP: Duration = Duration::from_secs(60);

/// How much of the gap is left after each request, until the master says that it is too much.
const AT_FIRST: f64 = 0.8;

/// The same from then on.
const CAREFULLY: f64 = 0.95;

/// Longest time by which the first request after an outage is put off.
const LONGEST_DELAY: Duration = Duration::from_secs(15);

/// How the other side bears what it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// It took so much time to answer.
    Borne(Duration),
    /// It was too much; the other side may have said for how long to leave it alone.
    TooMuch(Option<Duration>),
    /// The answer does not tell.
    Unknown,
}

impl Load {
    /// Told by the head of an answer, and by the time that it took, if that tells something.
    pub fn of_answer(status: StatusCode, headers: &HeaderMap, took: Option<Duration>) -> Self {
        if status != StatusCode::TOO_MANY_REQUESTS && status != StatusCode::SERVICE_UNAVAILABLE {
            return took.map_or(Load::Unknown, Load::Borne);
        }
        let asked = headers.get(RETRY_AFTER);
        let seconds = asked.and_then(|value| value.to_str().ok()?.trim().parse().ok());
        Load::TooMuch(seconds.map(Duration::from_secs))
    }
}

/// When the next request may be sent.
#[derive(Clone, Debug)]
pub struct Pacing {
    /// Pause between two requests, on average.
    gap: Duration,
    /// When the next may be sent; none: at once.
    next: Option<Instant>,
    /// What is left of the gap after each request.
    shrinks_to: f64,
}

impl Default for Pacing {
    fn default() -> Self {
        Self::new()
    }
}

impl Pacing {
    /// The pace of a beginning.
    pub const fn new() -> Self {
        Pacing {
            gap: FIRST_GAP,
            next: None,
            shrinks_to: AT_FIRST,
        }
    }

    /// Begins again after an outage. `chance` is from 0 to 1, evenly.
    pub fn reconnected(&mut self, now: Instant, outage: Duration, chance: f64) {
        let delay = (outage / 4).min(LONGEST_DELAY).mul_f64(chance);
        *self = Pacing {
            next: Some(now + delay),
            ..Pacing::new()
        };
    }

    /// When one more request may be sent, which is taken for sent. `chance` is from 0 to 1, evenly.
    pub fn turn(&mut self, now: Instant, chance: f64) -> Instant {
        let turn = self.next.map_or(now, |next| next.max(now));
        self.next = Some(turn + self.gap.mul_f64(0.5 + chance));
        self.gap = self.gap.mul_f64(self.shrinks_to).max(LEAST_GAP);
        turn
    }

    /// How a request was borne. As long a rest as an answer takes leaves half of the time to
    /// others.
    pub fn heard(&mut self, load: Load, now: Instant) {
        match load {
            Load::Borne(took) => self.rest(now, took),
            Load::TooMuch(asked) => {
                self.gap = (self.gap * 2).min(LONGEST_GAP);
                self.shrinks_to = CAREFULLY;
                self.rest(now, asked.unwrap_or(self.gap));
            }
            Load::Unknown => {}
        }
    }

    fn rest(&mut self, now: Instant, rest: Duration) {
        let rested = now + rest.min(LONGEST_GAP);
        self.next = Some(self.next.map_or(rested, |next| next.max(rested)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pauses between turns that are each taken as soon as the one before has come.
    fn pauses(pacing: &mut Pacing, mut now: Instant, count: usize) -> Vec<Duration> {
        let next = |_| {
            let turn = pacing.turn(now, 0.5);
            let pause = turn - now;
            now = turn;
            pause
        };
        (0..count).map(next).collect()
    }

    #[test]
    fn from_slow_to_fast() {
        let (mut pacing, now) = (Pacing::new(), Instant::now());
        let pauses = pauses(&mut pacing, now, 100);
        assert_eq!(pauses[0], Duration::ZERO);
        assert_eq!(pauses[1], FIRST_GAP);
        assert_eq!(pauses[2], FIRST_GAP.mul_f64(AT_FIRST));
        assert!(pauses[1..].is_sorted_by(|a, b| a >= b));
        assert_eq!(pauses[99], LEAST_GAP);
    }

    #[test]
    fn turns_that_nobody_took_are_not_made_up_for() {
        let (mut pacing, now) = (Pacing::new(), Instant::now());
        pacing.turn(now, 0.5);
        let later = now + LONGEST_GAP;
        assert_eq!(pacing.turn(later, 0.5), later);
        assert!(pacing.turn(later, 0.5) > later);
    }

    #[test]
    fn slower_when_it_is_too_much() {
        let (mut pacing, now) = (Pacing::new(), Instant::now());
        let fast = pauses(&mut pacing, now, 100)[99];
        let now = now + LONGEST_GAP;
        pacing.heard(Load::TooMuch(None), now);
        assert_eq!(pacing.turn(now, 0.5), now + fast * 2);
        let asked = Duration::from_secs(7);
        pacing.heard(Load::TooMuch(Some(asked)), now);
        assert_eq!(pacing.turn(now, 0.5), now + asked);
        for _ in 0..50 {
            pacing.heard(Load::TooMuch(Some(Duration::MAX)), now);
        }
        assert_eq!(pacing.turn(now, 0.5), now + LONGEST_GAP);
        // From now on it speeds up with care.
        let after = pauses(&mut pacing, now + 2 * LONGEST_GAP, 3);
        assert_eq!(after[2], after[1].mul_f64(CAREFULLY));
    }

    #[test]
    fn as_long_a_rest_as_an_answer_takes() {
        let (mut pacing, now) = (Pacing::new(), Instant::now());
        pauses(&mut pacing, now, 100);
        let now = now + LONGEST_GAP;
        let took = Duration::from_secs(4);
        pacing.heard(Load::Borne(took), now);
        assert_eq!(pacing.turn(now, 0.5), now + took);
    }

    #[test]
    fn what_answers_tell() {
        let two = Duration::from_secs(2);
        let took = Some(two);
        let mut headers = HeaderMap::new();
        let load = |status: u16, headers: &HeaderMap, took| {
            Load::of_answer(StatusCode::from_u16(status).unwrap(), headers, took)
        };
        assert_eq!(load(404, &headers, took), Load::Borne(two));
        assert_eq!(load(200, &headers, None), Load::Unknown);
        for status in [429, 503] {
            assert_eq!(load(status, &headers, took), Load::TooMuch(None));
        }
        for (text, seconds) in [(" 7 ", Some(7)), ("soon", None), ("-1", None)] {
            headers.insert(RETRY_AFTER, text.parse().unwrap());
            let asked = seconds.map(Duration::from_secs);
            assert_eq!(load(429, &headers, took), Load::TooMuch(asked));
        }
    }

    #[test]
    fn after_an_outage_it_begins_again_by_chance() {
        let (mut pacing, now) = (Pacing::new(), Instant::now());
        pauses(&mut pacing, now, 100);
        for (outage, chance, delay) in [(4, 0.5, 500), (4, 0.0, 0), (4_000, 1.0, 15_000)] {
            pacing.reconnected(now, Duration::from_secs(outage), chance);
            let delay = Duration::from_millis(delay);
            assert_eq!(pacing.turn(now, 0.5), now + delay);
            assert_eq!(pacing.turn(now, 0.5), now + delay + FIRST_GAP);
        }
    }
}
