//! Timestamps of log lines: RFC 3339 in UTC with nanoseconds, which is what Docker prints.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

/// Shows a time as `2016-02-04T22:04:05.817450000Z`: always 30 characters for the years 0 to 9999.
///
/// Times before 1970 are shown as 1970: a device without a clock battery may start there, never
/// earlier.
pub(crate) struct Stamp(pub(crate) SystemTime);

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = self.0.duration_since(UNIX_EPOCH).unwrap_or_default();
        let seconds = since.as_secs();
        let (year, month, day) = civil(seconds / 86_400);
        let of_day = seconds % 86_400;
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:09}Z",
            of_day / 3600,
            of_day / 60 % 60,
            of_day % 60,
            since.subsec_nanos()
        )
    }
}

/// Year, month and day of the proleptic Gregorian calendar, `days` after 1970-01-01.
///
/// Years are counted from March in eras of 400 years, so that the leap day comes last and every
/// era has the same 146,097 days.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn stamp(seconds: u64, nanos: u32) -> String {
        Stamp(UNIX_EPOCH + Duration::new(seconds, nanos)).to_string()
    }

    #[test]
    fn known_times() {
        assert_eq!(stamp(0, 0), "1970-01-01T00:00:00.000000000Z");
        assert_eq!(
            stamp(1_454_623_445, 817_450_000),
            "2016-02-04T22:04:05.817450000Z"
        );
        assert_eq!(stamp(951_782_400, 0), "2000-02-29T00:00:00.000000000Z");
        assert_eq!(stamp(4_107_542_399, 1), "2100-02-28T23:59:59.000000001Z");
        assert_eq!(stamp(4_107_542_400, 0), "2100-03-01T00:00:00.000000000Z");
        assert_eq!(stamp(1_735_689_599, 0), "2024-12-31T23:59:59.000000000Z");
        assert_eq!(stamp(1_735_689_600, 0).len(), 30);
    }

    #[test]
    fn a_clock_before_1970_is_shown_as_1970() {
        let early = Stamp(UNIX_EPOCH - Duration::from_secs(5)).to_string();
        assert_eq!(early, "1970-01-01T00:00:00.000000000Z");
    }
}
