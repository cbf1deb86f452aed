//! Lines for people on standard output.

use std::io::Write;

/// Prints a line at once. Whoever reads may have gone (`owl check | head`): that is no reason to
/// stop half-way, so errors are ignored.
pub fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}
