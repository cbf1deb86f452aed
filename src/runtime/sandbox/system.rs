//! The root for interpreters: the system's programs and libraries, read-only, a `/tmp` that is
//! nobody else's, and nothing that belongs to the daemon or to its users.
//!
//! What is there is listed, rather than what is not: the daemon's store, home directories, `/run`
//! with its sockets and `/var` are out of reach because nothing mounts them.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sys::statvfs::{FsFlags, statvfs};

use super::filesystem::{NOTHING, change_root};

/// Where programs and their libraries are.
const PROGRAMS: &[&str] = &["usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32"];

/// What of `/etc` programs need for names, users, time, certificates and libraries.
const SETTINGS: &[&str] = &[
    "alternatives",
    "ca-certificates",
    "gai.conf",
    "group",
    "host.conf",
    "hosts",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "mime.types",
    "nsswitch.conf",
    "passwd",
    "pki",
    "protocols",
    "resolv.conf",
    "services",
    "ssl",
    "timezone",
];

/// Devices that give and take nothing but bytes.
const DEVICES: &[&str] = &["full", "null", "random", "urandom", "zero"];

/// Names that programs expect below `/dev`.
const LINKS: &[(&str, &str)] = &[
    ("/proc/self/fd", "dev/fd"),
    ("/proc/self/fd/0", "dev/stdin"),
    ("/proc/self/fd/1", "dev/stdout"),
    ("/proc/self/fd/2", "dev/stderr"),
    ("/tmp", "dev/shm"),
];

/// Exchanges the root for one with the system's programs. `/tmp` may hold `memory` bytes.
///
/// What is returned says whether there is a `/proc`: that of a PID namespace which the caller has
/// made and is the `first` process of. A kernel that hides parts of `/proc` from the caller allows
/// none; node and python can do without.
pub fn enter(memory: u64, first: bool) -> io::Result<nix::Result<()>> {
    let mut processes = Err(Errno::EPERM);
    change_root("size=256k,nr_inodes=512,mode=755", || {
        for name in PROGRAMS {
            take(name)?;
        }
        fs::create_dir("etc")?;
        for name in SETTINGS {
            bind_if_there(&format!("etc/{name}"))?;
        }
        fs::create_dir("dev")?;
        for name in DEVICES {
            bind_device(&format!("dev/{name}"))?;
        }
        for (target, link) in LINKS {
            symlink(target, link)?;
        }
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
        fs::create_dir("tmp")?;
        let options = format!("size={memory},nr_inodes=65536,mode=1777");
        mount(
            Some("tmp"),
            "tmp",
            Some("tmpfs"),
            flags,
            Some(options.as_str()),
        )?;
        fs::create_dir("proc")?;
        if first {
            let flags = flags | MsFlags::MS_NOEXEC | MsFlags::MS_RDONLY;
            processes = mount(Some("proc"), "proc", Some("proc"), flags, NOTHING);
        }
        Ok(())
    })?;
    Ok(processes)
}

/// Takes over a directory of the root, or a link in its place.
fn take(name: &str) -> io::Result<()> {
    let source = Path::new("/").join(name);
    match fs::read_link(&source) {
        Ok(target) => symlink(target, name),
        Err(_) => bind_if_there(name),
    }
}

/// Shows a file or directory, read-only, at the same place of the new root.
fn bind_if_there(name: &str) -> io::Result<()> {
    let source = Path::new("/").join(name);
    let Ok(metadata) = fs::metadata(&source) else {
        return Ok(());
    };
    if metadata.is_dir() {
        fs::create_dir(name)?;
    } else {
        File::create(name)?;
    }
    bind(&source, name, MsFlags::MS_RDONLY | MsFlags::MS_NODEV)
}

fn bind_device(name: &str) -> io::Result<()> {
    let source = Path::new("/").join(name);
    if !source.exists() {
        return Ok(());
    }
    File::create(name)?;
    bind(&source, name, MsFlags::MS_NOEXEC)
}

fn bind(source: &Path, target: &str, flags: MsFlags) -> io::Result<()> {
    let place = source.display().to_string();
    let bound = match mount(Some(source), target, NOTHING, MsFlags::MS_BIND, NOTHING) {
        // What is mounted below cannot be left out by others than root.
        Err(Errno::EINVAL) => mount(
            Some(source),
            target,
            NOTHING,
            MsFlags::MS_BIND | MsFlags::MS_REC,
            NOTHING,
        ),
        bound => bound,
    };
    bound.map_err(|error| of(&place, error))?;
    let mut flags = flags | MsFlags::MS_NOSUID;
    let now = statvfs(target).map_err(|error| of(&place, error))?.flags();
    // A remount by others than root must keep what is set.
    for (set, flag) in [
        (FsFlags::ST_NOEXEC, MsFlags::MS_NOEXEC),
        (FsFlags::ST_NODEV, MsFlags::MS_NODEV),
        (FsFlags::ST_RDONLY, MsFlags::MS_RDONLY),
    ] {
        if now.contains(set) {
            flags |= flag;
        }
    }
    mount(
        NOTHING,
        target,
        NOTHING,
        MsFlags::MS_BIND | MsFlags::MS_REMOUNT | flags,
        NOTHING,
    )
    .map_err(|error| of(&place, error))
}

fn of(place: &str, error: Errno) -> io::Error {
    io::Error::other(format!("{place}: {error}"))
}
