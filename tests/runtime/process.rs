//! The process engine: the sandbox as seen from outside, and that nothing done in it hurts.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use owl::Executor;
use owl::engine::process::{ProcessEngine, ProcessOptions, probe};
use owl::engine::proxy::{ActionFailure, Bounds, Proxy, RunResult};
use owl::engine::{Engine, Sandbox, SandboxSpec};
use owl::entity::Status;
use owl::runtime::kind::Language;
use owl::runtime::sandbox::{Profile, check_essential};
use serde_json::{Value, json};

use crate::client::{deadline, wait_until};

const BINARY: &str = env!("CARGO_BIN_EXE_owl");
const LIMIT: Duration = Duration::from_secs(20);

/// An engine with an executor that a thread of its own drives.
struct House {
    executor: Executor,
    engine: Arc<ProcessEngine>,
    _stop: smol::channel::Sender<()>,
}

impl House {
    fn new() -> Self {
        let executor = Executor::default();
        let (stop, stopped) = smol::channel::bounded::<()>(1);
        let runner = executor.clone();
        std::thread::spawn(move || smol::block_on(runner.run(stopped.recv())));
        let options = ProcessOptions {
            executable: BINARY.into(),
            ..ProcessOptions::default()
        };
        House {
            engine: ProcessEngine::new(executor.clone(), options).unwrap(),
            executor,
            _stop: stop,
        }
    }

    fn start(&self, memory: u32) -> Arc<dyn Sandbox> {
        let spec = SandboxSpec {
            kind: "quickjs:1".into(),
            image: None,
            blackbox: false,
            pull: false,
            purpose: None,
            memory,
            cpu_shares: 2,
            env: vec![("__OW_API_HOST".into(), "http://127.0.0.1:3000".into())],
        };
        smol::block_on(self.engine.start(&spec)).unwrap().into()
    }

    /// A sandbox with an action in it.
    fn action(&self, memory: u32, code: &str) -> (Arc<dyn Sandbox>, Proxy) {
        let sandbox = self.start(memory);
        let mut proxy = Proxy::new(self.executor.clone(), sandbox.clone());
        init(&mut proxy, code).unwrap();
        (sandbox, proxy)
    }
}

fn init(proxy: &mut Proxy, code: &str) -> Result<(), ActionFailure> {
    let body = json!({"value": {"name": "test", "main": "main", "code": code, "binary": false}});
    smol::block_on(proxy.init(Bytes::from(body.to_string()), LIMIT, LIMIT))
}

fn run(proxy: &mut Proxy, value: Value, limit: Duration) -> RunResult {
    let body = json!({"value": value, "deadline": deadline(limit)});
    smol::block_on(proxy.run(Bytes::from(body.to_string()), limit, Bounds::same(1 << 20)))
}

fn result(run: &RunResult) -> Value {
    serde_json::from_str(run.response.result.as_ref().unwrap().get()).unwrap()
}

/// The processes of a sandbox: the one that the daemon started, and the one in its namespace.
fn processes(sandbox: &dyn Sandbox) -> (PathBuf, PathBuf) {
    let outer = sandbox.id().to_owned();
    let mut inner = None;
    wait_until("the inner process runs", || {
        inner = std::fs::read_dir("/proc").unwrap().find_map(|entry| {
            let path = entry.unwrap().path();
            (status(&path, "PPid").as_deref() == Some(&outer)).then_some(path)
        });
        inner.is_some()
    });
    (Path::new("/proc").join(outer), inner.unwrap())
}

/// One line of `/proc/<pid>/status`.
fn status(process: &Path, key: &str) -> Option<String> {
    let text = std::fs::read_to_string(process.join("status")).ok()?;
    let line = text
        .lines()
        .find(|line| line.split(':').next() == Some(key))?;
    Some(line[key.len() + 1..].trim().to_owned())
}

fn is_gone(process: &Path) -> bool {
    !process.exists()
}

