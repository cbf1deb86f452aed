//! Whether a copy will do, or the master is to be asked first.

use std::time::Duration;

/// What a copy is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// To run: a copy that is not quite fresh does, while the master is asked in the background.
    Run,
    /// To be shown.
    Read,
}

/// How many times as old as a fresh copy one may be that is run.
const STALE: u32 = 10;

/// What is done with a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// It will do.
    Serve,
    /// It will do, and the master is asked for the next one who comes.
    ServeAndAsk,
    /// The master is asked first.
    Ask,
}

/// What is done with a copy that was compared with the master's so long ago; none: nobody knows, or
/// it is known to have changed since. It is fresh for `revalidate`.
pub(super) fn decide(age: Option<Duration>, revalidate: Duration, need: Need) -> Decision {
    match (age, need) {
        (Some(age), _) if age < revalidate => Decision::Serve,
        (Some(age), Need::Run) if age < revalidate * STALE => Decision::ServeAndAsk,
        _ => Decision::Ask,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_age_and_need() {
        let minute = Duration::from_secs(60);
        let told = |seconds, need| decide(Some(Duration::from_secs(seconds)), minute, need);
        for need in [Need::Run, Need::Read] {
            assert_eq!(told(0, need), Decision::Serve);
            assert_eq!(told(59, need), Decision::Serve);
            assert_eq!(told(600, need), Decision::Ask);
            assert_eq!(decide(None, minute, need), Decision::Ask);
            // With 0 every request asks.
            let always = decide(Some(Duration::ZERO), Duration::ZERO, need);
            assert_eq!(always, Decision::Ask);
        }
        assert_eq!(told(60, Need::Run), Decision::ServeAndAsk);
        assert_eq!(told(599, Need::Run), Decision::ServeAndAsk);
        assert_eq!(told(60, Need::Read), Decision::Ask);
    }
}
