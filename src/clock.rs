//! The clock of the day, as OpenWhisk writes it.

use std::time::SystemTime;

/// Milliseconds since 1970; 0 for a clock that stands before that.
pub(crate) fn now() -> u64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| {
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        })
}
