//! Kinds whose image changes, while containers of theirs are warm and busy.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Gateway;
use crate::daemon::Setup;
use crate::docker::{Network, docker, host};
use crate::status::wait_for;

/// The image of the tests that does what it is told.
const FIRST: &str = "owl-test/fake-runtime:test";

/// The same image under a name of the test's own.
struct Second(String);

impl Second {
    fn tag() -> Self {
        let name = format!("owl-test/fake-runtime:again-{}", std::process::id());
        docker(&host(), &["tag", FIRST, &name]);
        Second(name)
    }
}

impl Drop for Second {
    fn drop(&mut self) {
        docker(&host(), &["rmi", &self.0]);
    }
}

/// Tells callers to end when it goes.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A manifest with a kind that stays as it is, and one with this image.
fn manifest(image: &str) -> String {
    let (prefix, rest) = image.split_once('/').expect("a prefix");
    let (name, tag) = rest.split_once(':').expect("a tag");
    let of = |kind: &str, name: &str, tag: &str| {
        json!({"kind": kind, "concurrent": false, "default": true,
            "image": {"prefix": prefix, "name": name, "tag": tag}})
    };
    let (stays, changes) = (
        of("stays:1", "fake-runtime", "test"),
        of("fake:1", name, tag),
    );
    json!({"runtimes": {"stays": [stays], "fake": [changes]}}).to_string()
}

/// Waits until all containers of an action are of an image, and there is one.
fn wait_for_image(network: &Network, action: &str, image: &str) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let images = images_of(network, action);
        if images == [image] {
            return;
        }
        assert!(Instant::now() < deadline, "{action}: {images:?}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// The images that the containers of an action are of, as the engine tells.
fn images_of(network: &Network, action: &str) -> Vec<String> {
    let format = r#"{{index .Config.Labels "owl.action"}} {{.Config.Image}}"#;
    let containers = network.containers().into_iter();
    let told = containers.filter_map(|container| {
        let told =
            crate::docker::docker_if_it_can(&host(), &["inspect", "--format", format, &container])?;
        let (of, image) = told.split_once(' ')?;
        (of == format!("guest/{action}")).then(|| image.to_owned())
    });
    told.collect()
}

#[test]
fn busy_containers_of_a_changed_image_finish_and_warm_ones_are_replaced() {
    let (network, second) = (Network::create("hup"), Second::tag());
    let place = tempfile::tempdir().expect("a folder");
    let runtimes = place.path().join("runtimes.json");
    let write = |image: &str| {
        std::fs::write(&runtimes, manifest(image)).expect("write the manifest");
    };
    write(FIRST);
    let settings = [
        // Nothing has to make room: a call may come before the last one's container is free.
        ("OWL_HOST_CAPACITY", "30"),
        ("OWL_HOST_MEMORY", "4096"),
        ("OWL_INVOCATIONS_PER_MINUTE", "100000"),
        ("OWL_RUNTIMES", runtimes.to_str().expect("UTF-8")),
    ];
    let setup = Setup::with_docker().env("OWL_NET_NAME", network.name());
    let mut gateway = Gateway::start_with(setup, &settings);
    let small = json!({"memory": 128, "timeout": 60_000});
    for (action, kind) in [
        ("warm", "fake:1"),
        ("busy", "fake:1"),
        ("other", "stays:1"),
        ("load0", "fake:1"),
        ("load1", "stays:1"),
    ] {
        gateway.client.action(action, kind, "{}", small.clone());
    }
    let runs = |answer: &Value| {
        let result = &answer["response"]["result"];
        (result["inits"].clone(), result["runs"].clone())
    };
    for action in ["warm", "other"] {
        let answer = gateway.client.invoke(action, &json!({})).json();
        assert_eq!(runs(&answer), (json!(1), json!(1)), "{answer}");
    }
    let busy = gateway.client.fire("busy", &json!({"pause": 8}));
    wait_for(gateway.folder.path(), "one is busy", |told| {
        told["pool"]["busy"] == 1
    });
    let (stop, answered) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        let callers: Vec<_> = (0..2)
            .map(|n| {
                let (client, stop, answered) = (gateway.owl.client(), &stop, &answered);
                scope.spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        let answer = client.invoke(&format!("load{n}"), &json!({}));
                        let success = &answer.json()["response"]["success"];
                        assert_eq!(success, true, "{answer}");
                        answered.fetch_add(1, Ordering::Relaxed);
                        thread::sleep(Duration::from_millis(50));
                    }
                })
            })
            .collect();
        // They end also if something is not as it should be.
        let ends = Ends(&stop);
        let more = |what: &str| {
            let before = answered.load(Ordering::Relaxed);
            let deadline = Instant::now() + Duration::from_secs(90);
            while answered.load(Ordering::Relaxed) < before + 10 {
                let ended = callers.iter().any(thread::ScopedJoinHandle::is_finished);
                assert!(!ended && Instant::now() < deadline, "no answers {what}");
                thread::sleep(Duration::from_millis(10));
            }
        };
        more("at first");
        write(&second.0);
        let told = gateway.hang_up();
        assert!(told.contains("kinds of the manifest: fake:1"), "{told}");
        more("after it");
        // The warm one is replaced, the one whose kind has not changed is not.
        let answer = gateway.client.invoke("warm", &json!({})).json();
        assert_eq!(runs(&answer), (json!(1), json!(1)), "{answer}");
        wait_for_image(&network, "warm", &second.0);
        let answer = gateway.client.invoke("other", &json!({})).json();
        assert_eq!(runs(&answer), (json!(1), json!(2)), "{answer}");
        // The busy one comes to its end where it is.
        let record = gateway.client.activation(&busy);
        assert_eq!(record["response"]["success"], true, "{record}");
        assert_eq!(runs(&record), (json!(1), json!(1)), "{record}");
        let answer = gateway.client.invoke("busy", &json!({})).json();
        assert_eq!(runs(&answer), (json!(1), json!(1)), "a new one: {answer}");
        wait_for_image(&network, "busy", &second.0);
        more("in the end");
        drop(ends);
        for caller in callers {
            caller
                .join()
                .expect("every call is answered as it should be");
        }
    });
    let told = gateway.status();
    assert_eq!(told["tally"]["refused"], 0, "{told:#}");
    let Gateway { owl, .. } = gateway;
    let (status, log) = owl.terminate();
    assert!(status.success(), "{log}");
    assert!(network.containers().is_empty(), "{log}");
}