#[test]
fn actions_run_and_keep_their_globals() {
    let house = House::new();
    let code = "let n = 0; function main(p) { console.log('run', ++n); return {n, p, host: process.env.__OW_API_HOST, env: Object.keys(process.env).length} }";
    let (sandbox, mut proxy) = house.action(64, code);
    let section = sandbox.logs().begin(1 << 20);
    let first = run(&mut proxy, json!({"a": 1}), LIMIT);
    assert_eq!(first.response.status, Status::Success);
    // Nothing of the daemon's environment: the host, and the deadline of the run.
    let host = "http://127.0.0.1:3000";
    assert_eq!(
        result(&first),
        json!({"n": 1, "p": {"a": 1}, "host": host, "env": 2})
    );
    let logs = smol::block_on(section.collect(true));
    assert!(!logs.incomplete);
    assert!(
        logs.lines[0].ends_with(" stdout: run 1"),
        "{:?}",
        logs.lines
    );
    assert_eq!(result(&run(&mut proxy, json!({}), LIMIT))["n"], 2);
    // A second connection while the first one is open, as after an idle time.
    let mut other = Proxy::new(house.executor.clone(), sandbox.clone());
    assert_eq!(result(&run(&mut other, json!({}), LIMIT))["n"], 3);
    smol::block_on(sandbox.remove());
    assert!(sandbox.has_exited());
}

#[test]
fn the_sandbox_is_locked_from_inside() {
    let house = House::new();
    let (sandbox, _proxy) = house.action(64, "function main() { return {} }");
    let (outer, inner) = processes(&*sandbox);
    let reported = probe(Path::new(BINARY), Language::QuickJs);
    let holds = |name: &str| {
        let feature = reported.iter().find(|feature| feature.name == name);
        feature
            .unwrap_or_else(|| panic!("{name} is not reported"))
            .result
            .is_ok()
    };
    // What is reported to hold must be seen to hold; all of it does on a full Linux kernel.
    let expect = |name: &str, seen: bool| assert_eq!(seen, holds(name), "{name}");
    let is = |key: &str, value: &str| status(&inner, key).as_deref() == Some(value);
    expect("no new privileges", is("NoNewPrivs", "1"));
    expect("seccomp", is("Seccomp", "2"));
    let none = "0000000000000000";
    expect(
        "capabilities",
        ["CapEff", "CapPrm", "CapInh", "CapAmb"]
            .iter()
            .all(|set| is(set, none)),
    );
    let ids = status(&inner, "Uid").unwrap();
    expect(
        "unprivileged user",
        ids.split_whitespace().all(|id| id != "0"),
    );
    expect(
        "pid namespace",
        status(&inner, "NSpid").unwrap().ends_with("\t1"),
    );
    for (feature, link) in [
        ("user namespace", "user"),
        ("mount namespace", "mnt"),
        ("network namespace", "net"),
        ("ipc namespace", "ipc"),
        ("uts namespace", "uts"),
    ] {
        let of = |process: &Path| std::fs::read_link(process.join("ns").join(link)).unwrap();
        expect(feature, of(&inner) != of(Path::new("/proc/self")));
    }
    let root = std::fs::read_dir(inner.join("root")).unwrap().count();
    expect("empty file system", root == 0);
    let limits = std::fs::read_to_string(inner.join("limits")).unwrap();
    let limit = |name: &str, value: &str| {
        let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
        line[name.len()..]
            .split_whitespace()
            .take(2)
            .all(|limit| limit == value)
    };
    expect("process limit", limit("Max processes", "0"));
    expect(
        "file and core limits",
        limit("Max file size", "0")
            && limit("Max core file size", "0")
            && limit("Max open files", "32"),
    );
    let bytes = (64 << 20) + 4 * (64 << 20) + (64 << 20);
    expect(
        "memory limit",
        limit("Max address space", &bytes.to_string()),
    );
    let score = std::fs::read_to_string(inner.join("oom_score_adj")).unwrap();
    expect("out-of-memory score", score.trim() == "1000");
    // The one that waits outside has no rights left either, and holds nothing of the daemon's.
    assert_eq!(status(&outer, "CapEff").as_deref(), Some(none));
    assert_eq!(status(&outer, "NoNewPrivs").as_deref(), Some("1"));
    assert_eq!(status(&inner, "Threads").as_deref(), Some("1"));
}

