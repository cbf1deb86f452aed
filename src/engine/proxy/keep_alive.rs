//! The connection to a sandbox that is kept open between requests.
//!
//! A request that went out is never sent again, so a connection must not be used that the server
//! is about to close. Good servers say so in their answer; some images have servers that just
//! close. Those are found out once, by a look at the first connection after a short while.

use std::time::{Duration, Instant};

use smol::Timer;

use crate::http::client::Connection;

/// How long an idle connection is trusted. Servers close theirs without telling: node after 5 s.
const MAX_IDLE: Duration = Duration::from_secs(3);

/// After this long, a server that closes its connections has done so. Spent at most once in the
/// life of a sandbox.
const PROOF: Duration = Duration::from_millis(3);

/// What a server does with a connection after its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Habit {
    Unknown,
    Keeps,
    Closes,
}

/// What to do with an idle connection.
#[derive(Debug, PartialEq, Eq)]
enum Use {
    Take,
    /// Look again when it has been idle for this long.
    Wait(Duration),
    Drop,
}

/// At most one connection that nothing is under way on.
pub(super) struct KeepAlive {
    idle: Option<(Connection, Instant)>,
    habit: Habit,
}

impl KeepAlive {
    pub(super) fn new() -> Self {
        KeepAlive {
            idle: None,
            habit: Habit::Unknown,
        }
    }

    /// Keeps a connection over which a whole answer came.
    pub(super) fn put(&mut self, connection: Connection) {
        if self.habit != Habit::Closes {
            self.idle = Some((connection, Instant::now()));
        }
    }

    /// A connection that can be expected to last for a request.
    pub(super) async fn take(&mut self) -> Option<Connection> {
        loop {
            let (connection, since) = self.idle.as_ref()?;
            let (what, habit) = judge(self.habit, since.elapsed(), connection.is_closed());
            let until = *since;
            self.habit = habit;
            match what {
                Use::Take => return self.idle.take().map(|(connection, _)| connection),
                Use::Drop => self.idle = None,
                Use::Wait(age) => {
                    Timer::at(until + age).await;
                }
            }
        }
    }

    pub(super) fn close(&mut self) {
        self.idle = None;
    }
}

/// What to do with a connection, and what it tells of the server.
fn judge(habit: Habit, idle: Duration, closed: bool) -> (Use, Habit) {
    if closed {
        // After a long time any server may have closed it.
        let habit = if idle < MAX_IDLE {
            Habit::Closes
        } else {
            habit
        };
        return (Use::Drop, habit);
    }
    match habit {
        _ if idle >= MAX_IDLE => (Use::Drop, habit),
        Habit::Closes => (Use::Drop, habit),
        Habit::Unknown if idle < PROOF => (Use::Wait(PROOF), habit),
        Habit::Unknown | Habit::Keeps => (Use::Take, Habit::Keeps),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_found_out() {
        let ms = Duration::from_millis;
        use Habit::{Closes, Keeps, Unknown};
        for (habit, idle, closed, what, then) in [
            (Unknown, ms(0), false, Use::Wait(PROOF), Unknown),
            (Unknown, PROOF, false, Use::Take, Keeps),
            (Unknown, ms(1), true, Use::Drop, Closes),
            (Unknown, MAX_IDLE, true, Use::Drop, Unknown),
            (Keeps, ms(0), false, Use::Take, Keeps),
            (Keeps, MAX_IDLE, false, Use::Drop, Keeps),
            (Keeps, ms(500), true, Use::Drop, Closes),
            (Closes, ms(500), false, Use::Drop, Closes),
        ] {
            assert_eq!(
                judge(habit, idle, closed),
                (what, then),
                "{habit:?} {idle:?} {closed}"
            );
        }
    }
}
