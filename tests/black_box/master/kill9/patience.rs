//! How long things that come by themselves are waited for.

use std::thread;
use std::time::{Duration, Instant};

/// Several times the longest pause of a gateway between two tries, and longer than anything takes
/// on a busy machine.
const WITHOUT_PROGRESS: Duration = Duration::from_secs(300);

/// How often it is looked.
const PAUSE: Duration = Duration::from_millis(50);

/// Waits for as long as something goes on. What is sent again to a master that is slow, on a machine
/// that is busy, is paced: how long all of it takes is nobody's promise.
pub struct Patience {
    since: Instant,
    least: usize,
}

impl Default for Patience {
    fn default() -> Self {
        Patience {
            since: Instant::now(),
            least: usize::MAX,
        }
    }
}

impl Patience {
    /// Waits a little, if there is hope while so many things have not come yet.
    pub fn lasts(&mut self, missing: usize) -> bool {
        if missing < self.least {
            *self = Patience {
                since: Instant::now(),
                least: missing,
            };
        }
        thread::sleep(PAUSE);
        self.since.elapsed() < WITHOUT_PROGRESS
    }
}
