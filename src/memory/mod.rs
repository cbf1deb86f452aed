//! Giving memory back: what the daemon does so that it stays small for a year.

mod allocator;
mod mapped;

pub(crate) use allocator::give_large_blocks_back;
pub(crate) use mapped::{Mapped, Use};

/// Gives back the pages of the program that only its start has needed. The kernel maps sixteen
/// pages around each that is touched; what is needed again is found in the page cache.
pub(crate) fn give_start_back() {
    let program = std::env::current_exe().ok();
    let code = program.and_then(|program| Mapped::of(&program, Use::Code));
    if let Some(code) = code {
        code.give_back();
    }
}
