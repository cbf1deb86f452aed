//! A root of its own: empty for QuickJS, the system's programs for interpreters.

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::unistd::{chdir, pivot_root};
use std::io;

/// What `mount` is given where it wants no source, type or data.
pub const NOTHING: Option<&str> = None;

/// Exchanges the root for an empty one.
pub fn leave() -> io::Result<()> {
    change_root("size=4k,nr_inodes=2,mode=500", || Ok(()))
}

/// Exchanges the root for a read-only tmpfs with these options. `fill` is called before, with the
/// new root as the working directory and the old one still in place. The caller must be in a mount
/// namespace of its own.
pub fn change_root(options: &str, fill: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
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
    mount(Some("owl"), PLACE, Some("tmpfs"), flags, Some(options))?;
    chdir(PLACE)?;
    fill()?;
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
    )?;
    Ok(())
}
