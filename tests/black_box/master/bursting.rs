//! Actions that run on a tier because the gateway cannot run them, or because they want to.

use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Both, Fake, Link, Reply};
use crate::client::{Answer, Client};
use crate::daemon::{Daemon, Setup};

/// Says which gateway runs it, which it is told by a parameter of its own, and what it is given.
const WHO: &str = "function main(a) { console.log('ran'); return { who: a.who, n: a.n } }";

/// Keeps its sandbox for as long as it is told.
const BUSY: &str = "function main(a) { const end = Date.now() + a.millis; \
                    while (Date.now() < end) {} return { done: true } }";

/// Makes an action on a gateway, with a placement and its own name as a parameter.
fn make(client: &Client, name: &str, who: &str, placement: Option<&str>) {
    let placement = placement.map(|value| json!({"key": "owl-placement", "value": value}));
    let body = json!({
        "exec": {"kind": "quickjs:1", "code": WHO},
        "parameters": [{"key": "who", "value": who}],
        "annotations": placement.into_iter().collect::<Vec<_>>(),
    });
    let answer = client.put(&format!("actions/{name}?overwrite=true"), &body);
    assert_eq!(answer.status, 200, "{answer}");
}

/// What the record of an activation says about its place.
fn place(record: &Value) -> Value {
    let annotations = record["annotations"].as_array().expect("annotations");
    let found = annotations.iter().find(|found| found["key"] == "owl-tier");
    found.map_or(Value::Null, |found| found["value"].clone())
}

/// A gateway that does not run actions, before these tiers.
fn before(tiers: &[&Link]) -> Setup {
    let urls: Vec<String> = tiers.iter().map(|tier| tier.url()).collect();
    Setup::new()
        .env("OWL_TIERS", urls.join(","))
        .env("OWL_DELEGATE_ON_FAILURE", "true")
}

fn ran(answer: &Answer, who: &str) -> Value {
    assert_eq!(answer.expect_success(), json!({"who": who, "n": 1}));
    answer.json()
}

#[test]
fn a_gateway_that_is_full_hands_on() {
    let tier = Setup::new().start();
    let link = Link::to(tier.address());
    let gateway = before(&[&link])
        .one_at_a_time()
        .env("OWL_QUEUE_LENGTH", "0")
        .env("OWL_DRAIN_TIMEOUT", "1")
        .start();
    let (here, there) = (gateway.client(), tier.client());
    make(&here, "who", "here", None);
    make(&there, "who", "there", None);
    here.action("busy", "quickjs:1", BUSY, json!({"timeout": 60_000}));
    // It has the only place when it is accepted.
    here.fire("busy", &json!({"millis": 50_000}));
    // Nothing waits here.
    let answer = here.invoke("who", &json!({"n": 1}));
    let record = ran(&answer, "there");
    let at = place(&record);
    assert_eq!(
        (&at["url"], &at["reason"]),
        (&json!(link.url()), &json!("queue-full"))
    );
    let id = record["activationId"].as_str().unwrap();
    assert_ne!(at["activationId"], id);
    let stored = here.activation(id);
    assert_eq!(stored["logs"].as_array().map(Vec::len), Some(1), "{stored}");
    let away = there.activation(at["activationId"].as_str().unwrap());
    assert_eq!(
        (&away["logs"], &away["duration"]),
        (&stored["logs"], &stored["duration"])
    );

    // One that nobody waits for, a sequence and a rule go the same way.
    let id = here.fire("who", &json!({"n": 1}));
    assert_eq!(here.activation(&id)["response"]["result"]["who"], "there");
    let parts = json!({"exec": {"kind": "sequence", "components": ["/_/who"]}});
    assert_eq!(here.put("actions/parts", &parts).status, 200);
    ran(&here.invoke("parts", &json!({"n": 1})), "there");
    assert_eq!(there.get("activations?name=parts").json(), json!([]));
    assert_eq!(here.put("triggers/t", &json!({})).status, 200);
    let rule = json!({"trigger": "/_/t", "action": "/_/who"});
    assert_eq!(here.put("rules/r", &rule).status, 200);
    assert_eq!(here.post("triggers/t", &json!({"n": 1})).status, 202);
    let from_rule = || {
        let list = here.get("activations?name=who&docs=true").json();
        let all = list.as_array().expect("a list").clone();
        all.into_iter()
            .filter(|record| place(record)["url"] == link.url())
            .count()
    };
    while from_rule() < 4 {
        thread::sleep(Duration::from_millis(20));
    }

    let page = here.get("/metrics").body;
    let page = String::from_utf8_lossy(&page).into_owned();
    let counted = format!(
        "owl_delegated_total{{tier=\"{}\",reason=\"queue-full\"}} 4",
        link.url()
    );
    assert!(page.contains(&counted), "{page}");
}

