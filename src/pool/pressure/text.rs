//! What the kernel's files say.

/// Per cent of the last ten seconds in which some task stalled: of `/proc/pressure/memory`.
pub(super) fn stalled(text: &str) -> Option<f32> {
    let line = text.lines().find_map(|line| line.strip_prefix("some "))?;
    let mut fields = line.split_ascii_whitespace();
    fields
        .find_map(|field| field.strip_prefix("avg10="))?
        .parse()
        .ok()
}

/// Bytes that `/proc/meminfo` gives under a name.
pub(super) fn meminfo(text: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines();
    let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    let kib: u64 = value.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// A number under a name in the `memory.stat` of a control group.
pub(super) fn stat(text: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines();
    lines.find_map(|line| {
        line.strip_prefix(name)?
            .strip_prefix(' ')?
            .trim()
            .parse()
            .ok()
    })
}

/// A limit of a control group in bytes; none: there is none. The first version tells that by a
/// number that no machine has.
pub(super) fn limit(text: &str) -> Option<u64> {
    let limit: u64 = text.trim().parse().ok()?;
    (limit < 1 << 60).then_some(limit)
}

/// The hierarchy of control groups that bounds memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// The memory controller of the first version.
    One,
    /// The second version.
    Two,
}

/// Path of a process in a hierarchy: of `/proc/self/cgroup`.
pub(super) fn group(text: &str, version: Version) -> Option<&str> {
    text.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':');
        let (_, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        let right = match version {
            Version::One => controllers.split(',').any(|name| name == "memory"),
            Version::Two => controllers.is_empty(),
        };
        right.then_some(path)
    })
}

/// Where a hierarchy is mounted, and which of its groups is seen there: of
/// `/proc/self/mountinfo`.
pub(super) fn mount(text: &str, version: Version) -> Option<(&str, &str)> {
    text.lines().find_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        let mut before = before.split(' ').skip(3);
        let (root, place) = (before.next()?, before.next()?);
        let mut after = after.split(' ');
        let kind = after.next()?;
        let right = match version {
            Version::One => {
                let mut options = after.next_back()?.split(',');
                kind == "cgroup" && options.any(|option| option == "memory")
            }
            Version::Two => kind == "cgroup2",
        };
        right.then_some((root, place))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stalls_of_kernels() {
        let text = "some avg10=12.50 avg60=2.46 avg300=0.85 total=73620803\n\
                    full avg10=0.10 avg60=0.12 avg300=0.03 total=14816121\n";
        assert_eq!(stalled(text), Some(12.5));
        assert_eq!(stalled("full avg10=0.10"), None);
        assert_eq!(stalled("some avg10=x"), None);
        assert_eq!(stalled(""), None);
    }

    #[test]
    fn memory_of_a_raspberry_pi() {
        let text = "MemTotal:         948048 kB\nMemFree:          101532 kB\n\
                    MemAvailable:     611640 kB\nBuffers:           38260 kB\n\
                    HugePages_Total:       0\n";
        assert_eq!(meminfo(text, "MemTotal"), Some(948_048 * 1024));
        assert_eq!(meminfo(text, "MemAvailable"), Some(611_640 * 1024));
        assert_eq!(meminfo(text, "Mem"), None);
        assert_eq!(meminfo(text, "HugePages_Total"), None);
        let small = "MemTotal:         506004 kB\nMemFree:           86000 kB\n";
        assert_eq!(
            meminfo(small, "MemTotal").map(|bytes| bytes >> 20),
            Some(494)
        );
        assert_eq!(meminfo("MemFree: 1 kB\n", "MemTotal"), None);
        assert_eq!(meminfo("MemTotal: many kB\n", "MemTotal"), None);
    }

    #[test]
    fn limits_and_what_is_used() {
        assert_eq!(limit("536870912\n"), Some(512 << 20));
        assert_eq!(limit("max\n"), None);
        assert_eq!(limit("9223372036854771712\n"), None);
        let text = "anon 1000\ninactive_file 4096\ntotal_inactive_file 8192\n";
        assert_eq!(stat(text, "inactive_file"), Some(4096));
        assert_eq!(stat(text, "total_inactive_file"), Some(8192));
        assert_eq!(stat(text, "file"), None);
    }

    #[test]
    fn groups_of_both_versions() {
        let mixed = "9:name=systemd:/\n4:cpu,memory:/docker/ab:c\n0::/\n";
        assert_eq!(group(mixed, Version::One), Some("/docker/ab:c"));
        assert_eq!(group(mixed, Version::Two), Some("/"));
        let two = "0::/system.slice/owl.service\n";
        assert_eq!(group(two, Version::One), None);
        assert_eq!(group(two, Version::Two), Some("/system.slice/owl.service"));
    }

    #[test]
    fn mounts_of_both_versions() {
        let text = "22 1 8:1 / / rw shared:1 - ext4 /dev/root rw\n\
            35 31 0:32 /docker/ab /sys/fs/cgroup/memory ro,nosuid master:9 - cgroup cgroup rw,memory\n\
            41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate\n";
        let one = Some(("/docker/ab", "/sys/fs/cgroup/memory"));
        assert_eq!(mount(text, Version::One), one);
        assert_eq!(
            mount(text, Version::Two),
            Some(("/", "/sys/fs/cgroup/unified"))
        );
        assert_eq!(
            mount("22 1 8:1 / / rw - ext4 /dev/root rw\n", Version::One),
            None
        );
    }
}
