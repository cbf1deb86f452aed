//! Control groups that confine the daemon, and with it the sandboxes that are its children.

use std::fs;
use std::path::{Path, PathBuf};

use super::text::{self, Version};

/// A group with a limit.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Group {
    folder: PathBuf,
    version: Version,
}

impl Group {
    /// The groups with a limit that this process is in, the innermost first. `root` is where the
    /// file system begins.
    pub(super) fn all(root: &Path) -> Vec<Group> {
        let read = |file: &str| fs::read_to_string(root.join(file)).unwrap_or_default();
        let (groups, mounts) = (read("proc/self/cgroup"), read("proc/self/mountinfo"));
        [Version::One, Version::Two]
            .into_iter()
            .flat_map(|version| limited(root, &groups, &mounts, version))
            .collect()
    }

    /// Its limit and what is left of it, in bytes. Files that were read and may be dropped count
    /// as left.
    pub(super) fn read(&self) -> Option<(u64, u64)> {
        let (limit, used, inactive) = match self.version {
            Version::One => (
                "memory.limit_in_bytes",
                "memory.usage_in_bytes",
                "total_inactive_file",
            ),
            Version::Two => ("memory.max", "memory.current", "inactive_file"),
        };
        let limit = text::limit(&self.text(limit)?)?;
        let used: u64 = self.text(used)?.trim().parse().ok()?;
        let stat = self.text("memory.stat").unwrap_or_default();
        let needed = used.saturating_sub(text::stat(&stat, inactive).unwrap_or(0));
        Some((limit, limit.saturating_sub(needed)))
    }

    /// Its own account of stalls, where it has one.
    pub(super) fn stalled(&self) -> Option<f32> {
        text::stalled(&self.text("memory.pressure")?)
    }

    fn text(&self, file: &str) -> Option<String> {
        fs::read_to_string(self.folder.join(file)).ok()
    }
}

/// The groups with a limit in one hierarchy.
fn limited(root: &Path, groups: &str, mounts: &str, version: Version) -> Vec<Group> {
    let (Some(path), Some((seen, place))) =
        (text::group(groups, version), text::mount(mounts, version))
    else {
        return Vec::new();
    };
    let place = root.join(place.trim_start_matches('/'));
    // In a container the own group may be the root of what is mounted, and its path one of a
    // world that is not seen.
    let inside = path.strip_prefix(seen).unwrap_or_default();
    let own = place.join(inside.trim_start_matches('/'));
    let own = if own.is_dir() { own } else { place.clone() };
    own.ancestors()
        .take_while(|folder| folder.starts_with(&place))
        .map(|folder| Group {
            folder: folder.to_path_buf(),
            version,
        })
        .filter(|group| group.read().is_some())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file system with these files.
    fn with(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let file = dir.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        dir
    }

    #[test]
    fn a_service_with_a_limit_in_a_slice_with_another() {
        let dir = with(&[
            ("proc/self/cgroup", "0::/owl.slice/owl.service\n"),
            (
                "proc/self/mountinfo",
                "1 2 0:1 / /cg rw - cgroup2 cgroup2 rw\n",
            ),
            ("cg/memory.stat", "inactive_file 1\n"),
            ("cg/owl.slice/memory.max", "1000000\n"),
            ("cg/owl.slice/memory.current", "900000\n"),
            ("cg/owl.slice/owl.service/memory.max", "500000\n"),
            ("cg/owl.slice/owl.service/memory.current", "300000\n"),
            (
                "cg/owl.slice/owl.service/memory.stat",
                "anon 7\ninactive_file 100000\n",
            ),
            (
                "cg/owl.slice/owl.service/memory.pressure",
                "some avg10=3.00 avg60=0.00 avg300=0.00 total=0\n",
            ),
        ]);
        let groups = Group::all(dir.path());
        let read: Vec<_> = groups.iter().map(Group::read).collect();
        assert_eq!(read, [Some((500_000, 300_000)), Some((1_000_000, 100_000))]);
        assert_eq!(groups[0].stalled(), Some(3.0));
        assert_eq!(groups[1].stalled(), None);
    }

    #[test]
    fn a_container_that_sees_only_its_own_group() {
        let dir = with(&[
            ("proc/self/cgroup", "4:memory:/docker/abc\n0::/\n"),
            (
                "proc/self/mountinfo",
                "1 2 0:1 /docker/abc /cg ro - cgroup cgroup rw,memory\n",
            ),
            ("cg/memory.limit_in_bytes", "1000\n"),
            ("cg/memory.usage_in_bytes", "900\n"),
            (
                "cg/memory.stat",
                "inactive_file 1\ntotal_inactive_file 300\n",
            ),
        ]);
        let read: Vec<_> = Group::all(dir.path()).iter().map(Group::read).collect();
        assert_eq!(read, [Some((1000, 400))]);
    }

    #[test]
    fn no_limit_and_no_groups() {
        let dir = with(&[
            ("proc/self/cgroup", "0::/a\n"),
            (
                "proc/self/mountinfo",
                "1 2 0:1 / /cg rw - cgroup2 cgroup2 rw\n",
            ),
            ("cg/a/memory.max", "max\n"),
            ("cg/a/memory.current", "900\n"),
        ]);
        assert_eq!(Group::all(dir.path()), []);
        assert_eq!(Group::all(&dir.path().join("nothing")), []);
    }
}
