//! How `owl runtime` locks itself in before it reads any code.
//!
//! A process can take rights from itself without `unsafe`, where its parent could only do so
//! between fork and exec. So the daemon starts this binary, and it confines itself in two stages:
//! the *outer* one makes a PID namespace and stays as the parent of the *inner* one, which takes
//! everything else from itself and serves. Each step is tried on its own: what a kernel does not
//! have or forbids is reported, and the rest still holds; interpreters of the host are not run
//! without what is [essential](check_essential).

mod access;
// With a list for the processor.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "arm"))]
mod calls;
mod descriptors;
mod filesystem;
mod identity;
mod limits;
mod namespaces;
mod outer;
mod system;

use std::fmt;
use std::str::FromStr;

use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::{Uid, getpid};

use super::kind::Language;
pub use outer::supervise;

/// What is left to an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Computing: QuickJS needs neither files, network nor other processes.
    Script,
    /// The system's programs, a `/tmp` of its own, processes, and the network.
    Interpreter,
}

impl Profile {
    /// The profile of a language; none for executables, which run in images only.
    pub const fn of(language: Language) -> Option<Self> {
        match language {
            Language::QuickJs => Some(Profile::Script),
            Language::Node | Language::Python => Some(Profile::Interpreter),
            Language::Native => None,
        }
    }
}

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
/// `memory` is the action's in bytes, and `pid_namespace` what came of that in the outer stage,
/// if this process is not the first of one.
pub fn confine(profile: Profile, memory: u64, pid_namespace: Result<(), String>) -> Vec<Feature> {
    let script = profile == Profile::Script;
    let mut report = Report::default();
    let (limited, files) = match profile {
        Profile::Script => (limits::memory(memory), limits::files()),
        Profile::Interpreter => (limits::data(memory), limits::files_of_interpreter()),
    };
    report.note("memory limit", limited);
    report.note("file and core limits", files);
    // So that the kernel, short of memory, takes a sandbox before it takes the daemon.
    report.note(
        "out-of-memory score",
        std::fs::write("/proc/self/oom_score_adj", "1000"),
    );
    let first = getpid().as_raw() == 1;
    let pid_namespace = if first { Ok(()) } else { pid_namespace };
    report.note(PID_NAMESPACE, pid_namespace.clone());

    // Root makes namespaces as root and gives up root later; others need a user namespace first.
    // That of interpreters comes with their PID namespace, whose /proc they could not mount else,
    // and with an identity to make files as.
    let root = Uid::effective().is_root();
    if !root && script {
        report.note("user namespace", namespaces::user());
    } else if !root {
        report.note("user namespace", pid_namespace);
    }
    let mounts = namespaces::mounts();
    report.note("mount namespace", mounts);
    namespaces::others(&mut report);
    if script {
        report.note("network namespace", namespaces::network());
    }
    // Root may mount without a namespace, too: it would take its files from the whole machine.
    match (profile, mounts) {
        (Profile::Script, Ok(())) => report.note("empty file system", filesystem::leave()),
        (Profile::Script, Err(error)) => report.note("empty file system", Err(error)),
        (Profile::Interpreter, Ok(())) => match system::enter(memory, first) {
            Ok(processes) => {
                report.note(OWN_FILES, Ok::<(), String>(()));
                report.note("/proc of its own", processes);
            }
            Err(error) => report.note(OWN_FILES, Err(error)),
        },
        (Profile::Interpreter, Err(error)) => report.note(OWN_FILES, Err(error)),
    }
    report.note(NO_ROOT, identity::become_nobody());
    if root {
        report.note("user namespace", namespaces::user());
    }
    report.note(NO_CAPABILITIES, identity::drop_capabilities());
    report.note(NO_NEW_PRIVILEGES, prctl::set_no_new_privs());
    let (landlock, processes) = match profile {
        Profile::Script => (access::none(), limits::processes()),
        Profile::Interpreter => (access::of_interpreter(), limits::processes_of_interpreter()),
    };
    report.note("landlock", landlock);
    // In the user namespace: what is counted there is the action's alone.
    report.note("process limit", processes);
    // After the last change of identity, which resets both.
    report.note("not dumpable", prctl::set_dumpable(false));
    report.note("parent-death signal", prctl::set_pdeathsig(Signal::SIGKILL));
    // The last, since it forbids the calls that all of the above needed.
    report.note("seccomp", calls::apply(profile));
    report.0
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "arm")))]
mod calls {
    pub fn apply(_: super::Profile) -> Result<(), String> {
        Err(format!("no filter for {}", std::env::consts::ARCH))
    }
}

const PID_NAMESPACE: &str = "pid namespace";
const OWN_FILES: &str = "system's files only";
const NO_ROOT: &str = "unprivileged user";
const NO_CAPABILITIES: &str = "capabilities";
const NO_NEW_PRIVILEGES: &str = "no new privileges";

/// Whether all holds without which a profile must not be used; the error says what does not.
///
/// QuickJS has no way to ask for a file or a process. An interpreter has them all: without a file
/// system of its own it could read the daemon's keys, without a PID namespace see other processes
/// and outlive its sandbox.
pub fn check_essential(profile: Profile, features: &[Feature]) -> Result<(), String> {
    const ESSENTIAL: [&str; 5] = [
        PID_NAMESPACE,
        OWN_FILES,
        NO_ROOT,
        NO_CAPABILITIES,
        NO_NEW_PRIVILEGES,
    ];
    if profile == Profile::Script {
        return Ok(());
    }
    for name in ESSENTIAL {
        let found = features.iter().find(|feature| feature.name == name);
        match found.or(features.first()) {
            Some(feature) if found.is_some() && feature.result.is_ok() => {}
            Some(feature) => return Err(feature.to_string()),
            None => return Err(format!("{name}: not applied: it was not tried")),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interpreters_are_not_run_without_what_is_essential() {
        let feature = |name: &str, result: Result<(), &str>| Feature {
            name: name.to_owned(),
            result: result.map_err(str::to_owned),
        };
        let all = [
            PID_NAMESPACE,
            OWN_FILES,
            NO_ROOT,
            NO_CAPABILITIES,
            NO_NEW_PRIVILEGES,
        ];
        let without = |missing: &str| -> Vec<Feature> {
            let result = |name| if name == missing { Err("no") } else { Ok(()) };
            let names = all.into_iter().chain(["landlock"]);
            names.map(|name| feature(name, result(name))).collect()
        };
        let check = |features: &[Feature]| check_essential(Profile::Interpreter, features);
        assert_eq!(check(&without("landlock")), Ok(()));
        for name in all {
            let error = format!("{name}: not applied: no");
            assert_eq!(check(&without(name)), Err(error));
            assert_eq!(check_essential(Profile::Script, &without(name)), Ok(()));
        }
        assert_eq!(
            check(&[feature("sandbox", Err("no"))]),
            Err("sandbox: not applied: no".to_owned())
        );
        assert!(check(&[]).is_err());
    }

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
