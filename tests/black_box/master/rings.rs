//! OWLs that are each other's masters and tiers, by mistake: every request ends, and soon.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Link;
use crate::client::{Answer, Client};
use crate::daemon::{Daemon, Setup};

/// Longer than anything that goes round takes, on a busy machine.
const SOON: Duration = Duration::from_secs(20);

/// Most requests that the OWLs of a ring get for one of a client: some questions about what is
/// needed, each of which comes round once.
const MOST: u64 = 30;

fn setup(folder: &Path, master: Option<&Link>) -> Setup {
    let setup = Setup::new()
        .data_dir(folder)
        .env("OWL_METRICS", "everyone")
        .env("OWL_REVALIDATE", "0");
    match master {
        Some(master) => setup
            .env("OWL_NEXT_OPENWHISK", master.url())
            .env("OWL_DELEGATE_ON_FAILURE", "true"),
        None => setup,
    }
}

/// Requests that all of them have got so far, but for those that ask how many there were and
/// whether they are there.
fn requests(all: &[Daemon]) -> u64 {
    let of = |daemon: &Daemon| {
        let page = daemon.client().get("/metrics").body;
        let page = String::from_utf8(page).expect("a text");
        let counts = page
            .lines()
            .filter(|line| line.starts_with("owl_http_requests_total"))
            .filter(|line| !line.contains("route=\"system\""));
        let counts = counts.map(|line| {
            let count = line.rsplit(' ').next().expect("a number");
            count.parse::<u64>().expect("a number")
        });
        counts.sum::<u64>()
    };
    all.iter().map(of).sum()
}

/// Waits until nothing goes round any more; gives how many requests there were.
fn at_rest(all: &[Daemon]) -> u64 {
    let deadline = Instant::now() + SOON;
    let mut before = requests(all);
    loop {
        thread::sleep(Duration::from_millis(200));
        let now = requests(all);
        if now == before {
            return now;
        }
        assert!(Instant::now() < deadline, "it goes on: {now} requests");
        before = now;
    }
}

/// What a client asks, and the statuses that are honest answers to it.
type Case = (&'static str, fn(&Client) -> Answer, &'static [u16]);

/// What only somebody who is no part of the ring could do. Who has been told so regards the other
/// one as out of reach.
const NOBODY: &[u16] = &[503, 508];

/// What nobody runs, with a record or without.
const NOT_RUN: &[u16] = &[500, 502, 503];

const CASES: [Case; 15] = [
    ("get", |client| client.get("actions/a"), &[200]),
    ("get unknown", |client| client.get("actions/none"), NOBODY),
    ("put", |client| client.put("actions/b", &code()), NOBODY),
    ("delete", |client| client.delete("actions/a"), NOBODY),
    ("invoke", |client| client.invoke("a", &json!({})), NOT_RUN),
    (
        "invoke, not waiting",
        |client| client.post("actions/a", &json!({})),
        &[202, 503],
    ),
    (
        "invoke unknown",
        |client| client.invoke("none", &json!({})),
        NOBODY,
    ),
    ("sequence", |client| client.invoke("s", &json!({})), NOT_RUN),
    (
        "fire",
        |client| client.post("triggers/t", &json!({})),
        &[202, 508],
    ),
    ("rule", |client| client.get("rules/r"), &[200]),
    (
        "web action",
        |client| client.get("/api/v1/web/guest/default/w.json"),
        // As one whose record says that it has failed.
        &[400, 500, 502, 503],
    ),
    (
        "web action of nobody",
        |client| client.get("/api/v1/web/nobody/default/w.json"),
        NOBODY,
    ),
    ("list", |client| client.get("actions"), &[200]),
    ("activations", |client| client.get("activations"), &[200]),
    ("passed on", |client| client.get("apis"), NOBODY),
];

fn code() -> Value {
    json!({"exec": {"kind": "quickjs:1", "code": "function main() { return { body: 1 } }"}})
}

/// Everything that clients ask for.
fn make(client: &Client) {
    let mut web = code();
    web["annotations"] = json!([{"key": "web-export", "value": true}]);
    let sequence = json!({"exec": {"kind": "sequence", "components": ["/_/a", "/_/w"]}});
    for (path, body) in [
        ("actions/a", code()),
        ("actions/w", web),
        ("actions/s", sequence),
        ("triggers/t", json!({})),
        ("rules/r", json!({"trigger": "/_/t", "action": "/_/a"})),
    ] {
        let answer = client.put(path, &body);
        assert_eq!(answer.status, 200, "{path}: {answer}");
    }
}

