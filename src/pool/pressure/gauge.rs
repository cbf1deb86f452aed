//! Reads what the kernel tells of memory.

use std::fs;
use std::path::{Path, PathBuf};

use super::cgroup::Group;
use super::judge::Reading;
use super::text;

/// The largest floor that is taken by itself, in bytes.
const MOST_FLOOR: u64 = 128 << 20;

/// The floor as a part of the memory: one in so many.
const FLOOR_PART: u64 = 20;

/// Where readings come from.
pub trait Read: Send + Sync {
    /// How things stand now. Takes some dozen microseconds and never blocks for long.
    fn read(&self) -> Reading;
}

/// The machine, and the control groups that the daemon is confined to.
#[derive(Debug)]
pub struct Gauge {
    root: PathBuf,
    groups: Vec<Group>,
}

impl Gauge {
    /// Finds what bounds this process.
    pub fn of_this_machine() -> Self {
        Self::at(Path::new("/"))
    }

    /// The same with `/proc` and the rest under another folder.
    fn at(root: &Path) -> Self {
        Gauge {
            root: root.to_path_buf(),
            groups: Group::all(root),
        }
    }

    /// What should stay available where nobody has set it, in bytes: a twentieth of the memory,
    /// but no more than 128 MB.
    pub fn usual_floor(&self) -> u64 {
        (self.read().total / FLOOR_PART).min(MOST_FLOOR)
    }

    fn text(&self, file: &str) -> String {
        fs::read_to_string(self.root.join(file)).unwrap_or_default()
    }
}

/// Bytes of memory that the machine has, whatever control groups the daemon is confined to; none
/// if the kernel does not tell.
pub fn machine_memory() -> Option<u64> {
    text::meminfo(&fs::read_to_string("/proc/meminfo").ok()?, "MemTotal")
}

impl Read for Gauge {
    /// The least that the machine or one of the groups has; the most that one of them stalls.
    fn read(&self) -> Reading {
        let machine = self.text("proc/meminfo");
        let mut reading = Reading {
            available: text::meminfo(&machine, "MemAvailable"),
            total: text::meminfo(&machine, "MemTotal").unwrap_or(0),
            stalled: text::stalled(&self.text("proc/pressure/memory")),
        };
        for group in &self.groups {
            if let Some((limit, left)) = group.read() {
                reading.total = reading.total.min(limit);
                reading.available = Some(reading.available.map_or(left, |there| there.min(left)));
            }
            let stalled = [reading.stalled, group.stalled()];
            reading.stalled = stalled.into_iter().flatten().reduce(f32::max);
        }
        reading
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(files: &[(&str, &str)]) -> (tempfile::TempDir, Gauge) {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let file = dir.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        let gauge = Gauge::at(dir.path());
        (dir, gauge)
    }

    const MEMINFO: (&str, &str) = (
        "proc/meminfo",
        "MemTotal:        1000000 kB\nMemAvailable:     600000 kB\n",
    );

    #[test]
    fn a_machine_without_limits() {
        let stalls = "some avg10=1.50 avg60=0.00 avg300=0.00 total=1\n";
        let (_dir, gauge) = machine(&[MEMINFO, ("proc/pressure/memory", stalls)]);
        let reading = Reading {
            available: Some(600_000 << 10),
            total: 1_000_000 << 10,
            stalled: Some(1.5),
        };
        assert_eq!(gauge.read(), reading);
        assert_eq!(gauge.usual_floor(), (1_000_000 << 10) / 20);
    }

    #[test]
    fn a_group_has_less_than_the_machine() {
        let (_dir, gauge) = machine(&[
            MEMINFO,
            ("proc/self/cgroup", "0::/\n"),
            (
                "proc/self/mountinfo",
                "1 2 0:1 / /cg rw - cgroup2 cgroup2 rw\n",
            ),
            ("cg/memory.max", "104857600\n"),
            ("cg/memory.current", "94857600\n"),
            (
                "cg/memory.pressure",
                "some avg10=9.00 avg60=0.00 avg300=0.00 total=1\n",
            ),
        ]);
        let reading = Reading {
            available: Some(10_000_000),
            total: 100 << 20,
            stalled: Some(9.0),
        };
        assert_eq!(gauge.read(), reading);
        assert_eq!(gauge.usual_floor(), 5 << 20);
    }

    #[test]
    fn a_kernel_that_tells_nothing() {
        let (_dir, gauge) = machine(&[]);
        assert_eq!(gauge.read(), Reading::default());
    }

    #[test]
    fn this_machine() {
        let reading = Gauge::of_this_machine().read();
        let available = reading.available.expect("Linux tells what is available");
        assert!(available > 0 && available <= reading.total);
    }
}
