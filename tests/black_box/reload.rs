//! SIGHUP: settings and kinds that change while calls are under way.

mod images;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::Client;
use crate::daemon::{Daemon, Setup};
use crate::status::{document, wait_for};

const SLEEP: &str =
    "function main(a) { return new Promise(done => setTimeout(() => done(a), a.ms)) }";

/// A daemon whose settings are in a file.
struct Gateway {
    owl: Daemon,
    client: Client,
    folder: TempDir,
    /// How often the log has told of SIGHUP.
    told: usize,
}

impl Gateway {
    fn start(settings: &[(&str, &str)]) -> Self {
        Self::start_with(Setup::new(), settings)
    }

    fn start_with(mut setup: Setup, settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("owl.conf");
        std::fs::write(&file, lines(settings)).expect("write the settings");
        setup = setup.env("OWL_CONFIG", file.to_str().expect("UTF-8"));
        // An empty variable sets nothing.
        for name in ["OWL_RUNTIMES", "OWL_INVOCATIONS_PER_MINUTE"] {
            setup = setup.env(name, "");
        }
        let owl = setup.data_dir(folder.path()).start();
        Gateway {
            client: owl.client(),
            owl,
            folder,
            told: 0,
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> String {
        let file = self.file(name);
        std::fs::write(&file, text).expect("write a file");
        file.to_str().expect("UTF-8").to_owned()
    }

    /// Sends SIGHUP: what the log tells of it.
    fn hang_up(&mut self) -> String {
        self.owl.send(Signal::SIGHUP);
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let log = self.owl.log();
            let mut lines = log.lines().filter(|line| line.contains("SIGHUP: "));
            if let Some(line) = lines.nth(self.told) {
                self.told += 1;
                return line.to_owned();
            }
            assert!(Instant::now() < deadline, "nothing is told:\n{log}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn reload(&mut self, settings: &[(&str, &str)]) -> String {
        self.write("owl.conf", &lines(settings));
        self.hang_up()
    }

    fn status(&self) -> Value {
        document(self.folder.path())
    }
}

fn lines(settings: &[(&str, &str)]) -> String {
    let lines = settings.iter();
    lines
        .map(|(name, value)| format!("{name}={value}\n"))
        .collect()
}

/// A manifest with these kinds of QuickJS, each with an image, which these kinds do not use.
fn manifest(kinds: &[(&str, &str)]) -> String {
    let kinds: Vec<Value> = kinds
        .iter()
        .enumerate()
        .map(|(n, (kind, image))| {
            json!({"kind": kind, "engine": "process", "default": n == 0, "image": {"name": image}})
        })
        .collect();
    json!({"runtimes": {"quickjs": kinds}}).to_string()
}

#[test]
fn no_answer_is_lost_while_capacity_and_kinds_change_under_load() {
    const MANY: (&str, &str) = ("OWL_INVOCATIONS_PER_MINUTE", "100000");
    let place = tempfile::tempdir().expect("a folder");
    let runtimes = place.path().join("runtimes.json");
    std::fs::write(&runtimes, manifest(&[("quickjs:1", "one")])).expect("write the manifest");
    let runtimes = runtimes.to_str().expect("UTF-8");
    let settings = |capacity| {
        [
            MANY,
            ("OWL_HOST_CAPACITY", capacity),
            ("OWL_RUNTIMES", runtimes),
        ]
    };
    let mut gateway = Gateway::start(&settings("4"));
    for n in 0..4 {
        let name = format!("a{n}");
        gateway
            .client
            .action(&name, "quickjs:1", SLEEP, json!({"memory": 128}));
    }
    let stop = AtomicBool::new(false);
    let answered = AtomicU64::new(0);
    thread::scope(|scope| {
        let calls: Vec<_> = (0..8_u64)
            .map(|n| {
                let client = gateway.owl.client();
                let (stop, answered) = (&stop, &answered);
                scope.spawn(move || {
                    let mut i = 0;
                    while !stop.load(Ordering::Relaxed) {
                        let sent = json!({"ms": 5, "n": n, "i": i});
                        let record = client.invoke(&format!("a{}", (n + i) % 4), &sent).json();
                        assert_eq!(record["response"]["result"], sent, "{record}");
                        answered.fetch_add(1, Ordering::Relaxed);
                        i += 1;
                    }
                })
            })
            .collect();
        let more = |what: &str| {
            let (before, deadline) = (
                answered.load(Ordering::Relaxed),
                Instant::now() + Duration::from_secs(60),
            );
            while answered.load(Ordering::Relaxed) < before + 20 {
                assert!(Instant::now() < deadline, "no answers {what}");
                assert!(
                    !calls.iter().any(thread::ScopedJoinHandle::is_finished),
                    "{what}"
                );
                thread::sleep(Duration::from_millis(5));
            }
        };
        more("at first");
        let told = gateway.reload(&settings("1"));
        assert!(told.contains("OWL_HOST_CAPACITY 4 to 1"), "{told}");
        more("with one sandbox");
        let small = wait_for(gateway.folder.path(), "one sandbox", |told| {
            let there = told["sandboxes"].as_array().expect("sandboxes").len();
            told["pool"]["capacity"] == 1 && there <= 1
        });
        assert_eq!(small["accepts"], true, "{small:#}");
        // Another image, one kind more, and room again.
        std::fs::write(
            runtimes,
            manifest(&[("quickjs:1", "two"), ("quickjs:2", "two")]),
        )
        .expect("write the manifest");
        let told = gateway.reload(&settings("6"));
        assert!(told.contains("OWL_HOST_CAPACITY 1 to 6"), "{told}");
        assert!(
            told.contains("kinds of the manifest: quickjs:1, quickjs:2"),
            "{told}"
        );
        more("with six");
        gateway.client.action("new", "quickjs:2", SLEEP, json!({}));
        let sent = json!({"ms": 0});
        assert_eq!(
            gateway.client.invoke("new", &sent).json()["response"]["result"],
            sent
        );
        // And a file in which something is wrong changes nothing of it.
        let told = gateway.reload(&settings("many"));
        assert!(
            told.contains("ERROR") && told.contains("OWL_HOST_CAPACITY"),
            "{told}"
        );
        std::fs::write(runtimes, "{").expect("write the manifest");
        let told = gateway.reload(&settings("2"));
        assert!(
            told.contains("ERROR") && told.contains("runtimes manifest"),
            "{told}"
        );
        more("after errors");
        assert_eq!(gateway.status()["pool"]["capacity"], 6);
        stop.store(true, Ordering::Relaxed);
        for call in calls {
            call.join().expect("every call is answered as it should be");
        }
    });
    let told = wait_for(gateway.folder.path(), "at rest", |told| {
        told["running"] == 0
    });
    assert!(
        told["tally"]["evictions"]["stopped"].as_u64() >= Some(1),
        "{told:#}"
    );
    assert!(
        told["tally"]["evictions"]["changed"].as_u64() >= Some(1),
        "{told:#}"
    );
    assert_eq!(told["tally"]["refused"], 0, "{told:#}");
    let given = ["hits", "colds", "stems"].map(|name| told["tally"][name].as_u64().expect("one"));
    assert_eq!(
        given.iter().sum::<u64>(),
        answered.load(Ordering::Relaxed) + 1,
        "each call got one sandbox: {told:#}"
    );
}

#[test]
fn what_needs_a_restart_and_what_is_hidden_is_named() {
    let setup = Setup::new().env("OWL_QUEUE_LENGTH", "7");
    let mut gateway = Gateway::start_with(setup, &[("OWL_STORE_SIZE", "64")]);
    let told = gateway.hang_up();
    assert!(
        told.ends_with("settings are read again; nothing to change now"),
        "{told}"
    );
    let told = gateway.reload(&[
        ("OWL_STORE_SIZE", "128"),
        ("OWL_QUEUE_LENGTH", "9"),
        ("OWL_LOG_LEVEL", "debug"),
    ]);
    assert!(
        told.contains("changed: OWL_LOG_LEVEL info to debug;"),
        "{told}"
    );
    assert!(told.contains("after a restart: OWL_STORE_SIZE;"), "{told}");
    assert!(told.ends_with("sets it: OWL_QUEUE_LENGTH"), "{told}");
    let told = gateway.reload(&[("OWL_STORE_SIZE", "64"), ("OWL_LOG_LEVEL", "error")]);
    assert!(told.contains("OWL_LOG_LEVEL debug to error"), "{told}");
    // Only errors are told now.
    let told = gateway.reload(&[("OWL_NO_SUCH", "1")]);
    assert!(
        told.contains("ERROR") && told.contains("line 1: OWL_NO_SUCH"),
        "{told}"
    );
    let answer = gateway.client.get("/ping");
    assert_eq!(answer.status, 200, "{answer}");
}

#[test]
fn rates_change_for_calls_and_for_what_is_told_of_them() {
    let rate = |rate| [("OWL_INVOCATIONS_PER_MINUTE", rate)];
    let mut gateway = Gateway::start(&rate("0"));
    let client = gateway.owl.client();
    client.action("a", "quickjs:1", SLEEP, json!({}));
    assert_eq!(client.invoke("a", &json!({})).status, 429);
    let told = gateway.reload(&rate("5000"));
    assert!(
        told.contains("OWL_INVOCATIONS_PER_MINUTE 0 to 5000"),
        "{told}"
    );
    client.invoke("a", &json!({"ms": 0})).expect_success();
    let info = client.get("/").json();
    assert_eq!(info["limits"]["actions_per_minute"], 5000, "{info}");
    assert_eq!(client.get("limits").json()["invocationsPerMinute"], 5000);
}

#[test]
fn who_waits_for_more_memory_than_there_is_now_is_told_so() {
    let settings = |memory| {
        [
            ("OWL_HOST_MEMORY", memory),
            ("OWL_INVOCATIONS_PER_MINUTE", "1000"),
        ]
    };
    let mut gateway = Gateway::start(&settings("256"));
    for name in ["runs", "waits"] {
        gateway
            .client
            .action(name, "quickjs:1", SLEEP, json!({"memory": 256}));
    }
    let runs = gateway.client.fire("runs", &json!({"ms": 3000}));
    wait_for(gateway.folder.path(), "busy", |told| {
        told["pool"]["busy"] == 1
    });
    let waits = gateway.client.fire("waits", &json!({"ms": 0}));
    wait_for(gateway.folder.path(), "waiting", |told| {
        told["pool"]["waiting"] == 1
    });
    gateway.reload(&settings("128"));
    let refused = gateway.client.activation(&waits);
    let error = refused["response"]["result"]["error"].as_str();
    assert!(
        error.is_some_and(|error| error.contains("256 MB") && error.contains("OWL_HOST_MEMORY")),
        "{refused}"
    );
    // What ran went on to its end.
    assert_eq!(
        gateway.client.activation(&runs)["response"]["success"],
        true
    );
}

#[test]
fn a_file_that_cannot_be_used_is_refused_at_the_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("owl.conf");
    let start = || {
        let setup = Setup::new().env("OWL_CONFIG", file.to_str().expect("UTF-8"));
        let (status, log) = setup.start_and_fail();
        assert!(!status.success(), "{log}");
        log
    };
    assert!(start().contains("OWL_CONFIG: cannot read"));
    std::fs::write(&file, "OWL_HOST_CAPACITY=x").expect("write the settings");
    let log = start();
    assert!(
        log.contains("OWL_HOST_CAPACITY (in the file of OWL_CONFIG): 'x'"),
        "{log}"
    );
}
