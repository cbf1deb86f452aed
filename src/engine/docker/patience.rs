//! How long to wait before an engine that is away is asked again. No I/O.

use std::time::{Duration, Instant};

use super::host::Host;

/// Pauses before an engine over TCP is asked again, in milliseconds; the last one repeats.
const PAUSES: [u64; 5] = [100, 250, 500, 1000, 2000];

/// Between two looks at a socket of this machine, which cost some microseconds.
const SOON: Duration = Duration::from_millis(20);

/// For how long that is done: engines that are restarted take less.
const RESTART: Duration = Duration::from_secs(30);

/// Between two looks after that.
const LATER: Duration = Duration::from_millis(500);

/// The pauses since an engine was there.
pub(super) struct Patience {
    is_local: bool,
    since: Instant,
    pauses: std::slice::Iter<'static, u64>,
}

impl Patience {
    /// From now on.
    pub(super) fn new(host: &Host) -> Self {
        Patience {
            is_local: matches!(host, Host::Unix(_)),
            since: Instant::now(),
            pauses: PAUSES.iter(),
        }
    }

    /// The next pause.
    pub(super) fn pause(&mut self) -> Duration {
        match self.is_local {
            true if self.since.elapsed() < RESTART => SOON,
            true => LATER,
            false => {
                let pause = self.pauses.next().unwrap_or(&PAUSES[PAUSES.len() - 1]);
                Duration::from_millis(*pause)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_of_this_machine_is_looked_at_often_and_others_less_and_less() {
        let mut local = Patience::new(&Host::Unix("/run/docker.sock".into()));
        assert_eq!(local.pause(), SOON);
        local.since -= RESTART;
        assert_eq!(local.pause(), LATER);
        let mut remote = Patience::new(&Host::Tcp("engine:2375".into()));
        let pauses: Vec<u128> = (0..7).map(|_| remote.pause().as_millis()).collect();
        assert_eq!(pauses, [100, 250, 500, 1000, 2000, 2000, 2000]);
    }
}
