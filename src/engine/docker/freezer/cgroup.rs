//! The freezer of one cgroup: a file that is written to and read.
//!
//! Each of these calls takes some microseconds, up to a hundred for version 1, so they are made on
//! the daemon's thread: to hand them over would take longer. None waits for the processes: the
//! kernel stops each of them when it next comes by.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::paths::{Place, Version, places};

/// An open freezer. What is written to it concerns this cgroup alone, even if that is removed and
/// another one gets its name.
#[derive(Debug)]
pub(super) struct Cgroup {
    version: Version,
    file: File,
    /// What tells how far the kernel has come, where that is not the same file.
    events: Option<File>,
    /// What tells whether it was this cgroup that was to be frozen, rather than one above it.
    own: Option<File>,
}

impl Cgroup {
    /// The freezer of the container with this id, whose first process has this number as the
    /// engine sees it.
    pub(super) fn find(id: &str, process: i64) -> io::Result<Cgroup> {
        let cgroups = std::fs::read_to_string(format!("/proc/{process}/cgroup"))?;
        let mounts = std::fs::read_to_string("/proc/self/mountinfo")?;
        let mut result = Err(io::Error::other(
            "its process is in no cgroup of its own that is mounted here",
        ));
        for place in places(id, &cgroups, &mounts) {
            result = Cgroup::open(&place);
            if result.is_ok() {
                break;
            }
        }
        result
    }

    fn open(place: &Place) -> io::Result<Cgroup> {
        let directory = &place.directory;
        let read = |name| File::open(directory.join(name));
        let (name, events, own) = match place.version {
            Version::V1 => ("freezer.state", None, Some(read("freezer.self_freezing")?)),
            Version::V2 => ("cgroup.freeze", Some(read("cgroup.events")?), None),
        };
        Ok(Cgroup {
            version: place.version,
            file: writable(&directory.join(name))?,
            events,
            own,
        })
    }

    /// Tells the kernel to stop all its processes, and those that they start.
    pub(super) fn freeze(&self) -> io::Result<()> {
        self.write(match self.version {
            Version::V1 => b"FROZEN",
            Version::V2 => b"1",
        })
    }

    /// Lets them go on.
    pub(super) fn thaw(&self) -> io::Result<()> {
        self.write(match self.version {
            Version::V1 => b"THAWED",
            Version::V2 => b"0",
        })
    }

    /// Whether the kernel was told to stop them, here and not somewhere above.
    pub(super) fn is_to_be_frozen(&self) -> io::Result<bool> {
        Ok(read(self.own.as_ref().unwrap_or(&self.file))?.trim() == "1")
    }

    /// Whether all have stopped.
    pub(super) fn is_frozen(&self) -> io::Result<bool> {
        Ok(match &self.events {
            Some(events) => read(events)?.lines().any(|line| line == "frozen 1"),
            None => read(&self.file)?.trim() == "FROZEN",
        })
    }

    fn write(&self, state: &[u8]) -> io::Result<()> {
        self.file.write_all_at(state, 0)
    }
}

fn writable(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(path)
}

/// The few words in a file of the kernel's, from its beginning.
fn read(file: &File) -> io::Result<String> {
    let mut bytes = [0; 256];
    let length = file.read_at(&mut bytes, 0)?;
    Ok(String::from_utf8_lossy(&bytes[..length]).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// A directory with the files of a freezer.
    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(directory.path().join(name), text).unwrap();
        }
        directory
    }

    fn open(version: Version, directory: &tempfile::TempDir) -> io::Result<Cgroup> {
        let directory = directory.path().to_owned();
        Cgroup::open(&Place { version, directory })
    }

    #[test]
    fn words_of_version_1() {
        let files = [
            ("freezer.state", "THAWED\n"),
            ("freezer.self_freezing", "0\n"),
        ];
        let directory = tree(&files);
        let state = directory.path().join("freezer.state");
        let own = directory.path().join("freezer.self_freezing");
        let cgroup = open(Version::V1, &directory).unwrap();
        assert!(!cgroup.is_frozen().unwrap() && !cgroup.is_to_be_frozen().unwrap());
        cgroup.freeze().unwrap();
        assert_eq!(
            fs::read_to_string(&state).unwrap(),
            "FROZEN\n"[..6].to_owned() + "\n"
        );
        fs::write(&state, "FREEZING\n").unwrap();
        fs::write(&own, "1\n").unwrap();
        assert!(!cgroup.is_frozen().unwrap() && cgroup.is_to_be_frozen().unwrap());
        fs::write(&state, "FROZEN\n").unwrap();
        assert!(cgroup.is_frozen().unwrap());
        // Only because of one above.
        fs::write(&own, "0\n").unwrap();
        assert!(cgroup.is_frozen().unwrap() && !cgroup.is_to_be_frozen().unwrap());
        cgroup.thaw().unwrap();
        assert_eq!(fs::read_to_string(&state).unwrap(), "THAWED\n");
    }

    #[test]
    fn words_of_version_2() {
        let files = [
            ("cgroup.freeze", "0\n"),
            ("cgroup.events", "populated 1\nfrozen 0\n"),
        ];
        let directory = tree(&files);
        let state = directory.path().join("cgroup.freeze");
        let events = directory.path().join("cgroup.events");
        let cgroup = open(Version::V2, &directory).unwrap();
        cgroup.freeze().unwrap();
        assert_eq!(fs::read_to_string(&state).unwrap(), "1\n");
        assert!(!cgroup.is_frozen().unwrap() && cgroup.is_to_be_frozen().unwrap());
        fs::write(&events, "populated 1\nfrozen 1\n").unwrap();
        assert!(cgroup.is_frozen().unwrap());
        cgroup.thaw().unwrap();
        assert_eq!(fs::read_to_string(&state).unwrap(), "0\n");
        assert!(!cgroup.is_to_be_frozen().unwrap());
    }

    #[test]
    fn a_cgroup_without_a_freezer_is_none() {
        assert!(open(Version::V1, &tree(&[("tasks", "")])).is_err());
        // The root has none.
        assert!(open(Version::V2, &tree(&[("cgroup.events", "")])).is_err());
        // Not that of a process without a container.
        let process = i64::from(std::process::id());
        assert!(Cgroup::find(&"ab".repeat(32), process).is_err());
        assert!(Cgroup::find(&"ab".repeat(32), 0).is_err());
    }
}
