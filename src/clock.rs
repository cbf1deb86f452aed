//! The clock of the day, as OpenWhisk writes it.

mod stamp;

use std::time::SystemTime;

pub(crate) use stamp::Stamp;

/// 1 January 2026 in milliseconds since 1970. A clock that stands before that has not been set yet:
/// gateways without a battery start so.
pub(crate) const EARLIEST: u64 = 1_767_225_600_000;

/// Milliseconds between two times, each in milliseconds since 1970; none if nobody can tell: the
/// clock was set back, or was not set yet at the first of them and is now.
pub(crate) fn age(since: u64, now: u64) -> Option<u64> {
    match since < EARLIEST && now >= EARLIEST {
        true => None,
        false => now.checked_sub(since),
    }
}

/// Milliseconds since 1970; 0 for a clock that stands before that.
pub(crate) fn now() -> u64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| {
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        })
}

/// A time as ISO 8601 in UTC with milliseconds, as JavaScript's `toISOString` gives it.
pub(crate) fn iso_milliseconds(time: SystemTime) -> String {
    let mut text = Stamp(time).to_string();
    // Without micro- and nanoseconds.
    text.truncate(text.len() - "000000Z".len());
    text.push('Z');
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn ages() {
        assert_eq!(age(5, 7), Some(2));
        assert_eq!(age(EARLIEST, EARLIEST + 7), Some(7));
        for unknown in [(7, 5), (5, EARLIEST), (EARLIEST + 1, EARLIEST)] {
            assert_eq!(age(unknown.0, unknown.1), None);
        }
    }

    #[test]
    fn milliseconds() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_nanos(1_454_623_445_817_999_999);
        assert_eq!(iso_milliseconds(time), "2016-02-04T22:04:05.817Z");
    }
}