#[test]
fn the_sandbox_holds_no_descriptor_of_the_daemon() {
    assert!(
        nix::unistd::Uid::effective().is_root(),
        "only root sees the descriptors of a sandbox: run the tests as root"
    );
    let house = House::new();
    let (sandbox, _proxy) = house.action(64, "function main() { return {} }");
    let (_, inner) = processes(&*sandbox);
    for entry in std::fs::read_dir(inner.join("fd")).unwrap() {
        let target = std::fs::read_link(entry.unwrap().path()).unwrap();
        let target = target.to_string_lossy();
        let known = ["socket:", "pipe:", "anon_inode:[signalfd]"];
        assert!(
            known.iter().any(|kind| target.starts_with(kind)),
            "{target}"
        );
    }
}

#[test]
fn removed_and_dropped_sandboxes_leave_no_process() {
    let house = House::new();
    let (sandbox, _proxy) = house.action(64, "function main() { while (true); }");
    let (outer, inner) = processes(&*sandbox);
    assert!(!sandbox.has_exited());
    smol::block_on(sandbox.remove());
    assert!(sandbox.has_exited() && is_gone(&outer) && is_gone(&inner));
    assert!(!smol::block_on(sandbox.killed_for_memory()));
    assert!(smol::block_on(sandbox.connect()).is_err());

    let (sandbox, proxy) = house.action(64, "function main() { return {} }");
    let (outer, inner) = processes(&*sandbox);
    drop((sandbox, proxy));
    wait_until("the dropped sandbox is gone", || {
        is_gone(&outer) && is_gone(&inner)
    });

    let (sandbox, _proxy) = house.action(64, "function main() { return {} }");
    let (outer, inner) = processes(&*sandbox);
    drop(house.engine);
    wait_until("sandboxes end with their engine", || is_gone(&inner));
    wait_until("no zombie is left", || is_gone(&outer));
}

#[test]
fn a_sandbox_does_not_outlive_a_part_of_it() {
    let house = House::new();
    for end_inner in [true, false] {
        let (sandbox, mut proxy) = house.action(64, "function main() { return {} }");
        let (outer, inner) = processes(&*sandbox);
        let victim = if end_inner { &inner } else { &outer };
        let pid = victim
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .parse()
            .unwrap();
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::SIGKILL).unwrap();
        wait_until("both are gone", || is_gone(&outer) && is_gone(&inner));
        assert!(sandbox.has_exited());
        // Killed by somebody else: the kernel, as far as anybody can tell.
        assert!(smol::block_on(sandbox.killed_for_memory()));
        let answer = run(&mut proxy, json!({}), LIMIT);
        assert!(!answer.keep);
    }
}

#[test]
fn misbehaving_actions_are_told_apart_and_the_next_call_works() {
    let house = House::new();
    let exhausted = "The action exhausted its memory and was aborted.";
    let exited = "The action did not produce a valid response and exited unexpectedly.";
    for (code, message) in [
        (
            "function main() { const a = []; while (true) a.push({}) }",
            exhausted,
        ),
        (
            "function main() { const a = []; while (true) a.push('x'.repeat(1e6) + a.length) }",
            exhausted,
        ),
        (
            "function main() { return [new Uint8Array(1e10)] }",
            "An error has occurred: RangeError",
        ),
        (
            "function f() { return f() + f() } function main() { f() }",
            "An error has occurred: RangeError: Maximum call stack size exceeded",
        ),
        ("function main() { process.exit(0) }", exited),
        (
            "function main() { return new Promise(() => {}) }",
            "The action did not finish",
        ),
    ] {
        let (sandbox, mut proxy) = house.action(32, code);
        let answer = run(&mut proxy, json!({}), LIMIT);
        assert_eq!(answer.response.status, Status::DeveloperError, "{code}");
        let error = result(&answer)["error"].as_str().unwrap().to_owned();
        assert!(error.starts_with(message), "{code}: {error}");
        assert!(!answer.keep && !answer.timed_out, "{code}");
        smol::block_on(sandbox.remove());
    }
    let (_sandbox, mut proxy) = house.action(32, "function main() { return {a: 1} }");
    assert_eq!(result(&run(&mut proxy, json!({}), LIMIT)), json!({"a": 1}));
}

