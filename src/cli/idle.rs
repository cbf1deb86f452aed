//! When a daemon that is started on demand has nothing to do any more.

use std::time::Duration;

use smol::Timer;

/// What a daemon has to do, and what it has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Activity {
    /// Requests that were answered since it started.
    pub answered: u64,
    /// Connections, activations, and what waits for the master.
    pub under_way: u64,
}

/// Ends when there was nothing to do for `time`, and at most for twice as long: it looks that
/// seldom.
pub async fn idle(time: Duration, activity: impl Fn() -> Activity) {
    let mut answered = activity().answered;
    loop {
        Timer::after(time).await;
        let now = activity();
        if is_idle(answered, now) {
            return;
        }
        answered = now.answered;
    }
}

/// Whether nothing has happened since `answered` requests were answered, and nothing goes on.
fn is_idle(answered: u64, now: Activity) -> bool {
    now.under_way == 0 && now.answered == answered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_on_or_was_done_since_is_work() {
        let now = |answered, under_way| Activity {
            answered,
            under_way,
        };
        assert!(is_idle(0, now(0, 0)));
        assert!(is_idle(7, now(7, 0)));
        assert!(!is_idle(7, now(8, 0)));
        assert!(!is_idle(7, now(7, 1)));
    }

    #[test]
    fn it_looks_until_there_is_nothing() {
        let looks = std::cell::Cell::new(0);
        let activity = || {
            looks.set(looks.get() + 1);
            Activity {
                answered: looks.get().min(3),
                under_way: u64::from(looks.get() < 5),
            }
        };
        smol::block_on(idle(Duration::from_millis(1), activity));
        assert_eq!(looks.get(), 5);
    }
}