#[test]
fn a_tier_that_is_gone_is_passed_by_and_none_is_an_honest_error() {
    let tier = Setup::new().start();
    let (near, far) = (Link::to("127.0.0.1:1"), Link::to(tier.address()));
    let gateway = before(&[&near, &far]).env("OWL_HOST_CAPACITY", "0").start();
    let (here, there) = (gateway.client(), tier.client());
    for (client, who) in [(&here, "here"), (&there, "there")] {
        make(client, "who", who, None);
        make(client, "edge", who, Some("edge-only"));
    }
    let record = ran(&here.invoke("who", &json!({"n": 1})), "there");
    assert_eq!(place(&record)["url"], far.url());
    assert_eq!(place(&record)["reason"], "no-capacity");
    let text = "This gateway does not run actions (its host capacity is 0).";
    assert_eq!(here.invoke("edge", &json!({})).error(503), text);

    far.cut();
    // The first one may find out.
    here.invoke("who", &json!({"n": 1}));
    let answer = here.invoke("who", &json!({"n": 1}));
    let told = answer.error(503);
    assert!(
        told.starts_with(text) && told.contains("out of reach"),
        "{told}"
    );
    assert_eq!(here.post("actions/who", &json!({})).status, 503);
    far.restore();
    while here.invoke("who", &json!({"n": 1})).status != 200 {
        thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_kind_that_only_the_master_has() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("runtimes.json");
    let kinds = [
        json!({"kind": "quickjs:1", "engine": "process", "default": true}),
        json!({"kind": "quickjs:2", "engine": "process"}),
    ];
    let manifest = json!({"runtimes": {"quickjs": kinds}});
    std::fs::write(&file, manifest.to_string()).unwrap();
    let both = Both::of(
        Setup::new().env("OWL_RUNTIMES", file.to_str().unwrap()),
        Setup::new().env("OWL_DELEGATE_ON_FAILURE", "true"),
    );
    let (gateway, master) = both.clients();
    let body = json!({
        "exec": {"kind": "quickjs:2", "code": WHO},
        "parameters": [{"key": "who", "value": "master"}],
    });
    assert_eq!(gateway.put("actions/who", &body).status, 200);
    let record = ran(&gateway.invoke("who", &json!({"n": 1})), "master");
    assert_eq!(place(&record)["reason"], "kind", "{record}");
    gateway.activation(record["activationId"].as_str().unwrap());
    // Once in the list, though both have a record of it.
    let list = gateway.get("activations?name=who").json();
    assert_eq!(list.as_array().map(Vec::len), Some(1), "{list}");
    assert_eq!(
        master
            .get("activations?name=who")
            .json()
            .as_array()
            .map(Vec::len),
        Some(1)
    );
}

#[test]
fn two_that_are_each_others_tier_do_not_go_round() {
    let (to_first, to_second) = (Link::nowhere(), Link::nowhere());
    let start = |tier: &Link| before(&[tier]).env("OWL_HOST_CAPACITY", "0").start();
    let (first, second): (Daemon, Daemon) = (start(&to_second), start(&to_first));
    to_first.lead_to(first.address());
    to_second.lead_to(second.address());
    let clients = [first.client(), second.client()];
    for client in &clients {
        make(client, "who", "somebody", None);
    }
    let activations = |client: &Client| {
        let counted = client.get("activations?count=true").json();
        counted["activations"].as_u64().unwrap()
    };
    loop {
        let before = activations(&clients[1]);
        let answer = clients[0].invoke("who", &json!({}));
        assert!([500, 503].contains(&answer.status), "{answer}");
        let told = answer.to_string();
        if told.contains("circle") {
            // Each has tried once. What was refused at once has no record.
            while activations(&clients[1]) == before {
                thread::sleep(Duration::from_millis(20));
            }
            assert_eq!(activations(&clients[1]), before + 1);
            break;
        }
        // One of them was away when the other started.
        assert!(
            told.contains("out of reach") || told.contains("reached"),
            "{told}"
        );
        thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn what_actions_say_of_their_place() {
    let (near, far) = (Setup::new().start(), Setup::new().start());
    let links = [Link::to(near.address()), Link::to(far.address())];
    let gateway = before(&[&links[0], &links[1]])
        .env("OWL_DELEGATE_ON_FAILURE", "false")
        .start();
    let here = gateway.client();
    for (client, who) in [
        (&here, "here"),
        (&near.client(), "near"),
        (&far.client(), "far"),
    ] {
        for placement in ["cloud", "any", "edge-only", "prefer-edge", "elsewhere"] {
            make(client, placement, who, Some(placement));
        }
    }
    for placement in ["edge-only", "prefer-edge", "elsewhere", "elsewhere"] {
        let record = ran(&here.invoke(placement, &json!({"n": 1})), "here");
        assert_eq!(place(&record), Value::Null);
    }
    assert_eq!(gateway.log().matches("owl-placement is").count(), 1);
    let record = ran(&here.invoke("cloud", &json!({"n": 1})), "far");
    assert_eq!(place(&record)["reason"], "cloud");
    // Wherever it is, the record says so.
    let answer = here.invoke("any", &json!({"n": 1}));
    let who = answer.json()["response"]["result"]["who"].clone();
    let at = place(&answer.json());
    let expected = match who.as_str() {
        Some("near") => json!(links[0].url()),
        Some("far") => json!(links[1].url()),
        _ => Value::Null,
    };
    assert_eq!(
        (&at["url"], &at["reason"]),
        (&expected, &json!("earliest")),
        "{who}"
    );
    links.iter().for_each(Link::cut);
    here.invoke("cloud", &json!({"n": 1}));
    let told = here.invoke("cloud", &json!({"n": 1})).error(503);
    assert!(
        told.contains("owl-placement") && told.contains("out of reach"),
        "{told}"
    );
    while place(&ran(&here.invoke("any", &json!({"n": 1})), "here"))["reason"] != "earliest" {}
}

#[test]
fn an_answer_that_breaks_off_is_not_repeated_elsewhere() {
    let fake = Fake::start(|_| Reply::Close);
    let tier = Setup::new().start();
    let far = Link::to(tier.address());
    let gateway = Setup::new()
        .env("OWL_TIERS", format!("{},{}", fake.url(), far.url()))
        .env("OWL_DELEGATE_ON_FAILURE", "true")
        .env("OWL_HOST_CAPACITY", "0")
        .start();
    let (here, there) = (gateway.client(), tier.client());
    for client in [&here, &there] {
        make(client, "who", "somebody", None);
    }
    let answer = here.invoke("who", &json!({"n": 1}));
    assert_eq!(answer.status, 500, "{answer}");
    let error = answer.json()["response"]["result"]["error"].to_string();
    assert!(error.contains("not repeated"), "{error}");
    assert_eq!(there.get("activations").json(), json!([]));
    assert_eq!(fake.seen().len(), 1);
}
