//! Which system calls are left to a sandbox.

mod allowed;
mod bpf;
mod denied;

use super::Profile;
use bpf::{Rule, Verdict};

/// Forbids the others for this thread and all that it starts, for good.
pub fn apply(profile: Profile) -> Result<(), String> {
    let (rules, otherwise) = filter(profile);
    bpf::apply(rules, otherwise)
}

/// The rules, and what becomes of calls without one.
fn filter(profile: Profile) -> (Vec<Rule>, Verdict) {
    match profile {
        Profile::Script => (allowed::rules(), allowed::OTHERWISE),
        Profile::Interpreter => (denied::rules(), denied::OTHERWISE),
    }
}
