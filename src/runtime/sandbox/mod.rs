//! How `owl runtime` locks itself in before it reads any code.
//!
//! A process can take rights from itself without `unsafe`, where its parent could only do so
//! between fork and exec. So the daemon starts this binary, and it confines itself in two stages:
//! the *outer* one makes a PID namespace and stays as the parent of the *inner* one, which takes
//! everything else from itself and serves. Each step is tried on its own: what a kernel does not
//! have or forbids is reported, and the rest still holds.

mod descriptors;
mod filesystem;
mod identity;
mod limits;
mod namespaces;
mod outer;
mod seccomp;

use std::fmt;
use std::str::FromStr;

use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::{Uid, getpid};

pub use outer::supervise;

/// Which part of the confinement a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Makes the PID namespace and waits for what runs in it.
    Outer,
    /// Serves the action.
    Inner,
}

impl FromStr for Stage {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "outer" => Ok(Stage::Outer),
            "inner" => Ok(Stage::Inner),
            _ => Err(format!("no sandbox stage {text}: use outer")),
        }
    }
}

/// One measure, and whether it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feature {
    /// Such as `landlock`.
    pub name: String,
    /// Nothing, or why it could not be applied.
    pub result: Result<(), String>,
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.result {
            Ok(()) => write!(f, "{}: applied", self.name),
            Err(reason) => write!(f, "{}: not applied: {reason}", self.name),
        }
    }
}

impl FromStr for Feature {
    type Err = ();

    /// Reads what [`Feature`] writes.
    fn from_str(line: &str) -> Result<Self, ()> {
        let (name, rest) = line.split_once(": ").ok_or(())?;
        let result = match rest.strip_prefix("not applied: ") {
            Some(reason) => Err(reason.to_owned()),
            None if rest == "applied" => Ok(()),
            None => return Err(()),
        };
        Ok(Feature {
            name: name.to_owned(),
            result,
        })
    }
}

/// What has been tried so far.
#[derive(Default)]
struct Report(Vec<Feature>);

impl Report {
    fn note<E: fmt::Display>(&mut self, name: &str, result: Result<(), E>) {
        self.0.push(Feature {
            name: name.to_owned(),
            result: result.map_err(|error| error.to_string()),
        });
    }
}

/// Takes from the calling process all that serving an action does not need.
///
/// Must be called before other threads are started, since most of it concerns one thread only.
/// `memory` is the heap of QuickJS in bytes, and `pid_namespace` what came of that in the outer
/// stage, if this process is not the first of one.
pub fn confine(memory: u64, pid_namespace: Result<(), String>) -> Vec<Feature> {
    let mut report = Report::default();
    report.note("memory limit", limits::memory(memory));
    report.note("file and core limits", limits::files());
    // So that the kernel, short of memory, takes a sandbox before it takes the daemon.
    report.note(
        "out-of-memory score",
        std::fs::write("/proc/self/oom_score_adj", "1000"),
    );
    let first = getpid().as_raw() == 1;
    report.note("pid namespace", if first { Ok(()) } else { pid_namespace });

    // Root makes namespaces as root and gives up root later; others need a user namespace first.
    let root = Uid::effective().is_root();
    if !root {
        report.note("user namespace", namespaces::user());
    }
    namespaces::others(&mut report);
    report.note("empty file system", filesystem::leave());
    report.note("unprivileged user", identity::become_nobody());
    if root {
        report.note("user namespace", namespaces::user());
    }
    report.note("capabilities", identity::drop_capabilities());
    report.note("no new privileges", prctl::set_no_new_privs());
    report.note("landlock", filesystem::landlock());
    report.note("process limit", limits::processes());
    // After the last change of identity, which resets both.
    report.note("not dumpable", prctl::set_dumpable(false));
    report.note("parent-death signal", prctl::set_pdeathsig(Signal::SIGKILL));
    // The last, since it forbids the calls that all of the above needed.
    report.note("seccomp", seccomp::apply());
    report.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_read_as_they_are_written() {
        for (line, result) in [
            ("landlock: applied", Ok(())),
            (
                "seccomp: not applied: no: never",
                Err("no: never".to_owned()),
            ),
        ] {
            let feature: Feature = line.parse().unwrap();
            assert_eq!(feature.result, result);
            assert_eq!(feature.to_string(), line);
        }
        for line in ["", "landlock", "landlock: perhaps", "applied"] {
            assert!(line.parse::<Feature>().is_err(), "{line}");
        }
    }
}
