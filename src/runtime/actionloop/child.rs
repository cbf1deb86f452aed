//! The process that runs an action: its standard streams and descriptor 3 are pipes to us.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawnp};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, pipe2};

use super::relay::Relay;
use crate::allocator::with_pages_of_the_machine;

/// Where a child answers.
const ANSWERS: i32 = 3;

/// A running child, killed with its group when dropped.
#[derive(Debug)]
pub struct Child {
    pid: Pid,
    ended: Option<u8>,
    killed: bool,
    stopped: bool,
    /// Writes to its standard input, without blocking.
    pub calls: File,
    /// Reads its descriptor 3, without blocking.
    pub answers: File,
    /// What it prints.
    pub prints: Relay,
}

impl Child {
    /// Starts `words` in `directory` with these variables.
    ///
    /// The directory becomes that of the calling process, too: a proxy has one action.
    pub fn start(words: &[String], directory: &Path, env: &[(String, String)]) -> io::Result<Self> {
        std::env::set_current_dir(directory)?;
        // As a container's first process is, so that `ended` finds strays outside of one, too.
        prctl::set_child_subreaper(true)?;
        let (stdin, calls) = pipe2(OFlag::O_CLOEXEC)?;
        let (answers, out) = pipe2(OFlag::O_CLOEXEC)?;
        let (prints, printed) = Relay::new()?;
        let mut actions = PosixSpawnFileActions::init()?;
        actions.add_dup2(stdin.as_raw_fd(), 0)?;
        for (number, end) in (1..).zip(&printed) {
            actions.add_dup2(end.as_raw_fd(), number)?;
        }
        actions.add_dup2(out.as_raw_fd(), ANSWERS)?;
        let mut attributes = PosixSpawnAttr::init()?;
        // Ours are blocked, and a mask outlives exec.
        attributes.set_sigmask(&SigSet::empty())?;
        let mut ignored = SigSet::empty();
        ignored.add(Signal::SIGPIPE);
        attributes.set_sigdefault(&ignored)?;
        attributes.set_pgroup(Pid::from_raw(0))?;
        attributes.set_flags(
            PosixSpawnFlags::POSIX_SPAWN_SETSIGMASK
                | PosixSpawnFlags::POSIX_SPAWN_SETSIGDEF
                | PosixSpawnFlags::POSIX_SPAWN_SETPGROUP,
        )?;
        let arguments = words.iter().map(|word| CString::new(word.as_str()));
        let arguments = arguments.collect::<Result<Vec<_>, _>>()?;
        let program = arguments.first().ok_or(Errno::ENOENT)?;
        let variables = variables(env);
        let pid = with_pages_of_the_machine(|| {
            posix_spawnp(program, &actions, &attributes, &arguments, &variables)
        })?;
        let not_blocking = |descriptor: OwnedFd| {
            fcntl(&descriptor, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
            Ok::<_, io::Error>(File::from(descriptor))
        };
        Ok(Child {
            pid,
            ended: None,
            killed: false,
            stopped: false,
            calls: not_blocking(calls)?,
            answers: not_blocking(answers)?,
            prints,
        })
    }

    /// The code that it ended with, if it has: 128 and the signal for one that was killed.
    ///
    /// Waits for every process that has ended, too: in a container those of the action that lost
    /// their parent are ours to wait for.
    pub fn ended(&mut self) -> Option<u8> {
        loop {
            let (pid, code) = match waitpid(None::<Pid>, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(pid, code)) => (pid, u8::try_from(code).unwrap_or(1)),
                Ok(WaitStatus::Signaled(pid, signal, _)) => {
                    (pid, u8::try_from(128 + signal as i32).unwrap_or(u8::MAX))
                }
                Err(Errno::EINTR) => continue,
                _ => return self.ended,
            };
            if pid == self.pid {
                // A kill of ours must not be taken for one by the kernel, for memory.
                self.ended = Some(if self.killed { 1 } else { code });
            }
        }
    }

    /// Stops it, and all that it started in its group, where they are.
    pub fn stop(&mut self) {
        if self.ended().is_none() && killpg(self.pid, Signal::SIGSTOP).is_ok() {
            self.stopped = true;
        }
    }

    /// Lets it go on, if it was stopped.
    pub fn resume(&mut self) {
        if std::mem::take(&mut self.stopped) && self.ended().is_none() {
            let _ = killpg(self.pid, Signal::SIGCONT);
        }
    }

    /// Whether it was stopped, and not let go on since.
    pub fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Kills it and all that it started in its group, stopped or not.
    pub fn kill(&mut self) {
        if self.ended().is_none() {
            self.killed = true;
            let _ = killpg(self.pid, Signal::SIGKILL);
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
        if self.ended.is_none() {
            let _ = waitpid(self.pid, None);
        }
    }
}

/// The child's environment: what cannot be a variable is left out.
fn variables(env: &[(String, String)]) -> Vec<CString> {
    env.iter()
        .filter(|(name, _)| !name.is_empty() && !name.contains('='))
        .filter_map(|(name, value)| CString::new(format!("{name}={value}")).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_pairs() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let env = [
            pair("A", "1=2"),
            pair("", "x"),
            pair("B=C", "x"),
            pair("D", "a\0b"),
        ];
        assert_eq!(variables(&env), [c"A=1=2".to_owned()]);
    }
}
