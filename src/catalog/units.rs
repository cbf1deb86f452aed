//! Sizes and times as texts, as the runtimes manifest has them (reference section 9.1).

use std::time::Duration;

/// Bytes of a text such as `256 MB`, `256m` or `1 G`; none if it is not a size.
pub fn bytes(text: &str) -> Option<u64> {
    let (number, unit) = number_and_unit(text)?;
    let shift = match unit.to_ascii_uppercase().as_str() {
        "B" => 0,
        "K" | "KB" => 10,
        "M" | "MB" => 20,
        "G" | "GB" => 30,
        _ => return None,
    };
    number.checked_mul(1 << shift)
}

/// A text such as `2 minutes`, `30s` or `100 ms`; none if it is not a time.
pub fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = number_and_unit(text)?;
    let seconds = match unit {
        "ms" | "milli" | "millis" | "millisecond" | "milliseconds" => {
            return Some(Duration::from_millis(number));
        }
        "s" | "sec" | "secs" | "second" | "seconds" => 1,
        "m" | "min" | "mins" | "minute" | "minutes" => 60,
        "h" | "hr" | "hrs" | "hour" | "hours" => 3600,
        "d" | "day" | "days" => 86_400,
        _ => return None,
    };
    number.checked_mul(seconds).map(Duration::from_secs)
}

fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    Some((number.parse().ok()?, unit.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(bytes("256 MB"), Some(256 << 20));
        assert_eq!(bytes("1g"), Some(1 << 30));
        assert_eq!(bytes("7 B"), Some(7));
        assert_eq!(bytes("5KB"), Some(5 << 10));
        for bad in [
            "",
            "256",
            "MB",
            "1.5 MB",
            "-1 MB",
            "1 TB",
            "99999999999999 GB",
        ] {
            assert_eq!(bytes(bad), None, "{bad}");
        }
    }

    #[test]
    fn times() {
        assert_eq!(duration("2 minutes"), Some(Duration::from_secs(120)));
        assert_eq!(duration("100ms"), Some(Duration::from_millis(100)));
        assert_eq!(duration("1 day"), Some(Duration::from_secs(86_400)));
        assert_eq!(duration("2"), None);
        assert_eq!(duration("2 weeks"), None);
    }
}
