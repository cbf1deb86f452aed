//! Calls that come at regular times: a timer each five minutes, a report each hour.

/// Longest period that is looked for, in milliseconds.
const LONGEST: i64 = 26 * 3_600_000;

/// Beats in a row that came when they were expected, after which the next is expected, too.
const KNOWN: u8 = 2;

/// Most beats that are remembered; a habit that was kept for long is not forgotten at once.
const MOST: u8 = 8;

/// What a beat that has not come costs in beats that have.
const MISSED: i64 = 2;

/// How much a new beat moves what is known of the earlier ones: one part in so many.
const SLOWNESS: i64 = 4;

/// A period, as far as there seems to be one. All times are in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Beat {
    /// Time from beat to beat; 0 while nothing is known.
    pub(super) period: i64,
    /// The last beat.
    pub(super) last: i64,
    /// How far from where they were expected beats come.
    pub(super) jitter: i64,
    /// Beats that were as expected.
    pub(super) hits: u8,
}

/// A beat that is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Expected {
    /// When.
    pub(super) at: i64,
    /// How much earlier it may come, going by those before.
    pub(super) early: i64,
    /// How much later it may come before it counts as missed.
    pub(super) late: i64,
}

impl Beat {
    /// A call comes `now`; the one before, if any is remembered, came at `previous`. Periods below
    /// `shortest` are not looked for.
    pub(super) fn heard(&mut self, now: i64, previous: Option<i64>, shortest: i64) {
        let Some(previous) = previous else { return };
        // One fire may call several times: those belong to the same beat.
        if now - previous < shortest / 2 {
            return;
        }
        if self.period > 0 {
            self.miss(now);
            let off = now - self.last - self.period;
            if off.abs() <= self.tolerance() {
                self.hits = (self.hits + 1).min(MOST);
                self.jitter += (off.abs() - self.jitter) / SLOWNESS;
                self.period += off / SLOWNESS;
                self.last = now;
                return;
            }
            // Other calls in between do not disturb a known beat.
            if self.hits >= KNOWN {
                return;
            }
        }
        let period = now - previous;
        *self = Beat {
            period: if (shortest..=LONGEST).contains(&period) {
                period
            } else {
                0
            },
            last: now,
            jitter: 0,
            hits: 0,
        };
    }

    /// The next beat after `now`, where there is a habit.
    pub(super) fn next(&self, now: i64) -> Option<Expected> {
        if self.hits < KNOWN || self.period == 0 {
            return None;
        }
        let missed = self.missed(now);
        if missed * MISSED > i64::from(self.hits - KNOWN) {
            return None;
        }
        Some(Expected {
            at: self.last + (missed + 1) * self.period,
            early: 3 * self.jitter,
            late: self.tolerance(),
        })
    }

    /// Beats that have not come until `now`; one that may still come is none of them.
    fn missed(&self, now: i64) -> i64 {
        ((now - self.last - self.tolerance() - 1) / self.period).max(0)
    }

    /// Takes the beats that have not come for what they are, each only once.
    fn miss(&mut self, now: i64) {
        let missed = self.missed(now);
        let lost = missed.saturating_mul(MISSED);
        self.hits = (i64::from(self.hits) - lost).max(0) as u8;
        self.last += missed * self.period;
    }

    /// How far from its time a beat may come: timers are exact to a second or so, loops that sleep
    /// after their work are not.
    fn tolerance(&self) -> i64 {
        (self.period / 16).clamp(1_000, 60_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;
    const SHORTEST: i64 = 20_000;

    fn beat(times: &[i64]) -> Beat {
        let mut beat = Beat::default();
        let mut previous = None;
        for now in times {
            beat.heard(*now, previous, SHORTEST);
            previous = Some(*now);
        }
        beat
    }

    fn at(beat: &Beat, now: i64) -> Option<i64> {
        beat.next(now).map(|expected| expected.at)
    }

    #[test]
    fn the_fourth_of_regular_calls_makes_a_habit() {
        let hourly: Vec<i64> = (1..=4).map(|hour| hour * 60 * MINUTE).collect();
        assert_eq!(at(&beat(&hourly[..3]), 181 * MINUTE), None);
        assert_eq!(at(&beat(&hourly), 241 * MINUTE), Some(300 * MINUTE));
    }

    #[test]
    fn calls_in_between_and_calls_together_do_not_disturb() {
        let five = |n: i64| n * 5 * MINUTE;
        let mut times: Vec<i64> = (1..=5).map(five).collect();
        times.extend([five(5) + 70_000, five(6), five(6) + 300, five(6) + 2_000]);
        let beat = beat(&times);
        assert_eq!(at(&beat, five(6) + 3_000), Some(five(7)));
    }

    #[test]
    fn beats_that_do_not_come_end_a_habit() {
        let mut heard = beat(&[10, 20, 30, 40].map(|minute| minute * MINUTE));
        assert_eq!(heard.hits, 2);
        let late = 50 * MINUTE + heard.tolerance();
        assert_eq!(at(&heard, late), Some(50 * MINUTE));
        assert_eq!(at(&heard, late + 1), None);
        // It comes back as soon as the beat does.
        heard.heard(60 * MINUTE, Some(40 * MINUTE), SHORTEST);
        assert_eq!(heard.hits, 1);
        heard.heard(70 * MINUTE, Some(60 * MINUTE), SHORTEST);
        assert_eq!(at(&heard, 71 * MINUTE), Some(80 * MINUTE));

        // A long habit survives a few.
        let long: Vec<i64> = (1..=12).map(|n| n * 10 * MINUTE).collect();
        let long = beat(&long);
        assert_eq!(at(&long, 145 * MINUTE), Some(150 * MINUTE));
        assert_eq!(at(&long, 300 * MINUTE), None);
    }

    #[test]
    fn a_period_that_drifts_is_followed() {
        let mut now = 0;
        let mut times = Vec::new();
        for n in 0..60 {
            now += 20 * MINUTE + n * 500;
            times.push(now);
        }
        let beat = beat(&times);
        let next = beat.next(now + 1).expect("a habit");
        let real = now + 20 * MINUTE + 60 * 500;
        assert!(next.at - next.early <= real && real <= next.at + next.late);
        assert!(next.early > 0);
    }

    #[test]
    fn another_period_takes_its_place() {
        let mut times: Vec<i64> = (1..=20).map(|n| n * 5 * MINUTE).collect();
        let begun = 100 * MINUTE;
        times.extend((1..=9).map(|n| begun + n * 7 * MINUTE));
        assert_eq!(
            at(&beat(&times), begun + 64 * MINUTE),
            Some(begun + 70 * MINUTE)
        );
    }

    #[test]
    fn no_habit_in_calls_at_random() {
        let mut state = 1_u64;
        let (mut now, mut expected, mut heard) = (0, 0, Beat::default());
        for _ in 0..2_000 {
            let previous = now;
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let uniform = ((state >> 33) as f64 + 1.0) / f64::from(1_u32 << 31);
            now += (-uniform.ln() * 900_000.0) as i64 + 1;
            heard.heard(now, Some(previous), SHORTEST);
            expected += usize::from(heard.next(now).is_some());
        }
        assert!(expected < 100, "{expected}");
    }

    #[test]
    fn calls_that_come_all_the_time_have_no_period() {
        let times: Vec<i64> = (1..100).map(|n| n * 9_000).collect();
        assert_eq!(beat(&times), Beat::default());
        let times: Vec<i64> = (1..100).map(|n| n * 15_000).collect();
        assert_eq!(at(&beat(&times), 1_500_000), None);
    }
}
