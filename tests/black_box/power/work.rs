//! What clients do with a daemon that is recorded, and what they know at each moment of it.

use std::collections::BTreeMap;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use surf::http::Method;

use super::journal::{Event, mark};
use crate::client::{Client, as_json};
use crate::dice::Dice;

/// Clients at the same time.
pub const CLIENTS: u64 = 3;

/// What each of them does in one life of the daemon.
const STEPS: u64 = 40;

/// Activation records that the recorded daemon keeps: the oldest of them go while it works.
pub const KEPT: usize = 60;

/// By how much the order in which calls were begun may differ from that of their records.
const SLACK: usize = 20;

/// How long a start may take to run what was left.
const PATIENCE: Duration = Duration::from_secs(60);

/// The annotation with the number of the change that made an entity.
const TOKEN: &str = "token";

/// One of them.
pub struct Worker<'a> {
    pub client: Client,
    pub journal: &'a Path,
    /// Which client it is: nobody else changes its entities.
    pub number: u64,
    pub dice: Dice,
    /// Whether an answer means that the record is on the disk.
    pub durable_answers: bool,
}

impl Worker<'_> {
    /// Does one thing after another. `first` is the first of the numbers that it gives to them.
    pub fn work(&mut self, first: u64) {
        let mut ids: Vec<String> = Vec::new();
        for number in first..first + STEPS {
            match self.dice.below(100) {
                0..35 => ids.extend(self.call(number, false)),
                35..60 => ids.extend(self.call(number, true)),
                60..78 => self.change(number, false),
                78..85 => self.change(number, true),
                _ if ids.is_empty() => (),
                _ => {
                    let id = self.dice.of(&ids).clone();
                    self.look(&id);
                }
            }
        }
    }

    fn tell(&self, text: &str) {
        mark(self.journal, text);
    }

    fn call(&mut self, number: u64, blocking: bool) -> Option<String> {
        self.tell("calls");
        let action = ["echo", "slow"][usize::from(self.dice.percent(20))];
        let path = format!("actions/{action}?blocking={blocking}");
        let answer = self.client.post(&path, &json!({"nonce": number}));
        let status = if blocking { 200 } else { 202 };
        assert_eq!(answer.status, status, "{answer}");
        let answer = answer.json();
        let id = answer["activationId"].as_str().expect("an id");
        if !blocking {
            self.tell(&format!("accepted {number} {id}"));
        } else if self.durable_answers {
            self.tell(&format!("answered {number} {id}"));
        }
        Some(id.into())
    }

    fn change(&mut self, number: u64, deletes: bool) {
        // No two collections have the same name.
        let (collection, prefix) =
            *self
                .dice
                .of(&[("actions", "a"), ("triggers", "t"), ("packages", "p")]);
        let which = self.dice.below(2);
        let path = format!("{collection}/{prefix}{}-{which}", self.number);
        let (method, target, body) = match deletes {
            true => (Method::Delete, path.clone(), None),
            false => {
                let body = entity(collection, number);
                let target = format!("{path}?overwrite=true");
                (Method::Put, target, Some(as_json(&body)))
            }
        };
        let token = if deletes { 0 } else { number };
        self.tell(&format!("begins {path} {token}"));
        let answer = self.client.send(method, &target, &[], body);
        match (answer.status, deletes) {
            (200, _) | (404, true) => self.tell(&format!("has {path} {token}")),
            _ => panic!("{target}: {answer}"),
        }
    }

    fn look(&self, id: &str) {
        let answer = self.client.get(&format!("activations/{id}"));
        match answer.status {
            200 => self.tell(&format!("shown {id} {}", answer.json())),
            // Not yet, or not any more.
            404 => (),
            _ => panic!("{answer}"),
        }
    }
}

/// Makes what all of them call.
pub fn set_up(client: &Client, journal: &Path) {
    let slow = "function main(a) { return new Promise(resolve => \
                setTimeout(() => resolve({ nonce: a.nonce }), 40)) }";
    for (name, code) in [
        ("echo", "function main(a) { return { nonce: a.nonce } }"),
        ("slow", slow),
    ] {
        client.action(name, "quickjs:1", code, json!({}));
    }
    mark(journal, "ready");
}

fn entity(collection: &str, token: u64) -> Value {
    let mut body = json!({"annotations": [{"key": TOKEN, "value": token}]});
    if collection == "actions" {
        // Some of the sizes that the store treats each in its own way.
        let filler = "/".repeat([10, 3000, 9000, 40_000][token as usize % 4]);
        let code = format!("function main() {{ return {{ token: {token} }} }} //{filler}");
        body["exec"] = json!({"kind": "quickjs:1", "code": code});
    }
    body
}

/// What must be in the store after a cut.
#[derive(Debug, Default)]
pub struct Expected {
    /// By path: the numbers of the changes that may be the last; 0 is a deletion.
    entities: BTreeMap<String, Vec<u64>>,
    /// Ids by what they were given to say: accepted ones, and answered ones.
    accepted: BTreeMap<u64, (usize, String)>,
    answered: BTreeMap<u64, (usize, String)>,
    /// Records that were shown.
    shown: BTreeMap<String, (usize, Value)>,
    /// Calls so far.
    calls: usize,
    is_ready: bool,
}