#[test]
fn endless_actions_are_ended_by_the_platform() {
    let house = House::new();
    let (sandbox, mut proxy) = house.action(64, "function main() { while (true); }");
    let answer = run(&mut proxy, json!({}), Duration::from_millis(150));
    assert!(answer.timed_out && !answer.keep);
    assert_eq!(
        result(&answer)["error"],
        "The action exceeded its time limits of 150 milliseconds."
    );
    smol::block_on(sandbox.remove());
    assert!(sandbox.has_exited());
}

#[test]
fn a_hundred_megabytes_of_log_are_drained_and_cut() {
    let house = House::new();
    let code = "const line = 'x'.repeat(99_999); function main() { for (let i = 0; i < 1000; i++) console.log(line); return {a: 1} }";
    let (sandbox, mut proxy) = house.action(64, code);
    let section = sandbox.logs().begin(1 << 20);
    assert_eq!(result(&run(&mut proxy, json!({}), LIMIT)), json!({"a": 1}));
    let logs = smol::block_on(section.collect(true));
    assert!(logs.incomplete);
    let length: usize = logs.lines.iter().map(String::len).sum();
    assert!(length < 2 << 20, "{length} bytes kept");
    assert_eq!(result(&run(&mut proxy, json!({}), LIMIT)), json!({"a": 1}));
}

#[test]
fn init_failures_are_the_users_to_read() {
    let house = House::new();
    let sandbox = house.start(64);
    let mut proxy = Proxy::new(house.executor.clone(), sandbox.clone());
    let failure = init(&mut proxy, "function main( {").unwrap_err();
    let text = failure.response.result.unwrap();
    assert!(
        text.get()
            .contains("Initialization has failed due to: SyntaxError"),
        "{}",
        text.get()
    );
}

#[test]
fn other_kinds_are_refused() {
    let house = House::new();
    let mut spec = SandboxSpec {
        kind: "nodejs:20".into(),
        image: None,
        blackbox: false,
        pull: false,
        purpose: None,
        memory: 128,
        cpu_shares: 2,
        env: Vec::new(),
    };
    for (kind, reason) in [
        ("nodejs:20", "the runtimes manifest does not say so"),
        ("cobol:1", "not cobol:1"),
        ("native:1", "not native:1"),
    ] {
        spec.kind = kind.into();
        let error = smol::block_on(house.engine.start(&spec)).err().unwrap();
        assert!(error.to_string().contains(reason), "{error}");
    }
}

#[test]
fn interpreters_are_confined_by_what_is_reported() {
    for language in [Language::Node, Language::Python] {
        let features = probe(Path::new(BINARY), language);
        check_essential(Profile::Interpreter, &features).unwrap();
        assert!(
            features
                .iter()
                .all(|feature| feature.name != "network namespace")
        );
    }
    let features = probe(Path::new("/nonexistent/owl"), Language::Node);
    assert!(check_essential(Profile::Interpreter, &features).is_err());
}

#[test]
fn without_a_mount_namespace_the_machines_mounts_stay() {
    // Root who may mount but get no namespace, in a machine of its own that may be broken.
    let script = format!(
        "mount -t proc proc /proc && echo 0 > /proc/sys/user/max_mnt_namespaces || exit 1
         for kind in quickjs nodejs; do {BINARY} runtime --kind $kind --sandbox outer --report; done
         test -x {BINARY} && test -d /proc/self && echo unharmed"
    );
    let output = std::process::Command::new("unshare")
        .args(["-U", "-r", "-m", "-p", "-f", "sh", "-c", &script])
        .output()
        .expect("run unshare of util-linux");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("empty file system: not applied: "), "{said}");
    assert!(
        said.contains("system's files only: not applied: "),
        "{said}"
    );
    assert!(said.ends_with("unharmed\n"), "{said}");
}

#[test]
fn a_binary_that_does_not_start_is_named() {
    let features = probe(Path::new("/nonexistent/owl"), Language::QuickJs);
    assert!(
        features[0]
            .result
            .as_ref()
            .unwrap_err()
            .contains("/nonexistent/owl")
    );
}
