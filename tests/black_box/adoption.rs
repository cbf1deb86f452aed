//! A daemon that is killed, and what the next one does with its containers.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::daemon::Setup;
use crate::docker::{Network, docker, host, manifest};

/// The runtimes manifest of the tests with a stem cell of the kind `fake:1`.
fn with_a_stem_cell(folder: &Path) -> String {
    let text = std::fs::read_to_string(manifest()).expect("read the manifest of the tests");
    let mut text: Value = serde_json::from_str(&text).expect("it is JSON");
    text["runtimes"]["fake"][0]["stemCells"] = json!([{"initialCount": 1, "memory": "128 MB"}]);
    let file = folder.join("runtimes.json");
    std::fs::write(&file, text.to_string()).expect("write the manifest");
    file.to_str().expect("a path in UTF-8").to_owned()
}

fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < deadline, "not so after a minute: {what}");
        thread::sleep(Duration::from_millis(50));
    }
}

fn inspect(container: &str, format: &str) -> String {
    docker(&host(), &["inspect", "--format", format, container])
}

/// Whether the kernel was told to stop a container's processes.
fn is_frozen(container: &str) -> bool {
    let process = inspect(container, "{{.State.Pid}}");
    let cgroups = std::fs::read_to_string(format!("/proc/{process}/cgroup")).unwrap_or_default();
    let files = cgroups.lines().flat_map(|line| {
        let path = line.rsplit(':').next().unwrap_or_default();
        [
            ("unified", "cgroup.freeze"),
            ("", "cgroup.freeze"),
            ("freezer", "freezer.self_freezing"),
        ]
        .map(|(mount, file)| PathBuf::from(format!("/sys/fs/cgroup/{mount}{path}/{file}")))
    });
    files
        .into_iter()
        .any(|file| std::fs::read_to_string(file).is_ok_and(|text| text.trim() == "1"))
}

/// The container that was started for an action of `guest`; none with `None` is a stem cell.
fn container_of(network: &Network, action: Option<&str>) -> Option<String> {
    let label = r#"{{index .Config.Labels "owl.action"}}"#;
    let wanted = action.map_or(String::new(), |action| format!("guest/{action}"));
    let containers = network.containers().into_iter();
    containers
        .rev()
        .find(|container| inspect(container, label) == wanted)
}

fn has_init_time(record: &Value) -> bool {
    let annotations = record["annotations"].as_array().expect("a list");
    annotations.iter().any(|each| each["key"] == "initTime")
}

#[test]
fn what_was_idle_when_a_daemon_was_killed_is_used_further() {
    let network = Network::create("adoption");
    let folder = tempfile::tempdir().expect("make a folder");
    let data = folder.path().join("data");
    let setup = Setup::with_docker()
        .data_dir(&data)
        .env("OWL_NET_NAME", network.name())
        .env("OWL_RUNTIMES", with_a_stem_cell(folder.path()))
        // The same for both daemons, whose ports are not the same.
        .env("OWL_API_HOST", "http://192.0.2.1:3233")
        .env("OWL_FREEZE_AFTER", "1");
    let owl = setup.clone().start();
    let client = owl.client();
    wait_until("the stem cell is there", || {
        container_of(&network, None).is_some()
    });
    let small = json!({"memory": 256});
    for name in ["warm", "changed", "busy"] {
        client.action(name, "fake:1", "{}", small.clone());
    }
    for runs in 1..=2 {
        for name in ["warm", "changed"] {
            let result = client.invoke(name, &json!({})).expect_success();
            assert_eq!(result["runs"], runs);
        }
    }
    let container = |name| container_of(&network, Some(name)).expect("it has one");
    let (warm, changed) = (container("warm"), container("changed"));
    wait_until("the idle ones are frozen", || {
        is_frozen(&warm) && is_frozen(&changed)
    });
    let stem = container_of(&network, None).expect("it is there");
    let running = client.fire("busy", &json!({"do": "sleep"}));
    let is_running = || client.get(&format!("activations/{running}")).status == 404;
    wait_until("the run has a container", || {
        is_running() && container_of(&network, Some("busy")).is_some()
    });
    // Until the run has been sent to it.
    thread::sleep(Duration::from_secs(2));
    let busy = container("busy");
    owl.kill();
    let left = network.containers();
    assert!([&warm, &changed, &busy].iter().all(|id| left.contains(id)));

    // Meanwhile nobody has changed an action; afterwards somebody has.
    let owl = setup.start();
    let client = owl.client();
    // A call that comes at once waits until it is known what is there.
    let answer = client.invoke("warm", &json!({})).json();
    let result = &answer["response"]["result"];
    assert_eq!((&result["inits"], &result["runs"]), (&json!(1), &json!(3)));
    assert!(!has_init_time(&answer), "{answer}");
    assert_eq!(container_of(&network, Some("warm")), Some(warm));
    wait_until(
        "what may be busy is gone, and so is the old stem cell",
        || {
            let left = network.containers();
            !left.contains(&busy) && !left.contains(&stem)
        },
    );
    let closed = client.activation(&running);
    assert_eq!(closed["response"]["status"], "whisk internal error");
    client.put(
        "actions/changed?overwrite=true",
        &json!({"exec": {"kind": "fake:1", "code": "{}"}}),
    );
    let answer = client.invoke("changed", &json!({})).json();
    assert_eq!(
        answer["response"]["result"]["runs"], 1,
        "new code, new container"
    );
    assert!(has_init_time(&answer), "{answer}");
    wait_until("the old one is gone", || {
        !network.containers().contains(&changed)
    });
    // The busy one runs again, in a container of its own.
    let answer = client.invoke("busy", &json!({})).json();
    assert_eq!(answer["response"]["result"]["inits"], 1);
    let (status, log) = owl.terminate();
    assert!(status.success(), "{log}");
    wait_until("nothing is left", || network.containers().is_empty());
}

