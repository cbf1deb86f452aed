//! The outer stage: parent of the first process of a PID namespace.
//!
//! A process does not enter the PID namespace that it makes, only its children do; so this one
//! stays, without rights, until its child ends, and ends the same way. On SIGTERM it kills its
//! child and waits for it: were both killed at once, the child would be left to the init process
//! as a zombie, and in a container the daemon may be that.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};

use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::Signal;
use nix::unistd::{Uid, getppid};

use super::{Profile, descriptors, identity, namespaces};
use crate::runtime::signals::Signals;

/// The code of a process that was killed for its memory, as Docker has it.
const KILLED: u8 = 137;

/// Starts this binary again with `arguments` in a PID namespace of its own, and waits for it.
/// `memory` is what it may use, in bytes.
///
/// The error says why there is no such namespace: the caller then goes on by itself.
pub fn supervise(profile: Profile, arguments: &[String], memory: u64) -> Result<u8, String> {
    let parent = getppid();
    descriptors::close_inherited();
    let signals = Signals::take().map_err(|error| error.to_string())?;
    make_pid_namespace().map_err(|error| error.to_string())?;
    // QuickJS makes a user namespace of its own, which could not show the processes of this one.
    if profile == Profile::Interpreter {
        identity::hand_down_capabilities().map_err(|error| error.to_string())?;
    }
    // Not by its path: that may be closed to other users, or name a newer version by now.
    let mut child = Command::new("/proc/self/exe")
        .args(arguments)
        .spawn()
        .map_err(|error| format!("cannot start the inner process: {error}"))?;
    // From here on nothing but waiting is left to do. Whatever fails takes nothing from the
    // child's own confinement.
    let _ = identity::become_nobody();
    let _ = identity::drop_capabilities();
    let _ = prctl::set_no_new_privs();
    let _ = prctl::set_pdeathsig(Signal::SIGTERM);
    // Else the daemon ended before the signal for that was asked for.
    let mut keep = getppid() == parent;
    let status = loop {
        if !keep || signals.must_end() {
            let _ = child.kill();
        }
        if let Ok(Some(status)) = child.try_wait() {
            break status;
        }
        keep = signals.wait();
    };
    let peak = getrusage(UsageWho::RUSAGE_CHILDREN).map_or(0, |usage| usage.max_rss());
    let peak = u64::try_from(peak).unwrap_or_default() * 1024;
    Ok(exit_code(status, peak >= memory / 4 * 3))
}

fn make_pid_namespace() -> io::Result<()> {
    if Uid::effective().is_root() {
        unshare(CloneFlags::CLONE_NEWPID)?;
        return Ok(());
    }
    namespaces::mapped_user(CloneFlags::CLONE_NEWPID)
}

/// The code to end with. An allocation that fails aborts; the first process of a PID namespace
/// cannot be ended by its own SIGABRT and dies of the trap behind it, so that only the amount of
/// memory tells such an end from a crash.
fn exit_code(status: ExitStatus, memory_was_tight: bool) -> u8 {
    const ABORT: i32 = Signal::SIGABRT as i32;
    const SEGMENT: i32 = Signal::SIGSEGV as i32;
    const ILLEGAL: i32 = Signal::SIGILL as i32;
    const TRAP: i32 = Signal::SIGTRAP as i32;
    // That an interpreter was ended by a signal, its parent tells with a code.
    let told = status
        .code()
        .map(|code| code - 128)
        .filter(|&signal| signal > 0);
    match status.signal().or(told) {
        Some(ABORT | SEGMENT | ILLEGAL | TRAP) if memory_was_tight => KILLED,
        Some(signal) => u8::try_from(128 + signal).unwrap_or(u8::MAX),
        None => status
            .code()
            .and_then(|code| u8::try_from(code).ok())
            .unwrap_or(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_tell_how_the_child_ended() {
        let exited = |code: i32| ExitStatus::from_raw(code << 8);
        let killed = |signal: Signal| ExitStatus::from_raw(signal as i32);
        assert_eq!(exit_code(exited(0), true), 0);
        assert_eq!(exit_code(exited(3), true), 3);
        assert_eq!(exit_code(killed(Signal::SIGKILL), false), 137);
        assert_eq!(exit_code(killed(Signal::SIGSEGV), false), 139);
        assert_eq!(exit_code(killed(Signal::SIGABRT), true), 137);
        assert_eq!(exit_code(exited(134), true), 137);
        assert_eq!(exit_code(exited(134), false), 134);
        assert_eq!(exit_code(exited(255), true), 255);
        assert_eq!(exit_code(killed(Signal::SIGTERM), true), 143);
    }
}
