//! No file system: an empty root of its own, and landlock for kernels where that is not possible.

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetError,
    RulesetStatus, Scope,
};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::unistd::{chdir, pivot_root};

/// Exchanges the root for an empty, read-only one. Needs a mount namespace of its own: without
/// one the first step fails, and nothing is changed.
pub fn leave() -> nix::Result<()> {
    const NOTHING: Option<&str> = None;
    // Any directory will do to mount on; this one is there wherever this binary could be started.
    const PLACE: &str = "/proc";
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(
        NOTHING,
        "/",
        NOTHING,
        MsFlags::MS_REC | MsFlags::MS_PRIVATE,
        NOTHING,
    )?;
    mount(
        Some("owl"),
        PLACE,
        Some("tmpfs"),
        flags,
        Some("size=4k,nr_inodes=2,mode=500"),
    )?;
    chdir(PLACE)?;
    // With both at the same place the old root ends up on top of the new one, to be taken off.
    pivot_root(".", ".")?;
    umount2(".", MntFlags::MNT_DETACH)?;
    chdir("/")?;
    mount(
        NOTHING,
        "/",
        NOTHING,
        flags | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY,
        NOTHING,
    )
}

/// Forbids every access to files, TCP ports, and processes outside, as far as the kernel's
/// landlock goes.
pub fn landlock() -> Result<(), String> {
    let status = restrict().map_err(|error| error.to_string())?;
    match status {
        RulesetStatus::NotEnforced => {
            Err("the kernel has no landlock, or it is switched off at boot".to_owned())
        }
        _ => Ok(()),
    }
}

fn restrict() -> Result<RulesetStatus, RulesetError> {
    let abi = ABI::V6;
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(abi))?
        .handle_access(AccessNet::from_all(abi))?
        .scope(Scope::from_all(abi))?
        .create()?
        .restrict_self()?;
    Ok(status.ruleset)
}
