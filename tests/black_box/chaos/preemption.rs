//! The watermarks as they are documented, on a real engine.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use super::Made;
use super::census::{Census, Count};
use crate::client::Client;
use crate::daemon::Setup;
use crate::dice::say;
use crate::docker::{Network, docker, host};
use crate::namespaces::owl_key;

/// Seconds between two checks.
const PERIOD: u64 = 2;

const PATIENCE: Duration = Duration::from_secs(60);

fn use_one(client: &Client, number: usize) {
    let target = Made::Fake.target(&format!("n{number}"), 128);
    target.create(client);
    client.invoke(&target.action, &json!({})).expect_success();
}

/// The actions that have a container, in their order.
fn actions(network: &Network) -> Vec<String> {
    let label = r#"{{index .Config.Labels "owl.action"}}"#;
    let action = |id: &String| docker(&host(), &["inspect", "--format", label, id]);
    let mut actions: Vec<String> = network.containers().iter().map(action).collect();
    actions.sort();
    actions
}

#[test]
fn of_8_at_70_and_40_percent_it_begins_at_6_and_ends_at_3() {
    let network = Network::create("preemption");
    let folder = tempfile::tempdir().expect("make a folder");
    let namespace = format!("marks{}", std::process::id());
    let census = Census::of(&host(), &namespace);
    let owl = Setup::with_docker()
        .data_dir(folder.path())
        .env("OWL_NET_NAME", network.name())
        .env("OWL_HOST_CAPACITY", "8")
        .env("OWL_ACTION_INIT_TIMEOUT", "60")
        .env("OWL_HOST_MEMORY", "4096")
        .env("OWL_PREEMPTION_ENABLED", "true")
        .env("OWL_PREEMPTION_HIGH", "0.7")
        .env("OWL_PREEMPTION_LOW", "0.4")
        .env("OWL_PREEMPTION_PERIOD", PERIOD.to_string())
        .start();
    let key = owl_key(folder.path(), &["create", &namespace], "").expect("a key");
    let client = owl.client_with(Some(key.trim()));
    for number in 1..=5 {
        use_one(&client, number);
    }
    // 5 are not more than 5.6.
    thread::sleep(Duration::from_secs(PERIOD * 2 + 1));
    assert_eq!(network.containers().len(), 5, "{}", owl.log());
    use_one(&client, 6);
    let deadline = Instant::now() + PATIENCE;
    while network.containers().len() > 3 {
        assert!(Instant::now() < deadline, "{}", owl.log());
        thread::sleep(Duration::from_millis(50));
    }
    // 3 are fewer than 3.2.
    thread::sleep(Duration::from_secs(PERIOD * 2 + 1));
    let left = actions(&network);
    let expected: Vec<String> = (4..=6)
        .map(|number| format!("{namespace}/n{number}"))
        .collect();
    assert_eq!(left, expected, "the longest idle go");
    let counts = census.counts();
    let first = counts.first().map_or(Duration::ZERO, |(at, _)| *at);
    for (at, Count { containers, memory }) in &counts {
        let at = (*at - first).as_secs_f64();
        say(&format!(
            "preemption: {at:5.1} s: {containers} containers, {memory} MB"
        ));
    }
    let so_many: Vec<usize> = counts.iter().map(|(_, count)| count.containers).collect();
    assert_eq!(so_many, [0, 1, 2, 3, 4, 5, 6, 5, 4, 3]);
    assert!(owl.terminate().0.success());
    assert_eq!(network.containers(), Vec::<String>::new());
}
