//! `owl status`, asked of a daemon that runs.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::unistd::Pid;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::Client;
use crate::daemon::{Daemon, Setup};

const SLEEP: &str =
    "function main(a) { return new Promise(done => setTimeout(() => done(a), a.ms)) }";

/// A command about the daemon of a folder.
fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_owl"));
    command
        .args(["status", "--data-dir"])
        .arg(folder)
        .args(arguments)
        .stdin(Stdio::null());
    command
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().expect("run owl status")
}

/// What the daemon of a folder tells a program.
pub fn document(folder: &Path) -> Value {
    let output = run(folder, &["--json"]);
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("a JSON object")
}

/// Asks until something holds.
pub fn wait_for(folder: &Path, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let document = document(folder);
        if holds(&document) {
            return document;
        }
        assert!(Instant::now() < deadline, "not {what}: {document:#}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn started(setup: Setup) -> (Daemon, Client, TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let owl = setup.data_dir(folder.path()).start();
    let client = owl.client();
    (owl, client, folder)
}

fn text(output: &[u8]) -> String {
    String::from_utf8(output.to_vec()).expect("UTF-8")
}

#[test]
fn what_runs_and_what_waits_is_told_while_it_does() {
    let (owl, client, folder) = started(Setup::new().one_at_a_time());
    client.action("slow", "quickjs:1", SLEEP, json!({"memory": 128}));
    client.action("other", "quickjs:1", SLEEP, json!({"memory": 128}));
    client.invoke("slow", &json!({"ms": 0})).expect_success();
    let running = client.fire("slow", &json!({"ms": 4000}));
    let busy = wait_for(folder.path(), "busy", |told| told["pool"]["busy"] == 1);
    let sandbox = &busy["sandboxes"][0];
    assert_eq!(sandbox["action"], "guest/slow", "{busy:#}");
    assert_eq!(sandbox["namespace"], "guest");
    assert_eq!(sandbox["kind"], "quickjs:1");
    assert_eq!(sandbox["phase"], "busy");
    assert_eq!(
        (&sandbox["memory"], &sandbox["runs"]),
        (&json!(128), &json!(2))
    );
    let waiting = client.fire("other", &json!({"ms": 0}));
    let told = wait_for(folder.path(), "waiting", |told| {
        told["pool"]["waiting"] == 1
    });
    let line = &told["queue"][0];
    assert_eq!(
        (&line["action"], &line["waiting"]),
        (&json!("guest/other"), &json!(1))
    );
    assert_eq!(told["running"], 2, "{told:#}");
    assert_eq!(told["pool"]["capacity"], 1);
    assert_eq!(told["pool"]["memory"], 128);
    assert_eq!(told["tally"]["colds"], 1);
    assert_eq!(told["tally"]["hits"], 1);
    assert_eq!(told["tally"]["waited"], 1);
    assert_eq!(
        told["engines"][1],
        json!({"name": "docker", "state": "none"})
    );
    assert_eq!(told["pid"], owl.id());
    assert_eq!(told["addresses"][0], format!("http://{}", owl.address()));
    assert!(told["memory"]["available"].as_u64() > Some(0), "{told:#}");
    // The same for people.
    let output = run(folder.path(), &[]);
    let table = text(&output.stdout);
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{output:?}"
    );
    for part in [
        "guest/slow",
        "guest/other",
        "2 in flight, 1 of them waiting",
        "1 of 1",
    ] {
        assert!(table.contains(part), "{part} is not in\n{table}");
    }
    assert!(
        table.lines().all(|line| line.chars().count() <= 80),
        "{table}"
    );
    for id in [running, waiting] {
        assert_eq!(client.activation(&id)["response"]["success"], true);
    }
    let after = wait_for(folder.path(), "at rest", |told| told["running"] == 0);
    assert_eq!(after["tally"]["evictions"]["room"], 1, "{after:#}");
    assert_eq!(after["queue"], json!([]));
}

