//! What landlock leaves of files, ports and processes: a second lock behind the root of its own.

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, RulesetStatus, Scope, path_beneath_rules,
};

/// The newest set of rules that is asked for; older kernels apply what they know of it.
const NEWEST: ABI = ABI::V6;

/// What interpreters may read and execute, and see. Not `/etc` of the host, but that of
/// [`super::system`].
const READABLE: &[&str] = &[
    "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/proc",
];

/// Forbids every access to files, TCP ports, and processes outside, as far as the kernel's
/// landlock goes.
pub fn none() -> Result<(), String> {
    let restrict = || {
        Ruleset::default()
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(NEWEST))?
            .handle_access(AccessNet::from_all(NEWEST))?
            .scope(Scope::from_all(NEWEST))?
            .create()?
            .restrict_self()
    };
    judge(restrict().map(|status| status.ruleset))
}

/// Leaves reading the system's files, writing to `/tmp` and to devices, and the network.
pub fn of_interpreter() -> Result<(), String> {
    let restrict = || {
        Ruleset::default()
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(NEWEST))?
            .scope(Scope::from_all(NEWEST))?
            .create()?
            .add_rules(path_beneath_rules(READABLE, AccessFs::from_read(NEWEST)))?
            .add_rules(path_beneath_rules(
                ["/dev"],
                AccessFs::from_file(NEWEST) | AccessFs::ReadDir,
            ))?
            .add_rules(path_beneath_rules(["/tmp"], AccessFs::from_all(NEWEST)))?
            .restrict_self()
    };
    judge(restrict().map(|status| status.ruleset))
}

fn judge(status: Result<RulesetStatus, RulesetError>) -> Result<(), String> {
    match status.map_err(|error| error.to_string())? {
        RulesetStatus::NotEnforced => {
            Err("the kernel has no landlock, or it is switched off at boot".to_owned())
        }
        _ => Ok(()),
    }
}
