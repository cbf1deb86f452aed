//! Whether the clock has been set. Gateways without a battery start in 1970; records would be
//! listed in the wrong order and expire at once.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Check, Outcome};
use crate::clock;

/// Before which no clock can be right.
const EARLIEST: Duration = Duration::from_millis(clock::EARLIEST);

pub fn check(now: SystemTime) -> Check {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let text = httpdate::fmt_http_date(UNIX_EPOCH + since);
    let outcome = if since < EARLIEST {
        Outcome::Bad(
            format!("{text} is in the past"),
            "set the clock, for example: timedatectl set-ntp true".to_string(),
        )
    } else {
        Outcome::Good(text)
    };
    Check::new("clock", outcome)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_starts_in_1970_is_told() {
        let unset = check(UNIX_EPOCH + Duration::from_secs(60));
        assert!(matches!(unset.outcome, Outcome::Bad(..)));
        let set = check(UNIX_EPOCH + EARLIEST + Duration::from_secs(1));
        assert!(matches!(set.outcome, Outcome::Good(_)));
    }
}
