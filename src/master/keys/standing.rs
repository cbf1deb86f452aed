//! How long a key counts after the master has accepted it.

use std::time::Duration;

use crate::clock;

/// Longest time by which the store may be behind with when a key was accepted last.
const LATE: Duration = Duration::from_secs(3600);

/// How long a key counts.
#[derive(Clone, Copy, Debug)]
pub struct Validity {
    /// How long after the master has accepted it a key is shown to the master again
    /// (`OWL_KEYS_REVALIDATE`).
    pub revalidate: Duration,
    /// How long it is good while the master cannot be asked (`OWL_KEYS_OFFLINE`).
    pub offline: Duration,
}

/// What a key counts that the master has accepted some time ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is good.
    Good,
    /// It is good, and the master is asked about it beside.
    Doubtful,
    /// The master has to be asked first.
    Expired,
}

impl Validity {
    /// What a key counts now that was accepted at a time; both in milliseconds since 1970.
    pub(super) fn standing(&self, accepted_at: u64, now: u64, is_down: bool) -> Standing {
        // Where the clock was set nobody can tell how long ago it was.
        let Some(age) = clock::age(accepted_at, now).map(Duration::from_millis) else {
            return Standing::Doubtful;
        };
        match is_down {
            true if age <= self.offline => Standing::Good,
            true => Standing::Expired,
            false if age <= self.revalidate => Standing::Good,
            false if age <= self.offline => Standing::Doubtful,
            false => Standing::Expired,
        }
    }

    /// Whether the store has to be told that a key was accepted now. Not every time, which would
    /// wear the flash: it may be an hour behind, and less where keys are good for a short time.
    pub(super) fn is_due(&self, stored: u64, now: u64) -> bool {
        let late = LATE.min(self.offline / 4);
        clock::age(stored, now).is_none_or(|age| Duration::from_millis(age) >= late)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALIDITY: Validity = Validity {
        revalidate: Duration::from_secs(300),
        offline: Duration::from_secs(86_400),
    };

    #[test]
    fn by_age_and_whether_the_master_can_be_asked() {
        let standing = |age: i64, is_down: bool| {
            let now = 1_000_000_000_000_i64;
            VALIDITY.standing((now - age * 1000) as u64, now as u64, is_down)
        };
        for (age, up, down) in [
            (0, Standing::Good, Standing::Good),
            (300, Standing::Good, Standing::Good),
            (301, Standing::Doubtful, Standing::Good),
            (86_400, Standing::Doubtful, Standing::Good),
            (86_401, Standing::Expired, Standing::Expired),
            (-1, Standing::Doubtful, Standing::Doubtful),
        ] {
            assert_eq!(standing(age, false), up, "{age}");
            assert_eq!(standing(age, true), down, "{age}");
        }
    }

    #[test]
    fn accepted_before_the_clock_was_set() {
        let now = clock::EARLIEST + 1000;
        for is_down in [true, false] {
            let standing = VALIDITY.standing(5000, now, is_down);
            assert_eq!(standing, Standing::Doubtful);
        }
        assert!(VALIDITY.is_due(5000, now));
    }

    #[test]
    fn no_time_without_the_master() {
        let never = Validity {
            offline: Duration::ZERO,
            ..VALIDITY
        };
        assert_eq!(never.standing(0, 1000, true), Standing::Expired);
        assert_eq!(never.standing(0, 1000, false), Standing::Good);
        assert_eq!(never.standing(0, 301_000, false), Standing::Expired);
    }

    #[test]
    fn the_store_is_told_now_and_then() {
        assert!(!VALIDITY.is_due(1000, 3_600_999));
        assert!(VALIDITY.is_due(1000, 3_601_000));
        assert!(VALIDITY.is_due(1000, 999), "the clock was set back");
        let short = Validity {
            offline: Duration::from_secs(40),
            ..VALIDITY
        };
        assert!(!short.is_due(0, 9_999) && short.is_due(0, 10_000));
    }
}
