//! Descriptors that somebody left open for us.

use std::os::fd::RawFd;

/// Closes all but the three standard streams. What a careless parent left open, such as a file of
/// the daemon's starter, would otherwise be in the action's reach.
///
/// Must be the first thing that a process does: it owns none of them then.
pub fn close_inherited() {
    let Ok(list) = std::fs::read_dir("/proc/self/fd") else {
        return;
    };
    let open: Vec<RawFd> = list
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|&descriptor| descriptor > 2)
        .collect();
    for descriptor in open {
        // One of them was that of the list, and is closed already.
        let _ = nix::unistd::close(descriptor);
    }
}