#[test]
fn what_is_idle_when_a_daemon_gives_way_is_used_further() {
    let network = Network::create("succession");
    let folder = tempfile::tempdir().expect("make a folder");
    let setup = Setup::with_docker()
        .data_dir(&folder.path().join("data"))
        .env("OWL_NET_NAME", network.name())
        .env("OWL_RUNTIMES", with_a_stem_cell(folder.path()))
        .env("OWL_API_HOST", "http://192.0.2.1:3233");
    let owl = setup.clone().start();
    let client = owl.client();
    wait_until("the stem cell is there", || {
        container_of(&network, None).is_some()
    });
    client.action("warm", "fake:1", "{}", json!({"memory": 256}));
    let code = "function main() { return new Promise(done => setTimeout(done, 3000, {})) }";
    client.action("busy", "nodejs:node-proxy", code, json!({}));
    client.invoke("warm", &json!({})).expect_success();
    let warm = container_of(&network, Some("warm")).expect("it has one");
    let stem = container_of(&network, None).expect("it is there");
    client.action("stemmed", "fake:1", "{}", json!({"memory": 128}));
    client.invoke("stemmed", &json!({})).expect_success();
    assert_eq!(container_of(&network, Some("stemmed")), None);
    let running = client.fire("busy", &json!({}));
    wait_until("the run has a container", || {
        container_of(&network, Some("busy")).is_some()
    });
    let busy = container_of(&network, Some("busy")).expect("it has one");
    let (status, log) = owl.end(Signal::SIGUSR2);
    assert_eq!(status.code(), Some(75), "{log}");
    // It was not idle for long enough to be frozen before, and the run has ended meanwhile.
    let mut left = network.containers();
    left.sort();
    let mut expected = vec![warm.clone(), busy, stem];
    expected.sort();
    assert_eq!(left, expected, "{log}");
    assert!(left.iter().all(|container| is_frozen(container)));

    let owl = setup.start();
    let client = owl.client();
    for name in ["warm", "stemmed"] {
        let answer = client.invoke(name, &json!({})).json();
        let result = &answer["response"]["result"];
        let counts = (&result["inits"], &result["runs"]);
        assert_eq!(counts, (&json!(1), &json!(2)), "{name}");
        assert!(!has_init_time(&answer), "{name}: {answer}");
    }
    let log = owl.log();
    assert!(log.contains("3 of 3 sandboxes"), "{log}");
    let ended = client.activation(&running);
    assert_eq!(ended["response"]["status"], "success", "{ended}");
    let (status, log) = owl.terminate();
    assert!(status.success(), "{log}");
    wait_until("nothing is left", || network.containers().is_empty());
}
