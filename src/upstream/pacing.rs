//! How fast work that nobody waits for is sent to another OpenWhisk: replayed writes, stored
//! triggers. Decisions only, with the time and the chance handed in.
//!
//! A thousand gateways that find their master again would each send what they have kept, all at
//! once. None knows of the others, so each begins slowly, becomes faster while the master keeps
//! up, and slower when it says that it does not, by its status or by the time that it takes.

use std::time::{Duration, Instant};

use hyper::header::RETRY_AFTER;
use hyper::{HeaderMap, StatusCode};

/// Pause between two requests at the beginning, on average: so much of the outage, because the
/// longer it was, the more has come together everywhere.
const PART_OF_OUTAGE: u32 = 16;

/// Pause between two requests when the daemon has just started, on average.
const FIRST_GAP: Duration = Duration::from_millis(200);

/// Longest pause between two requests at the beginning, on average.
const LONGEST_FIRST_GAP: Duration = Duration::from_secs(4);

/// Least pause between two requests, on average.
const LEAST_GAP: Duration = Duration::from_millis(50);

/// Longest pause between two requests, on average, and the longest that an answer may ask for.
const LONGEST_GAP: Duration = Duration::from_secs(60);

/// What becomes of the pause with each turn while nothing is in the way, and once something was.
const FASTER: [f64; 2] = [0.8, 0.95];

/// What becomes of the pause when a request had to wait there.
const SLOWER: f64 = 1.25;

/// How many times as long as such a request took the pause may become for that. Where answers take
/// longer for good, as over another line, that is not the master's load, and it is not known at
/// once.
const WAITED: u32 = 32;

/// Time that a request has to wait there in any case, for all that is known.
const UNSURE: Duration = Duration::from_millis(50);

/// How fast the least time that an answer takes is forgotten, by each answer.
const FORGETS: f64 = 1.01;

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
    /// Time that a request took which had to wait there since the last turn.
    hindered: Option<Duration>,
    /// Whether one ever had to since this began.
    careful: bool,
    /// Time that an answer takes when nothing is in its way.
    least: Option<Duration>,
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
            hindered: None,
            careful: false,
            least: None,
        }
    }

    /// Begins again after an outage. `chance` is from 0 to 1, evenly.
    pub fn reconnected(&mut self, now: Instant, outage: Duration, chance: f64) {
        let delay = (outage / 4).min(LONGEST_DELAY).mul_f64(chance);
        *self = Pacing {
            gap: (outage / PART_OF_OUTAGE).clamp(LEAST_GAP, LONGEST_FIRST_GAP),
            next: Some(now + delay),
            least: self.least,
            ..Pacing::new()
        };
    }

    /// When one more request may be sent, which is taken for sent. `chance` is from 0 to 1, evenly.
    pub fn turn(&mut self, now: Instant, chance: f64) -> Instant {
        let turn = self.next.map_or(now, |next| next.max(now));
        self.next = Some(turn + self.gap.mul_f64(0.5 + chance));
        let gap = match self.hindered.take() {
            Some(took) => {
                let most = took.saturating_mul(WAITED).max(self.gap);
                self.gap.mul_f64(SLOWER).min(most)
            }
            None => self.gap.mul_f64(FASTER[usize::from(self.careful)]),
        };
        self.gap = gap.clamp(LEAST_GAP, LONGEST_GAP);
        turn
    }

    /// How a request was borne. What it took longer than usual it had to wait there.
    pub fn heard(&mut self, load: Load, now: Instant) {
        match load {
            Load::Borne(took) => {
                let usual = self.least.map(|least| least.mul_f64(FORGETS));
                let least = usual.map_or(took, |usual| usual.min(took));
                self.least = Some(least);
                if took - least > UNSURE.max(least / 2) {
                    (self.hindered, self.careful) = (Some(took), true);
                }
            }
            Load::TooMuch(asked) => {
                self.gap = (self.gap * 2).min(LONGEST_GAP);
                self.careful = true;
                let rested = now + asked.unwrap_or(self.gap).min(LONGEST_GAP);
                self.next = Some(self.next.map_or(rested, |next| next.max(rested)));
            }
            Load::Unknown => {}
        }
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
        assert_eq!(pauses[2], FIRST_GAP.mul_f64(FASTER[0]));
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
        assert_eq!(after[2], after[1].mul_f64(FASTER[1]));
    }

    #[test]
    fn slower_when_requests_wait_there_however_far_it_is() {
        let (mut pacing, now) = (Pacing::new(), Instant::now());
        let second = Duration::from_secs(1);
        for _ in 0..9 {
            pacing.heard(Load::Borne(second), now);
        }
        let gap_after_turn = |pacing: &mut Pacing| {
            pacing.turn(now, 0.5);
            pacing.gap
        };
        let gap = gap_after_turn(&mut pacing);
        assert_eq!(gap, FIRST_GAP.mul_f64(FASTER[0]));
        pacing.heard(Load::Borne(second * 2), now);
        let slower = gap_after_turn(&mut pacing);
        assert_eq!(slower, gap.mul_f64(SLOWER));
        assert_eq!(gap_after_turn(&mut pacing), slower.mul_f64(FASTER[1]));
        // What is slow from now on is usual after a while.
        for _ in 0..200 {
            pacing.heard(Load::Borne(second * 2), now);
        }
        gap_after_turn(&mut pacing);
        pacing.heard(Load::Borne(second * 2), now);
        let gap = pacing.gap;
        assert!(gap_after_turn(&mut pacing) < gap);
    }

    #[test]
    fn a_line_that_is_slower_for_good_does_not_stop_it() {
        let (mut pacing, now) = (Pacing::new(), Instant::now());
        let soon = Duration::from_millis(3);
        pacing.heard(Load::Borne(soon), now);
        let took = Duration::from_millis(200);
        let mut longest = Duration::ZERO;
        for _ in 0..1000 {
            pacing.turn(now, 0.5);
            longest = longest.max(pacing.gap);
            pacing.heard(Load::Borne(took), now);
        }
        assert_eq!(longest, took * WAITED);
        // And in the end it is usual.
        assert_eq!(pacing.gap, LEAST_GAP);
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
        for (outage, chance, delay, gap) in [
            (4, 0.5, 500, Duration::from_millis(250)),
            (4, 0.0, 0, Duration::from_millis(250)),
            (0, 1.0, 0, LEAST_GAP),
            (4_000, 1.0, 15_000, LONGEST_FIRST_GAP),
        ] {
            pacing.reconnected(now, Duration::from_secs(outage), chance);
            let delay = Duration::from_millis(delay);
            assert_eq!(pacing.turn(now, 0.5), now + delay);
            assert_eq!(pacing.turn(now, 0.5), now + delay + gap);
        }
    }
}
