//! Kinds that the runtimes manifest gives to the machine's own node and python: they behave as in
//! containers.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::Client;
use crate::daemon::{Daemon, Setup};
use crate::runtimes::{
    Language, NODE, PYTHON, behaves_as_openwhisk_does, call, fails_as_openwhisk_does, runs_zips,
};

/// A daemon without Docker whose manifest switches the interpreters on.
pub struct Host {
    pub owl: Daemon,
    pub client: Client,
    /// Holds the manifest, and the store in `data`.
    pub folder: TempDir,
}

impl Host {
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("make a folder");
        let manifest = folder.path().join("runtimes.json");
        let text = json!({"runtimes": {
            "nodejs": [{"kind": "nodejs:20", "default": true, "engine": "process"}],
            "python": [],
            "mine": [
                {"kind": "python:3.11", "default": true, "engine": "process"},
                {"kind": "cobol:1", "engine": "process"}
            ]
        }});
        std::fs::write(&manifest, text.to_string()).expect("write the manifest");
        let owl = Setup::new()
            .one_at_a_time()
            .env("OWL_RUNTIMES", manifest.to_str().expect("a path in UTF-8"))
            .data_dir(&folder.path().join("data"))
            .start();
        let client = owl.client();
        Host {
            owl,
            client,
            folder,
        }
    }

    /// Runs an action once, with these arguments.
    pub fn run(&self, language: &Language, code: &str, arguments: &Value) -> Value {
        self.client.action("once", language.kind, code, json!({}));
        self.client.invoke("once", arguments).expect_success()
    }
}

#[test]
fn node_behaves_and_fails_as_in_a_container() {
    let host = Host::start();
    behaves_as_openwhisk_does(&host.client, &NODE);
    fails_as_openwhisk_does(&host.client, &NODE);
    assert!(host.owl.log().contains("nodejs:20 runs on this host's /"));
}

#[test]
fn python_behaves_and_fails_as_in_a_container() {
    let host = Host::start();
    behaves_as_openwhisk_does(&host.client, &PYTHON);
    fails_as_openwhisk_does(&host.client, &PYTHON);
    assert!(host.owl.log().contains("python:3.11 runs on this host's /"));
}

#[test]
fn zips_run() {
    runs_zips(&Host::start().client);
}

#[test]
fn the_default_of_the_family_is_the_hosts() {
    let host = Host::start();
    host.client
        .action("defaulted", "nodejs:default", NODE.echo, json!({}));
    let action = host.client.get("actions/defaulted").json();
    assert_eq!(action["exec"]["kind"], "nodejs:20");
    assert_eq!(
        host.client
            .invoke("defaulted", &json!({"a": 1}))
            .expect_success(),
        json!({"a": 1})
    );
}

#[test]
fn without_an_entry_nothing_runs_on_the_host() {
    let owl = Setup::new().start();
    let client = owl.client();
    for kind in ["nodejs:20", "python:3.11"] {
        client.action("refused", kind, "anything", json!({}));
        client.invoke("refused", &json!({})).expect_error(
            503,
            &format!("The kind '{kind}' needs a Docker Engine, and none answers on this gateway."),
        );
    }
    assert!(!owl.log().contains("this host"), "{}", owl.log());
}

#[test]
fn a_kind_without_an_interpreter_is_refused() {
    let host = Host::start();
    assert!(host.owl.log().contains("not cobol:1"), "{}", host.owl.log());
    host.client
        .action("unknown", "cobol:1", "anything", json!({}));
    host.client.invoke("unknown", &json!({})).expect_error(
        503,
        "The kind 'cobol:1' needs an image in this gateway's runtimes manifest: only quickjs, \
         nodejs and python kinds run as processes.",
    );
}

#[test]
fn an_action_calls_the_api_with_its_key() {
    let host = Host::start();
    let code = "const http = require('http')
function main() {
  const { __OW_API_HOST: host, __OW_API_KEY: auth } = process.env
  return new Promise((resolve, reject) => {
    http.get(`${host}/api/v1/namespaces/_/actions`, { auth }, response => {
      let body = ''
      response.on('data', part => body += part)
      response.on('end', () => resolve({ host, status: response.statusCode, actions: JSON.parse(body) }))
    }).on('error', reject)
  })
}";
    let body = json!({
        "exec": {"kind": "nodejs:20", "code": code},
        "annotations": [{"key": "provide-api-key", "value": true}]
    });
    assert_eq!(host.client.put("actions/calls", &body).status, 200);
    let seen = host.client.invoke("calls", &json!({})).expect_success();
    let url = seen["host"].as_str().expect("a URL");
    assert!(url.starts_with("http://127.0.0.1:"), "{seen}");
    assert_eq!(seen["status"], 200, "{seen}");
    assert_eq!(seen["actions"][0]["name"], "calls", "{seen}");
}

