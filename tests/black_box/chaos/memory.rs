//! A control group with little memory, for a daemon, and somebody in it who takes it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

/// MB that a group has.
const ALL: u64 = 1024;

/// MB that are taken.
const TAKEN: u64 = 900;

/// What `OWL_MEMORY_FLOOR` is to be, so that there is enough before and too little while it is
/// taken.
pub const FLOOR: u64 = 256;

/// A group of a test's own.
pub struct Group {
    folder: PathBuf,
}

/// Memory that is taken as long as this lives.
pub struct Taken(Child);

impl Group {
    pub fn create() -> Group {
        let (place, limit) = memory_groups();
        let group = Group {
            folder: place.join(format!("owl-test-{}", std::process::id())),
        };
        fs::create_dir(&group.folder).expect("make a control group: this needs root");
        let limit = group.folder.join(limit);
        fs::write(&limit, (ALL << 20).to_string())
            .unwrap_or_else(|error| panic!("{}: {error}", limit.display()));
        group
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Takes most of it.
    pub fn take(&self) -> Taken {
        let take = format!("taken = b'x' * ({TAKEN} << 20); input()");
        let mut sh = Command::new("sh");
        sh.args([
            "-c",
            "echo $$ >\"$0/cgroup.procs\" && exec python3 -c \"$1\"",
        ]);
        sh.arg(&self.folder).arg(take);
        // It waits for a line that never comes.
        sh.stdin(std::process::Stdio::piped());
        Taken(sh.spawn().expect("start python3"))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // The last process of it may still be on its way out; an empty group costs nothing.
        fs::remove_dir(&self.folder).ok();
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Where control groups for memory are made, and the file of their limits.
fn memory_groups() -> (PathBuf, &'static str) {
    let mounts = fs::read_to_string("/proc/self/mounts").expect("read the mounts");
    let place = |wanted: &dyn Fn(&str, &str) -> bool| {
        mounts.lines().find_map(|line| {
            let fields: Vec<&str> = line.split(' ').collect();
            let [_, place, kind, options, ..] = fields[..] else {
                return None;
            };
            wanted(kind, options).then(|| PathBuf::from(place))
        })
    };
    let of_memory = |kind: &str, options: &str| {
        kind == "cgroup" && options.split(',').any(|option| option == "memory")
    };
    if let Some(place) = place(&of_memory) {
        return (place, "memory.limit_in_bytes");
    }
    let place = place(&|kind, _| kind == "cgroup2").expect("control groups are mounted");
    (place, "memory.max")
}
