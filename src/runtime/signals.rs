//! SIGTERM, SIGINT and SIGCHLD as something to poll, for a process without threads.
//!
//! A container's first process gets no default action for signals: what it does not handle is
//! ignored, and `docker stop` would wait ten seconds for nothing.

use std::cell::Cell;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// Signals of this process, blocked and read from a descriptor.
pub struct Signals {
    descriptor: SignalFd,
    end: Cell<bool>,
}

impl Signals {
    /// Blocks the signals for the calling thread: call it before any other thread is started.
    pub fn take() -> nix::Result<Self> {
        let mut set = SigSet::empty();
        for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGCHLD] {
            set.add(signal);
        }
        set.thread_block()?;
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        Ok(Signals {
            descriptor: SignalFd::with_flags(&set, flags)?,
            end: Cell::new(false),
        })
    }

    /// Whether SIGTERM or SIGINT has come. Takes every signal that is waiting.
    pub fn must_end(&self) -> bool {
        while let Ok(Some(signal)) = self.descriptor.read_signal() {
            let number = i32::try_from(signal.ssi_signo).unwrap_or_default();
            if number == Signal::SIGTERM as i32 || number == Signal::SIGINT as i32 {
                self.end.set(true);
            }
        }
        self.end.get()
    }

    /// Waits for the next signal of any kind. False if the process must end.
    pub fn wait(&self) -> bool {
        self.poll(PollTimeout::NONE)
    }

    /// As [`Signals::wait`], but for no longer than that.
    pub fn wait_for(&self, time: Duration) -> bool {
        self.poll(timeout(time))
    }

    fn poll(&self, time: PollTimeout) -> bool {
        let mut wait = [PollFd::new(self.as_fd(), PollFlags::POLLIN)];
        // An interrupted or failed wait only means another look.
        let _ = poll(&mut wait, time);
        !self.must_end()
    }

    /// Sleeps, but not on when the process must end.
    pub fn sleep(&self, time: Duration) {
        let end = Instant::now() + time;
        while !self.must_end() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            self.wait_for(left);
        }
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

/// A time for `poll`, in whole milliseconds and never shorter than asked for.
pub fn timeout(time: Duration) -> PollTimeout {
    let millis = time.as_nanos().div_ceil(1_000_000);
    PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rounded_up() {
        assert_eq!(timeout(Duration::ZERO), PollTimeout::ZERO);
        assert_eq!(timeout(Duration::from_micros(1)), PollTimeout::from(1u8));
        assert_eq!(timeout(Duration::from_millis(7)), PollTimeout::from(7u8));
        assert_eq!(timeout(Duration::MAX), PollTimeout::MAX);
    }
}
