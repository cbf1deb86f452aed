//! How often the service manager wants a sign of life.

use std::time::Duration;

/// Half the time after which it takes the process `id` for dead; none if it does not watch it.
pub(super) fn pulse(environment: &dyn Fn(&str) -> Option<String>, id: u32) -> Option<Duration> {
    let micros: u64 = environment("WATCHDOG_USEC")?.trim().parse().ok()?;
    // It may be the parent that is watched, which has left us its environment.
    if let Some(watched) = environment("WATCHDOG_PID").filter(|text| !text.is_empty())
        && watched.trim().parse() != Ok(id)
    {
        return None;
    }
    Some(Duration::from_micros(micros / 2)).filter(|pulse| !pulse.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_what_is_wanted_from_us() {
        let pulse_of = |usec: Option<&str>, pid: Option<&str>| {
            let (usec, pid) = (usec.map(str::to_owned), pid.map(str::to_owned));
            let environment = move |name: &str| match name {
                "WATCHDOG_USEC" => usec.clone(),
                "WATCHDOG_PID" => pid.clone(),
                _ => None,
            };
            pulse(&environment, 7)
        };
        let second = Some(Duration::from_secs(1));
        assert_eq!(pulse_of(Some("2000000"), None), second);
        assert_eq!(pulse_of(Some("2000000"), Some("7")), second);
        for (usec, pid) in [
            (None, None),
            (Some(""), None),
            (Some("soon"), None),
            (Some("0"), None),
            (Some("2000000"), Some("8")),
            (Some("2000000"), Some("me")),
        ] {
            assert_eq!(pulse_of(usec, pid), None, "{usec:?} {pid:?}");
        }
    }
}
