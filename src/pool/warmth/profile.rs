//! What is known of the calls of one action.

use super::beat::{Beat, Expected};
use super::gaps::{BINS, Gaps};

/// Milliseconds that a cold start is taken to cost before one was seen.
const UNKNOWN_COLD: u32 = 500;

/// How long a sandbox that was asked for by name waits for its call, in milliseconds.
const ANNOUNCED_LATE: i64 = 30_000;

/// How long what was found out of gaps is good, in milliseconds.
const FRESH: i64 = 10_000;

/// Milliseconds by which a sandbox is to be there before its call.
const MARGIN: i64 = 1_000;

/// What is known of an action: about 150 bytes. All times are in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Profile {
    /// From the end of a run to the next call.
    pub(super) gaps: Gaps,
    /// Between calls that came while another one was running: how soon a second sandbox is of use.
    pub(super) extra: Gaps,
    /// Calls at regular times.
    pub(super) beat: Beat,
    /// The last call.
    pub(super) last: Option<i64>,
    /// When the last run has ended, if nothing was called since.
    freed: Option<i64>,
    /// The last call that came while another one was running.
    overlap: Option<i64>,
    /// What a cold start takes; 0 before one was seen.
    pub(super) cold: u32,
    /// MB of a sandbox.
    pub(super) memory: u32,
    /// The call that somebody has announced.
    announced: Option<i64>,
    /// The expected call that a sandbox has been made ready for.
    prepared: Option<i64>,
    /// Before that nothing can be made ready: a sandbox is there that will have gone by then.
    not_before: i64,
    /// When it was found out how long the last idle sandbox stays, and how long that is.
    stay: (i64, i64),
    /// Whether it has changed since it was kept.
    pub(super) has_changed: bool,
    /// Whether the store has a record of it.
    pub(super) is_kept: bool,
}

impl Profile {
    /// A call. Periods below `shortest` are not looked for.
    pub(super) fn arrived(&mut self, now: i64, shortest: i64) {
        self.beat.heard(now, self.last, shortest);
        match self.freed.take() {
            Some(freed) => self.gaps.add(now, now - freed),
            None if self.last.is_some() => {
                if let Some(before) = self.overlap.replace(now) {
                    self.extra.add(now, now - before);
                }
            }
            None => {}
        }
        self.last = Some(now);
        self.announced = self.announced.filter(|at| *at - ANNOUNCED_LATE > now);
        self.has_changed = true;
    }

    /// A run has ended.
    pub(super) fn ended(&mut self, now: i64) {
        self.freed = Some(now);
    }

    /// Whether a run is under way.
    pub(super) fn is_running(&self) -> bool {
        self.last.is_some() && self.freed.is_none()
    }

    /// A cold start took so long. The slowest counts for long: it is what callers remember.
    pub(super) fn started_cold(&mut self, took: u32) {
        self.cold = match self.cold {
            0 => took,
            known if took > known => took,
            known => known - (known - took) / 4,
        };
        self.has_changed = true;
    }

    /// Somebody knows that a call will come.
    pub(super) fn announce(&mut self, at: i64) {
        self.announced = Some(at);
    }

    /// The call that is expected next.
    pub(super) fn expected(&self, now: i64) -> Option<Expected> {
        let announced = self.announced.map(|at| Expected {
            at,
            early: 0,
            late: ANNOUNCED_LATE,
        });
        let announced = announced.filter(|expected| expected.at + expected.late >= now);
        let beat = self.beat.next(now);
        [announced, beat]
            .into_iter()
            .flatten()
            .min_by_key(|expected| expected.at)
    }

    /// When a sandbox has to be begun for an expected call.
    fn begin(&self, expected: Expected) -> i64 {
        expected.at - expected.early - MARGIN - 2 * i64::from(self.cold())
    }

    /// When there is something to do about an expected call: to make a sandbox ready for it, or,
    /// when that was done, to see that it has not come.
    pub(super) fn look(&self, expected: Expected) -> i64 {
        match self.prepared == Some(expected.at) {
            true => expected.at + expected.late + 1,
            false => self.begin(expected).max(self.not_before),
        }
    }

    /// Whether a sandbox is to be made ready for an expected call now.
    pub(super) fn is_due(&self, now: i64, expected: Expected) -> bool {
        self.prepared != Some(expected.at) && self.look(expected) <= now
    }

