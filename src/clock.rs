//! The clock of the day, as OpenWhisk writes it.

mod stamp;

use std::time::SystemTime;

pub(crate) use stamp::Stamp;

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
    fn milliseconds() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_nanos(1_454_623_445_817_999_999);
        assert_eq!(iso_milliseconds(time), "2016-02-04T22:04:05.817Z");
    }
}