#[test]
fn it_is_for_the_daemons_user_only() {
    let (owl, _, folder) = started(Setup::new());
    let socket = folder.path().join("status.sock");
    let mode = socket.metadata().expect("a socket").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // The API has no such route.
    let answer = owl.client().get("/status");
    assert_eq!(answer.status, 404, "{answer}");
}

#[test]
fn who_asks_where_no_daemon_runs_is_told_what_to_do() {
    let none = tempfile::tempdir().expect("a folder");
    let refused = |folder: &Path| {
        let output = run(folder, &[]);
        assert!(!output.status.success(), "{output:?}");
        assert!(output.stdout.is_empty(), "{output:?}");
        text(&output.stderr)
    };
    let told = refused(none.path());
    assert!(told.contains("there is no store in"), "{told}");
    let (owl, _, folder) = started(Setup::new());
    let (status, log) = owl.terminate();
    assert!(status.success(), "{log}");
    let stopped = refused(folder.path());
    assert!(stopped.contains("no daemon runs"), "{stopped}");
    assert!(stopped.contains("owl serve"), "{stopped}");
    assert!(!folder.path().join("status.sock").exists());
    // One that was killed leaves its socket behind, and the next one takes its place.
    let again = Setup::new().data_dir(folder.path()).start();
    again.kill();
    assert!(folder.path().join("status.sock").exists());
    assert!(refused(folder.path()).contains("no daemon runs"));
    let last = Setup::new().data_dir(folder.path()).start();
    assert_eq!(document(folder.path())["pid"], last.id());
}

#[test]
fn watching_goes_on_in_a_pipe_until_it_is_ended() {
    let (_owl, client, folder) = started(Setup::new());
    client.action("a", "quickjs:1", "function main(a) { return a }", json!({}));
    let mut child = command(folder.path(), &["--json", "--watch", "--interval", "0.1"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("run owl status");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let mut colds = || {
        let line = lines.next().expect("goes on").expect("a line");
        let told: Value = serde_json::from_str(&line).expect("a JSON object in a line");
        told["tally"]["colds"].as_u64().expect("a number")
    };
    assert_eq!(colds(), 0);
    client.invoke("a", &json!({})).expect_success();
    let deadline = Instant::now() + Duration::from_secs(60);
    while colds() == 0 {
        assert!(Instant::now() < deadline, "the cold start is never told");
    }
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a process id"));
    // SIGINT is ignored in what a script has in its background, as these tests may be.
    nix::sys::signal::kill(pid, Signal::SIGTERM).expect("end owl status");
    assert!(!child.wait().expect("wait for owl status").success());
    // Nobody reads any more: that is an end, and no failure.
    let mut child = command(folder.path(), &["--watch", "--interval", "0.1"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("run owl status");
    drop(child.stdout.take());
    assert!(child.wait().expect("wait for owl status").success());
}

#[test]
fn many_may_ask_at_once_under_load() {
    let (owl, client, folder) = started(Setup::new().env("OWL_HOST_CAPACITY", "4"));
    client.action("a", "quickjs:1", SLEEP, json!({}));
    thread::scope(|scope| {
        let calls: Vec<_> = (0..4)
            .map(|n| {
                let client = owl.client();
                scope.spawn(move || {
                    for i in 0..25 {
                        let sent = json!({"ms": 1, "n": n * 100 + i});
                        let record = client.invoke("a", &sent).json();
                        assert_eq!(record["response"]["result"], sent, "{record}");
                    }
                })
            })
            .collect();
        let folder = folder.path();
        for _ in 0..3 {
            scope.spawn(move || {
                for _ in 0..10 {
                    let told = document(folder);
                    let there = told["sandboxes"].as_array().expect("sandboxes").len();
                    assert!(there <= 4, "{told:#}");
                }
            });
        }
        for call in calls {
            call.join().expect("all calls are answered");
        }
    });
    let told = wait_for(folder.path(), "at rest", |told| told["running"] == 0);
    let number = |name: &str| told["tally"][name].as_u64().expect("a number");
    assert_eq!(number("hits") + number("colds"), 100, "{told:#}");
}
