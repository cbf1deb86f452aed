//! Namespaces: what the process no longer shares with the rest of the machine.

use std::io;

use nix::sched::{CloneFlags, unshare};
use nix::unistd::{Gid, Uid};

use super::Report;

/// A user namespace in which no identity is mapped: whatever it holds, it owns nothing outside.
pub fn user() -> nix::Result<()> {
    unshare(CloneFlags::CLONE_NEWUSER)
}

/// A user namespace that maps the caller to itself, so that further ones can be made within.
pub fn mapped_user(with: CloneFlags) -> io::Result<()> {
    let (uid, gid) = (Uid::effective(), Gid::effective());
    unshare(CloneFlags::CLONE_NEWUSER | with)?;
    std::fs::write("/proc/self/setgroups", "deny")?;
    std::fs::write("/proc/self/uid_map", format!("{uid} {uid} 1"))?;
    std::fs::write("/proc/self/gid_map", format!("{gid} {gid} 1"))
}

/// Mounts, which can be changed from then on without changing the machine's.
pub fn mounts() -> nix::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)
}

/// System V IPC and host name, each on its own.
pub(super) fn others(report: &mut Report) {
    for (name, flag) in [
        ("ipc namespace", CloneFlags::CLONE_NEWIPC),
        ("uts namespace", CloneFlags::CLONE_NEWUTS),
    ] {
        report.note(name, unshare(flag));
    }
}

/// A network without anything in it.
pub fn network() -> nix::Result<()> {
    unshare(CloneFlags::CLONE_NEWNET)
}