    /// What can be done for an expected call is done.
    pub(super) fn prepare(&mut self, expected: Expected) {
        self.prepared = Some(expected.at);
    }

    /// Nothing can be made ready before a moment.
    pub(super) fn postpone(&mut self, until: i64) {
        self.not_before = until;
    }

    /// How many milliseconds the last idle sandbox stays. That is not found out for each of calls
    /// that come thick and fast: one more of many gaps changes little.
    pub(super) fn stay(&mut self, now: i64, bound: i64, least: f32) -> i64 {
        if self.stay.1.min(bound) == 0 || now - self.stay.0 >= FRESH {
            self.stay = (now, self.gaps.stay(bound, least));
        }
        self.stay.1.min(bound)
    }

    /// Milliseconds that a cold start costs.
    pub(super) fn cold(&self) -> u32 {
        self.cold_of(1)
    }

    /// Milliseconds that a cold start costs; before one was seen, so many times what is usual.
    pub(super) fn cold_of(&self, factor: u32) -> u32 {
        match self.cold {
            0 => UNKNOWN_COLD * factor,
            cold => cold,
        }
    }

    /// How much it is used, as far as that is not forgotten.
    pub(super) fn use_at(&self, now: i64) -> f32 {
        let mut gaps = self.gaps.clone();
        gaps.age(now);
        gaps.count() + f32::from(self.beat.hits)
    }

    /// How it is kept: bytes that [`Profile::restored`] reads. `day` is the time of day in
    /// milliseconds since 1970 that `now` is.
    pub(super) fn record(&mut self, now: i64, day: u64) -> Vec<u8> {
        self.gaps.age(now);
        self.extra.age(now);
        let of_day = |time: i64| day.saturating_sub((now - time).max(0) as u64);
        let mut bytes = Vec::with_capacity(RECORD);
        bytes.push(VERSION);
        for weight in self.gaps.weights().iter().chain(&self.extra.weights()) {
            bytes.extend_from_slice(&weight.to_le_bytes());
        }
        let times = [
            day,
            self.last.map_or(0, of_day),
            of_day(self.beat.last),
            self.beat.period as u64,
            self.beat.jitter as u64,
            u64::from(self.beat.hits),
            u64::from(self.cold),
            u64::from(self.memory),
        ];
        for number in times {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes
    }

    /// What was kept; none if it was not written by [`Profile::record`]. Times that the clock of
    /// the day makes no sense of are forgotten.
    pub(super) fn restored(bytes: &[u8], now: i64, day: u64) -> Option<Self> {
        let (version, rest) = bytes.split_first()?;
        if *version != VERSION || bytes.len() != RECORD {
            return None;
        }
        let (weights, numbers) = rest.split_at(2 * 2 * BINS);
        let mut weights = weights
            .chunks_exact(2)
            .map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
        let mut histogram =
            || -> [u16; BINS] { std::array::from_fn(|_| weights.next().unwrap_or(0)) };
        let (gaps, extra) = (histogram(), histogram());
        let mut numbers = numbers
            .chunks_exact(8)
            .map(|bytes| u64::from_le_bytes(bytes.try_into().unwrap_or_default()));
        let mut number = || numbers.next().unwrap_or(0);
        let back = |since: u64| Some(now - i64::try_from(crate::clock::age(since, day)?).ok()?);
        let (kept, last, beat) = (back(number()), back(number()), back(number()));
        let aged = kept.unwrap_or(now);
        let period = i64::try_from(number()).ok()?;
        let jitter = i64::try_from(number()).ok()?;
        let hits = u8::try_from(number()).ok()?;
        let habit = beat.map(|last| Beat {
            period,
            last,
            jitter,
            hits,
        });
        Some(Profile {
            gaps: Gaps::of(gaps, aged),
            extra: Gaps::of(extra, aged),
            beat: habit.unwrap_or_default(),
            last,
            // When its last run ended was not kept; runs are short beside gaps.
            freed: last,
            cold: u32::try_from(number()).ok()?,
            memory: u32::try_from(number()).ok()?,
            is_kept: true,
            ..Profile::default()
        })
    }
}

/// The form of records; another one is not read.
const VERSION: u8 = 1;

/// Bytes of a record.
const RECORD: usize = 1 + 2 * 2 * BINS + 8 * 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::EARLIEST;

