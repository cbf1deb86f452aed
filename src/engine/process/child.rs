//! A child process, from its start until it has been waited for.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStderr, ChildStdout, ExitStatus};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::engine::Hold;
use crate::sync::lock;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use smol::Timer;
use smol::lock::OnceCell;

/// The code of a process that was killed for its memory, as Docker has it.
const KILLED: i32 = 137;

/// A child that is the leader of its process group. Dropped before its end, it is killed and
/// waited for, so that no way of giving it up leaves a process or a zombie.
pub struct Process {
    id: u32,
    state: Mutex<State>,
    status: OnceCell<ExitStatus>,
    /// The place that it has until it has ended.
    hold: Mutex<Hold>,
}

struct State {
    child: Child,
    /// Whether we killed it, so that its end says nothing about the action.
    killed: bool,
}

impl Process {
    /// Takes over a child that was started in a process group of its own, and has this place.
    pub fn new(child: Child, hold: Hold) -> Self {
        Process {
            id: child.id(),
            state: Mutex::new(State {
                child,
                killed: false,
            }),
            status: OnceCell::new(),
            hold: Mutex::new(hold),
        }
    }

    /// Its process id. Belongs to another process once this one has ended.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Standard output and standard error, once, if they are piped.
    pub fn take_output(&mut self) -> Option<(ChildStdout, ChildStderr)> {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        Some((state.child.stdout.take()?, state.child.stderr.take()?))
    }

    /// Whether it has ended. If so it has been waited for, and no zombie is left.
    pub fn has_ended(&self) -> bool {
        if self.status.is_initialized() {
            return true;
        }
        let mut state = lock(&self.state);
        match state.child.try_wait() {
            Ok(None) => false,
            Ok(Some(status)) => self.is_over(status),
            // Somebody else waited for it: how it ended is lost.
            Err(_) => self.is_over(ExitStatus::default()),
        }
    }

    fn is_over(&self, status: ExitStatus) -> bool {
        let _ = self.status.set_blocking(status);
        *lock(&self.hold) = Hold::default();
        true
    }

    /// Asks it to end: `owl runtime` then ends what it has started, and leaves no zombie of it.
    pub fn terminate(&self) -> io::Result<()> {
        self.signal(|process| kill(process, Signal::SIGTERM))
    }

    /// Kills it with its whole group.
    pub fn kill(&self) -> io::Result<()> {
        self.signal(|group| killpg(group, Signal::SIGKILL))
    }

    /// Sends a signal, if it has not ended.
    fn signal(&self, send: impl FnOnce(Pid) -> nix::Result<()>) -> io::Result<()> {
        let mut state = lock(&self.state);
        // The id is ours only while nobody has waited for it, which takes the same lock.
        if self.status.is_initialized() || matches!(state.child.try_wait(), Ok(Some(_))) {
            return Ok(());
        }
        state.killed = true;
        send(Pid::from_raw(
            i32::try_from(self.id).map_err(io::Error::other)?,
        ))?;
        Ok(())
    }

    /// Waits for its end, looking often at first: it is called when the end is near.
    pub async fn ended(&self) {
        let mut pause = Duration::from_micros(200);
        while !self.has_ended() {
            Timer::after(pause).await;
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }

    /// Whether it was asked to end, or killed, by us.
    pub fn was_told_to_end(&self) -> bool {
        lock(&self.state).killed
    }

    /// Whether the kernel killed it for memory. False while it lives.
    pub fn was_killed_for_memory(&self) -> bool {
        !self.was_told_to_end()
            && self
                .status
                .get()
                .is_some_and(|status| is_memory_kill(*status))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.has_ended() || self.kill().is_err() {
            return;
        }
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        let _ = state.child.wait();
    }
}

/// Whether a status is that of a kill by the kernel: of the child itself, or of what it stood for.
fn is_memory_kill(status: ExitStatus) -> bool {
    status.signal() == Some(Signal::SIGKILL as i32) || status.code() == Some(KILLED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    fn shell(script: &str) -> Process {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]).process_group(0);
        Process::new(command.spawn().unwrap(), Hold::default())
    }

    #[test]
    fn the_end_of_a_child_is_found_and_told_apart() {
        for (script, memory) in [
            ("exit 0", false),
            ("exit 1", false),
            ("exit 137", true),
            ("kill -9 $$", true),
            ("kill -11 $$", false),
        ] {
            let process = shell(script);
            smol::block_on(process.ended());
            assert_eq!(process.was_killed_for_memory(), memory, "{script}");
        }
    }

    #[test]
    fn a_child_has_its_place_until_it_has_ended() {
        for kill in [true, false] {
            let mut command = Command::new("/bin/sh");
            command.args(["-c", "sleep 1000"]).process_group(0);
            let (hold, held) = Hold::new();
            let process = Process::new(command.spawn().unwrap(), hold);
            assert!(!process.has_ended() && !held.is_free());
            if kill {
                process.kill().unwrap();
                smol::block_on(process.ended());
            } else {
                drop(process);
            }
            assert!(held.is_free());
        }
    }

    #[test]
    fn a_kill_takes_the_group_and_is_not_taken_for_memory() {
        let process = shell("sleep 1000 & wait");
        assert!(!process.has_ended());
        process.kill().unwrap();
        smol::block_on(process.ended());
        assert!(!process.was_killed_for_memory());
        process.kill().unwrap();
        process.terminate().unwrap();
        let id = process.id();
        assert!(!std::path::Path::new(&format!("/proc/{id}")).exists());
    }
}