/// A client of each of them asks for everything.
fn ask_all(all: &[Daemon]) {
    for (number, daemon) in all.iter().enumerate() {
        let client = daemon.client();
        let mut before = at_rest(all);
        for (what, ask, honest) in CASES {
            let begun = Instant::now();
            let answer = ask(&client);
            let took = begun.elapsed();
            let now = at_rest(all);
            let came = now - before;
            before = now;
            println!(
                "{number} {what}: {} after {took:?}, {came} requests",
                answer.status
            );
            assert!(honest.contains(&answer.status), "{what}: {answer}");
            assert!(took < SOON, "{what} took {took:?}");
            assert!(came <= MOST, "{what}: {came} requests");
        }
    }
}

/// Two or more that become a ring when they are started anew.
fn ring(length: usize) -> (Vec<Daemon>, Vec<tempfile::TempDir>) {
    let folders: Vec<_> = (0..length)
        .map(|_| tempfile::tempdir().expect("a folder"))
        .collect();
    // The last is the master of all, so that they know its keys and have copies of what it has.
    let links: Vec<Link> = (0..length).map(|_| Link::nowhere()).collect();
    let next = |number: usize| &links[(number + 1) % length];
    let mut line: Vec<Daemon> = Vec::new();
    for number in (0..length).rev() {
        let master = (number + 1 < length).then(|| next(number));
        let daemon = setup(folders[number].path(), master).start();
        links[number].lead_to(daemon.address());
        line.push(daemon);
    }
    let first = line.last().expect("one").client();
    make(&first);
    for path in [
        "actions/a",
        "actions/w",
        "actions/s",
        "triggers/t",
        "rules/r",
    ] {
        assert_eq!(first.get(path).status, 200, "{path}");
    }
    assert_eq!(first.invoke("s", &json!({})).status, 200);
    assert_eq!(first.post("triggers/t", &json!({})).status, 202);
    for daemon in line {
        daemon.terminate();
    }
    let all: Vec<Daemon> = (0..length)
        .map(|number| {
            let setup = setup(folders[number].path(), Some(next(number)));
            let daemon = setup.env("OWL_HOST_CAPACITY", "0").start();
            links[number].lead_to(daemon.address());
            daemon
        })
        .collect();
    // Those that were not there at first are found.
    let deadline = Instant::now() + Duration::from_secs(60);
    for daemon in &all {
        let client = daemon.client_with(None);
        while client.get("/").json()["master"]["state"] != "up" {
            assert!(Instant::now() < deadline, "a master is not found");
            thread::sleep(Duration::from_millis(50));
        }
    }
    std::mem::forget(links);
    (all, folders)
}

/// The lines of a log that tell whoever has set the OWLs so.
fn errors(log: &str) -> Vec<&str> {
    let lines = log.lines();
    lines
        .filter(|line| line.contains("ERROR") && line.contains("lead in a circle"))
        .collect()
}

#[test]
fn two_that_are_each_others_master() {
    let (all, _folders) = ring(2);
    ask_all(&all);
    let told = all.iter().map(|daemon| errors(&daemon.log()).len());
    let told: Vec<usize> = told.collect();
    assert!(
        told.iter().all(|told| *told <= 1) && told.contains(&1),
        "{told:?}"
    );
}

#[test]
fn three_in_a_ring() {
    let (all, _folders) = ring(3);
    ask_all(&all);
}

#[test]
fn one_that_is_its_own_master() {
    let link = Link::nowhere();
    let folder = tempfile::tempdir().expect("a folder");
    let daemon = setup(folder.path(), Some(&link)).start();
    link.lead_to(daemon.address());
    let client = daemon.client();
    let deadline = Instant::now() + Duration::from_secs(60);
    // Until it has found itself.
    while !daemon.log().contains("lead in a circle") {
        assert!(Instant::now() < deadline, "{}", daemon.log());
        let answer = client.get("actions/a");
        assert_eq!(answer.status, 503, "{answer}");
        thread::sleep(Duration::from_millis(100));
    }
    let all = [daemon];
    let mut before = at_rest(&all);
    for (what, ask, _) in CASES {
        let answer = ask(&client);
        assert!(answer.status >= 500, "{what}: {answer}");
        let now = at_rest(&all);
        let came = now - before;
        before = now;
        assert!(came <= MOST, "{what}: {came} requests");
    }
    let log = all[0].log();
    let told = errors(&log);
    assert_eq!(told.len(), 1, "{log}");
    assert!(told[0].contains("OWL_NEXT_OPENWHISK"), "{log}");
}