    const HOUR: i64 = 3_600_000;

    /// The last call of [`hourly`].
    const LAST: i64 = 16 * HOUR;

    fn hourly() -> Profile {
        let mut profile = Profile {
            memory: 256,
            ..Profile::default()
        };
        for hour in 1..=16 {
            profile.arrived(hour * HOUR, 20_000);
            profile.ended(hour * HOUR + 500);
        }
        profile.started_cold(700);
        profile
    }

    #[test]
    fn gaps_are_from_the_end_of_a_run_to_the_next_call() {
        let mut profile = Profile::default();
        profile.arrived(0, 20_000);
        // Two more before the first has ended.
        profile.arrived(1_000, 20_000);
        profile.arrived(61_000, 20_000);
        assert_eq!(profile.gaps, Gaps::default());
        let mut once = Gaps::default();
        once.add(61_000, 60_000);
        assert_eq!(profile.extra, once);
        profile.ended(62_000);
        profile.ended(63_000);
        profile.arrived(73_000, 20_000);
        let mut once = Gaps::default();
        once.add(73_000, 10_000);
        assert_eq!(profile.gaps, once);
    }

    #[test]
    fn what_is_announced_and_what_is_regular() {
        let mut profile = hourly();
        let now = LAST + 1_000;
        let beat = profile.expected(now).unwrap();
        assert_eq!(beat.at, LAST + HOUR);
        assert_eq!(profile.begin(beat), LAST + HOUR - 1_000 - 1_400);
        profile.announce(now + 5_000);
        let announced = profile.expected(now).unwrap();
        assert_eq!(announced.at, now + 5_000);
        assert!(profile.is_due(announced.at, announced) && !profile.is_due(now, announced));
        profile.prepare(announced);
        assert!(!profile.is_due(announced.at, announced));
        assert_eq!(profile.look(announced), announced.at + ANNOUNCED_LATE + 1);
        // It has come, a little late.
        profile.arrived(now + 6_000, 20_000);
        assert_eq!(profile.expected(now + 6_000).unwrap().at, LAST + HOUR);
        // One that never comes is not waited for.
        profile.announce(now + 20_000);
        assert_eq!(profile.expected(now + 60_000).unwrap().at, LAST + HOUR);
    }

    #[test]
    fn cold_starts_are_what_the_slow_ones_take() {
        let mut profile = Profile::default();
        assert_eq!(profile.cold(), UNKNOWN_COLD);
        for (took, known) in [(400, 400), (1_200, 1_200), (400, 1_000)] {
            profile.started_cold(took);
            assert_eq!(profile.cold(), known);
        }
    }

    #[test]
    fn kept_and_restored_by_a_daemon_that_starts_later() {
        let (now, day) = (LAST + 1_000, EARLIEST + 1_000_000_000);
        let bytes = hourly().record(now, day);
        // Half an hour later, on another clock.
        let later = day + 1_800_000;
        let restored = Profile::restored(&bytes, 77_000_000, later).unwrap();
        assert_eq!(restored.last, Some(77_000_000 - 1_801_000));
        let expected = restored.expected(77_000_000).unwrap();
        assert_eq!(expected.at, 77_000_000 - 1_801_000 + HOUR);
        assert_eq!((restored.cold, restored.memory), (700, 256));
        assert!((7.5..9.0).contains(&restored.gaps.count()));
        // Days later it is an old habit, and the gaps have sunk.
        let days = day + 3 * 24 * HOUR as u64;
        let mut restored = Profile::restored(&bytes, 400_000_000, days).unwrap();
        assert_eq!(restored.expected(400_000_000), None);
        restored.gaps.age(400_000_000);
        assert!(!restored.gaps.is_evidence());
    }

    #[test]
    fn a_clock_that_makes_no_sense_costs_the_habit_only() {
        let day = EARLIEST + 1_000_000_000;
        let bytes = hourly().record(LAST, day);
        let restored = Profile::restored(&bytes, 5, day - 1_800_000 - LAST as u64).unwrap();
        assert_eq!((restored.last, restored.expected(5)), (None, None));
        assert!(restored.gaps.is_evidence());
        for damaged in [&bytes[..10], &[], &[9; RECORD]] {
            assert_eq!(Profile::restored(damaged, 5, day), None);
        }
    }
}
