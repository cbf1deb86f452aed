//! Where the cgroup of a container is, from what the kernel tells of it. No I/O.
//!
//! Nothing but a directory that has the container's id in its name is ever given: what is written
//! there concerns this container and no other. So it does not matter whose process has the number
//! that the engine gives as the container's (that of another machine, or of another namespace):
//! its cgroup does not have the id.

use std::path::{Path, PathBuf};

/// The interface of a freezer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// `freezer.state` in the hierarchy of the freezer.
    V1,
    /// `cgroup.freeze` in the unified hierarchy.
    V2,
}

/// A directory that may be the cgroup of a container.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) version: Version,
    pub(super) directory: PathBuf,
}

/// A file system of cgroups.
struct Mount {
    version: Version,
    /// The cgroup that is seen at the mount point.
    root: String,
    point: String,
}

/// The directories in which the freezer of a container may be, the best first. `id` is its full
/// id, `cgroups` the text of `/proc/<its process>/cgroup`, `mounts` that of `/proc/self/mountinfo`.
///
/// Version 2 comes first where a machine has both: its writes take a tenth of the time, and what it
/// has frozen can still be killed.
pub(super) fn places(id: &str, cgroups: &str, mounts: &str) -> Vec<Place> {
    // A short name may be part of another one's.
    if id.len() < 32 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Vec::new();
    }
    let mounts: Vec<Mount> = mounts.lines().filter_map(mount).collect();
    let mut places = Vec::new();
    for version in [Version::V2, Version::V1] {
        let cgroup = cgroups.lines().find_map(|line| cgroup(line, version));
        let Some(own) = cgroup.and_then(|cgroup| own_part(cgroup, id)) else {
            continue;
        };
        let mounts = mounts.iter().filter(|mount| mount.version == version);
        places.extend(mounts.filter_map(|mount| {
            let below = below(own, &mount.root)?;
            Some(Place {
                version,
                directory: Path::new(&mount.point).join(below),
            })
        }));
    }
    places
}

/// The path in a line `<number>:<controllers>:<path>`, if it is for this interface.
fn cgroup(line: &str, version: Version) -> Option<&str> {
    let (number, rest) = line.split_once(':')?;
    let (controllers, path) = rest.split_once(':')?;
    let fits = match version {
        Version::V1 => controllers.split(',').any(|name| name == "freezer"),
        Version::V2 => number == "0" && controllers.is_empty(),
    };
    fits.then_some(path)
}

/// The path up to the directory with the container's id: what is below was made in the container,
/// and what is above has other containers in it.
fn own_part<'a>(path: &'a str, id: &str) -> Option<&'a str> {
    // Seen from a namespace that the cgroup is not in.
    if path.split('/').any(|part| part == "..") {
        return None;
    }
    let mut end = 0;
    for part in path.split('/') {
        end += part.len();
        if part.contains(id) {
            return Some(&path[..end]);
        }
        end += 1;
    }
    None
}

/// The path of a cgroup below the one that is mounted.
fn below<'a>(path: &'a str, root: &str) -> Option<&'a str> {
    let below = path.strip_prefix(root.trim_end_matches('/'))?;
    // Mounted is the container's cgroup itself, or one that has it in it.
    (below.is_empty() || below.starts_with('/')).then(|| below.trim_start_matches('/'))
}

/// A line of `mountinfo` (proc_pid_mountinfo(5)), if it is about cgroups with a freezer.
fn mount(line: &str) -> Option<Mount> {
    let (place, what) = line.split_once(" - ")?;
    let mut place = place.split(' ').skip(3);
    let (root, point) = (place.next()?, place.next()?);
    let mut what = what.split(' ');
    let (kind, options) = (what.next()?, what.nth(1)?);
    let version = match kind {
        "cgroup2" => Version::V2,
        "cgroup" if options.split(',').any(|option| option == "freezer") => Version::V1,
        _ => return None,
    };
    Some(Mount {
        version,
        root: unescape(root)?,
        point: unescape(point)?,
    })
}

/// Blanks and the like are written as `\` and three octal digits.
fn unescape(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut plain = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            plain.push(byte);
            continue;
        }
        let digits = [bytes.next()?, bytes.next()?, bytes.next()?];
        plain.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 8).ok()?);
    }
    String::from_utf8(plain).ok()
}

#[cfg(test)]
#[path = "paths_tests.rs"]
mod tests;
