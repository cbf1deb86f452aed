//! What the C library and the kernel are told about memory, so that the daemon takes and keeps no
//! more than it needs.

use nix::sys::prctl;

/// Bytes from which a block gets pages of its own, which go back to the system when it is freed.
/// Fresh pages cost time, so that payloads of some 100 KB are better served from what is there.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const OWN_PAGES: libc::c_int = 512 << 10;

/// Free bytes at the end of the heap from which they go back.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const FREE_END: libc::c_int = 1 << 20;

/// Has large blocks given back as soon as they are freed.
///
/// glibc does so at first, but keeps ever larger ones once it has seen some freed, and a daemon
/// that has had a few large payloads would stay at its largest size for the rest of the year. musl,
/// which the static binaries have, needs no telling.
pub fn give_large_blocks_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    set_thresholds();
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code)]
fn set_thresholds() {
    for (threshold, bytes) in [
        (libc::M_MMAP_THRESHOLD, OWN_PAGES),
        (libc::M_TRIM_THRESHOLD, FREE_END),
    ] {
        // SAFETY: this sets a number of the allocator, under the allocator's own lock, and takes
        // no pointer.
        let set = unsafe { libc::mallopt(threshold, bytes) };
        if set != 1 {
            log::debug!("the C library does not take a threshold for large blocks");
        }
    }
}

/// Has the kernel give this process, and those that it starts, no huge pages.
///
/// Where they are given unasked, as on Debian for 64-bit ARM, the first byte of a thread's stack
/// and of the heap takes 2 MB each, which is more than all else that the daemon has. A kernel
/// without huge pages refuses, and gives none.
pub fn do_without_huge_pages() {
    let _ = prctl::set_thp_disable(true);
}

/// Starts a program of others, which gets the pages that the machine's owner has set.
pub fn with_pages_of_the_machine<T>(start: impl FnOnce() -> T) -> T {
    // What is started inherits it.
    let _ = prctl::set_thp_disable(false);
    let started = start();
    do_without_huge_pages();
    started
}
