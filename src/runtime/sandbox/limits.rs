//! Resource limits. All of them can only be lowered from here on.

use std::path::Path;

use nix::Result;
use nix::libc;
use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};

use crate::runtime::INIT_LIMIT;

/// Address space: the heap of JavaScript, whose own limit answers in better words, the code in
/// the forms that it passes through on `/init`, and the binary with its stack.
pub fn memory(heap: u64) -> Result<()> {
    lower(Resource::RLIMIT_AS, heap + 4 * INIT_LIMIT + (64 << 20))
}

/// Descriptors for a few connections, no core dumps, no files, no pinned memory.
pub fn files() -> Result<()> {
    lower(Resource::RLIMIT_NOFILE, 32)?;
    lower(Resource::RLIMIT_CORE, 0)?;
    if !prints_to_file() {
        lower(Resource::RLIMIT_FSIZE, 0)?;
    }
    lower(Resource::RLIMIT_MEMLOCK, 0)?;
    lower(Resource::RLIMIT_MSGQUEUE, 0)
}

/// Somebody who tries things out may have sent the log to a file; the daemon reads it from pipes.
fn prints_to_file() -> bool {
    [libc::STDOUT_FILENO, libc::STDERR_FILENO]
        .iter()
        .any(|stream| Path::new(&format!("/proc/self/fd/{stream}")).is_file())
}

/// No process or thread besides this one.
pub fn processes() -> Result<()> {
    lower(Resource::RLIMIT_NPROC, 0)
}

/// Lowers a limit; one that is lower already stays.
fn lower(resource: Resource, limit: u64) -> Result<()> {
    let (soft, hard) = getrlimit(resource)?;
    // As wide as the platform's word on some; the largest heap is far below that.
    let limit = limit as rlim_t;
    setrlimit(resource, limit.min(soft), limit.min(hard))
}