#[test]
fn an_action_that_exits_or_uses_up_memory_is_told_and_replaced() {
    let host = Host::start();
    for language in [&NODE, &PYTHON] {
        for code in [language.exits, language.allocates] {
            let answer = call(&host.client, language, code, json!({"memory": 128}));
            assert_eq!(answer.status, 502, "{code}: {answer}");
            let status = &answer.json()["response"]["status"];
            assert!(
                ["action developer error", "application error"]
                    .map(Value::from)
                    .contains(status),
                "{code}: {answer}"
            );
            let answer = call(&host.client, language, language.echo, json!({}));
            assert_eq!(answer.expect_success(), json!({}), "{}", language.kind);
        }
    }
    // A heap of V8 that is full ends the process: that is told as what it is.
    let code = "function main() { const all = []; for (;;) all.push({ n: all.length }) }";
    call(&host.client, &NODE, code, json!({"memory": 128})).expect_failure(
        502,
        "action developer error",
        &json!("The action exhausted its memory and was aborted."),
    );
    host.client.expect_alive();
}

/// What the machine says of a process: its parent, its state and when it started.
fn process(id: u32) -> Option<(u32, char, String)> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name before it may have anything in it.
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    let state = fields[0].chars().next()?;
    Some((fields[1].parse().ok()?, state, fields[19].to_owned()))
}

/// The processes below one, with their states and when they started.
fn below(id: u32) -> Vec<(u32, char, String)> {
    let all = std::fs::read_dir("/proc").expect("is there");
    let ids = all.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let all: Vec<(u32, _)> = ids.filter_map(|id| Some((id, process(id)?))).collect();
    let mut found = Vec::new();
    let mut parents = vec![id];
    while let Some(parent) = parents.pop() {
        for (id, (_, state, started)) in all.iter().filter(|(_, process)| process.0 == parent) {
            found.push((*id, *state, started.clone()));
            parents.push(*id);
        }
    }
    found
}

fn wait_for(what: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < end, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn what_an_action_leaves_running_rests_until_its_next_run() {
    let node = "let beats = 0; setInterval(() => beats++, 1); function main() { return {beats} }";
    let python = "\
import threading, time
state = {'beats': 0}
def beat():
    while True:
        time.sleep(0.001)
        state['beats'] += 1
threading.Thread(target=beat, daemon=True).start()
def main(args):
    return dict(state)
";
    let host = Host::start();
    for (kind, code) in [("nodejs:20", node), ("python:3.11", python)] {
        host.client.action("beating", kind, code, json!({}));
        let beats = || {
            let result = host.client.invoke("beating", &json!({})).expect_success();
            result["beats"].as_u64().expect("is a number")
        };
        for _ in 0..2 {
            let before = beats();
            std::thread::sleep(Duration::from_secs(3));
            let after = beats();
            // It rests after a tenth of a second, and would have beaten some 3000 times.
            let beaten = after - before;
            assert!((1..600).contains(&beaten), "{kind}: {beaten}");
        }
        host.client.delete("actions/beating");
    }
}

#[test]
fn nothing_that_rests_outlives_the_daemon() {
    let host = Host::start();
    let code = "setInterval(() => {}, 1); function main() { return {} }";
    host.client.action("left", "nodejs:20", code, json!({}));
    host.client.invoke("left", &json!({})).expect_success();
    let daemon = host.owl.id();
    let is_stopped = || below(daemon).iter().any(|(_, state, _)| *state == 'T');
    wait_for("the action rests", is_stopped);
    let left = below(daemon);
    host.owl.kill();
    wait_for("all of it is gone", || {
        left.iter().all(|(id, _, started)| {
            process(*id).is_none_or(|(_, state, now)| state == 'Z' || now != *started)
        })
    });
}
