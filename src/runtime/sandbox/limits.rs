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

/// Memory that a process may write to, of each process of the action: V8 reserves address space
/// by the gigabyte, of which it uses little. Room is left for node itself with the stacks of its
/// threads, and for the forms that the code passes through on `/init`.
pub fn data(memory: u64) -> Result<()> {
    lower(Resource::RLIMIT_DATA, memory + 4 * INIT_LIMIT + (64 << 20))
}

/// Descriptors for a few connections, no core dumps, no files, no pinned memory.
pub fn files() -> Result<()> {
    lower(Resource::RLIMIT_NOFILE, 32)?;
    if !prints_to_file() {
        lower(Resource::RLIMIT_FSIZE, 0)?;
    }
    no_core_nor_pinned_memory()
}

/// As many descriptors as containers get. What is written is bounded by where it can be.
pub fn files_of_interpreter() -> Result<()> {
    lower(Resource::RLIMIT_NOFILE, 1024)?;
    no_core_nor_pinned_memory()
}

fn no_core_nor_pinned_memory() -> Result<()> {
    lower(Resource::RLIMIT_CORE, 0)?;
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

/// Processes and threads of an action; node itself has a dozen. The kernel counts them by user
/// namespace since 5.14, before that all of the user's on the machine.
pub fn processes_of_interpreter() -> Result<()> {
    lower(Resource::RLIMIT_NPROC, 256)
}

/// Lowers a limit; one that is lower already stays.
fn lower(resource: Resource, limit: u64) -> Result<()> {
    let (soft, hard) = getrlimit(resource)?;
    // As wide as the platform's word on some; the largest heap is far below that.
    let limit = limit as rlim_t;
    setrlimit(resource, limit.min(soft), limit.min(hard))
}
