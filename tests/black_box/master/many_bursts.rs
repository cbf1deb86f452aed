//! Many callers at once of a gateway that has one sandbox, before a tier that has more: both are
//! real, and the results are as large as they may be.

use std::collections::BTreeSet;
use std::thread;

use serde_json::{Value, json};

use super::Link;
use crate::client::Client;
use crate::daemon::{Daemon, Setup};

/// Callers at the same time.
const CALLERS: usize = 50;

/// Bytes of each result: nearly the most that an action may give.
const LARGE: usize = 1_000_000;

/// What a gateway may have at its peak: all results at once, each in three places, would be more.
const MOST: u64 = 128 << 20;

/// Keeps its sandbox for a while, and gives back what it was called with among much else.
const WORK: &str = "function main(a) { const end = Date.now() + 100; while (Date.now() < end) {} \
                    return { who: a.who, n: a.n, text: String(a.n % 10).repeat(a.length) } }";

/// The tier that a record says it ran on, if any.
fn tier(record: &Value) -> Option<&str> {
    let annotations = record["annotations"].as_array().expect("annotations");
    let found = annotations
        .iter()
        .find(|found| found["key"] == "owl-tier")?;
    found["value"]["url"].as_str()
}

/// Makes the action, which says who has it.
fn make(client: &Client, who: &str) {
    let body = json!({
        "exec": {"kind": "quickjs:1", "code": WORK},
        "parameters": [{"key": "who", "value": who}, {"key": "length", "value": LARGE}],
    });
    let answer = client.put("actions/work", &body);
    assert_eq!(answer.status, 200, "{answer}");
}

/// Calls from all callers at once: the records that they were answered with, and the number that
/// each has called with.
fn call_at_once(gateway: &Daemon) -> Vec<(usize, Value)> {
    thread::scope(|scope| {
        let call = |n| move || (n, gateway.client().invoke("work", &json!({"n": n})));
        let callers: Vec<_> = (0..CALLERS).map(|n| scope.spawn(call(n))).collect();
        let answers = callers
            .into_iter()
            .map(|caller| caller.join().expect("a caller"));
        let records = answers.map(|(n, answer)| {
            assert_eq!(answer.status, 200, "{n}: {}", answer.status);
            (n, answer.json())
        });
        records.collect()
    })
}

#[test]
fn all_callers_of_a_full_gateway_are_answered_once() {
    let above = Setup::new().start();
    let link = Link::to(above.address());
    let gateway = Setup::new()
        .one_at_a_time()
        .env("OWL_TIERS", link.url())
        .env("OWL_DELEGATE_ON_FAILURE", "true")
        // It waits for 300 ms: time for some to run here.
        .env("OWL_RETRIES_NUMBER", "3")
        .start();
    let (here, there) = (gateway.client(), above.client());
    make(&here, "here");
    make(&there, "there");
    let records = call_at_once(&gateway);

    let mut ids = BTreeSet::new();
    let mut away = 0;
    for (n, record) in &records {
        let result = &record["response"]["result"];
        let at = tier(record);
        let who = if at.is_some() { "there" } else { "here" };
        assert_eq!((&result["n"], &result["who"]), (&json!(n), &json!(who)));
        let text = result["text"].as_str().expect("a text");
        assert!(text.len() == LARGE && text.bytes().all(|byte| byte == b'0' + (n % 10) as u8));
        let id = record["activationId"].as_str().expect("an id");
        assert!(ids.insert(id), "{id} is there twice");
        away += usize::from(at == Some(&*link.url()));
        // What is stored tells the same.
        let stored = here.activation(id);
        assert!(stored["response"] == record["response"] && tier(&stored) == at);
    }
    // The tier has run those that say so, each once, and nothing else.
    let ran: BTreeSet<u64> = numbers(&there);
    let said: BTreeSet<u64> = records
        .iter()
        .filter(|(_, record)| tier(record).is_some())
        .map(|(n, _)| *n as u64)
        .collect();
    assert_eq!(ran, said);
    let peak = gateway.peak_memory();
    println!("{away} of {CALLERS} ran on the tier, {} MiB", peak >> 20);
    assert!(away > 0 && away == said.len());
    assert!(peak < MOST, "the daemon had {} MiB", peak >> 20);
}

/// The numbers that a server has run the action for, each of which it has run it for once.
fn numbers(client: &Client) -> BTreeSet<u64> {
    let list = client.get("activations?name=work&limit=200").json();
    let list = list.as_array().expect("a list");
    let ran = list.iter().map(|entry| {
        let record = client.activation(entry["activationId"].as_str().expect("an id"));
        record["response"]["result"]["n"]
            .as_u64()
            .expect("a number")
    });
    let all: Vec<u64> = ran.collect();
    let once: BTreeSet<u64> = all.iter().copied().collect();
    assert_eq!(once.len(), all.len(), "{all:?}");
    once
}