impl Expected {
    /// After these events.
    pub fn after(events: &[Event]) -> Self {
        let mut expected = Expected::default();
        for event in events {
            if let Event::Mark(text) = event {
                expected.learn(text);
            }
        }
        expected
    }

    fn learn(&mut self, text: &str) {
        let words: Vec<&str> = text.splitn(3, ' ').collect();
        let number = |text: &str| text.parse::<u64>().expect("a number");
        match words[..] {
            ["ready"] => self.is_ready = true,
            ["calls"] => self.calls += 1,
            ["accepted", nonce, id] => {
                let call = (self.calls, id.into());
                self.accepted.insert(number(nonce), call);
            }
            ["answered", nonce, id] => {
                let call = (self.calls, id.into());
                self.answered.insert(number(nonce), call);
            }
            ["shown", id, record] => {
                let record = serde_json::from_str(record).expect("a record");
                let first = self.calls_of(id);
                self.shown.insert(id.into(), (first, record));
            }
            // The one before it has been answered.
            ["begins", path, token] => {
                let states = self.entities.entry(path.into()).or_insert_with(|| vec![0]);
                states.push(number(token));
            }
            ["has", path, token] => _ = self.entities.insert(path.into(), vec![number(token)]),
            _ => panic!("not understood: {text}"),
        }
    }

    /// How many calls had been begun when this one was answered.
    fn calls_of(&self, id: &str) -> usize {
        let all = self.accepted.values().chain(self.answered.values());
        all.into_iter()
            .find(|(_, known)| known == id)
            .map_or(0, |(calls, _)| *calls)
    }

    /// Whether a record cannot have gone for those that came after it.
    fn is_kept(&self, calls: usize) -> bool {
        self.calls - calls + SLACK < KEPT
    }

    /// Holds a daemon on a rebuilt folder to it.
    ///
    /// # Errors
    /// What is missing or wrong.
    pub fn check(&self, client: &Client) -> Result<(), String> {
        at_rest(client)?;
        for (nonce, (calls, id)) in &self.accepted {
            if self.is_kept(*calls) {
                let answer = client.get(&format!("activations/{id}"));
                if answer.status != 200 {
                    return Err(format!("accepted with {nonce}: {answer}"));
                }
                let record = answer.json();
                let response = &record["response"];
                let is_stopped = response["result"]["error"]
                    .as_str()
                    .is_some_and(|error| error.contains("it was not repeated"));
                if response["result"]["nonce"] != *nonce && !is_stopped {
                    return Err(format!("accepted with {nonce}: {record}"));
                }
            }
        }
        for (nonce, (calls, id)) in &self.answered {
            if self.is_kept(*calls) {
                let answer = client.get(&format!("activations/{id}"));
                if answer.status != 200 || answer.json()["response"]["result"]["nonce"] != *nonce {
                    return Err(format!("answered with {nonce}: {answer}"));
                }
            }
        }
        for (id, (calls, record)) in &self.shown {
            if self.is_kept(*calls) {
                let answer = client.get(&format!("activations/{id}"));
                if answer.status != 200 || answer.json() != *record {
                    return Err(format!("was {record}, is {answer}"));
                }
            }
        }
        for (path, states) in &self.entities {
            let state = state_of(client, path)?;
            if !states.contains(&state) {
                return Err(format!("{path} is that of {state}, not of {states:?}"));
            }
        }
        for name in ["echo", "slow"].into_iter().filter(|_| self.is_ready) {
            let answer = client.get(&format!("actions/{name}"));
            if answer.status != 200 {
                return Err(format!("{name}: {answer}"));
            }
        }
        let answer = client.put("packages/afterwards", &json!({}));
        match answer.status {
            200 => Ok(()),
            _ => Err(format!("a change afterwards: {answer}")),
        }
    }
}

/// Waits until everything that the start has found to run has run, and is stored.
fn at_rest(client: &Client) -> Result<(), String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = client.get("/activation");
        if answer.status == 200 && answer.json() == 0 {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(format!("still running: {answer}"));
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// The number of the change that made what is there, 0 if there is nothing.
fn state_of(client: &Client, path: &str) -> Result<u64, String> {
    let answer = client.get(path);
    if answer.status == 404 {
        return Ok(0);
    }
    if answer.status != 200 {
        return Err(format!("{path}: {answer}"));
    }
    let shown = answer.json();
    let annotations = shown["annotations"].as_array().into_iter().flatten();
    let token = annotations
        .filter(|annotation| annotation["key"] == TOKEN)
        .find_map(|annotation| annotation["value"].as_u64())
        .ok_or_else(|| format!("{path} without a number: {shown}"))?;
    if let Some(code) = shown["exec"]["code"].as_str()
        && entity("actions", token)["exec"]["code"] != code
    {
        return Err(format!("{path} of {token} has other code"));
    }
    Ok(token)
}
