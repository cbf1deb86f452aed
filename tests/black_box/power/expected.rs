//! What clients know at each moment, and whether a daemon has it.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use serde_json::json;

use super::journal::Event;
use super::work::{CLIENTS, KEPT, TOKEN, entity};
use crate::client::Client;

/// Records that blocking calls of the other clients may leave after one that came later.
const BESIDE: usize = (CLIENTS as usize - 1) * 3;

/// How long a start may take to run what was left.
const PATIENCE: Duration = Duration::from_secs(60);

/// What must be in the store after a cut.
#[derive(Debug, Default)]
pub struct Expected {
    /// By path: the numbers of the changes that may be the last; 0 is a deletion.
    entities: BTreeMap<String, Vec<u64>>,
    /// Ids by what they were given to say: accepted ones, and answered ones.
    accepted: BTreeMap<u64, String>,
    answered: BTreeMap<u64, String>,
    /// Those whose records follow their answers.
    told: BTreeMap<u64, String>,
    /// Records that were shown.
    shown: BTreeMap<String, Value>,
    /// By call: the records that calls before it leave, and those of them that may come after its.
    begun: BTreeMap<u64, (usize, usize)>,
    /// Records that the calls so far leave.
    records: usize,
    /// Those of them that nobody has waited for.
    later: usize,
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
            ["calls", nonce, how] => {
                let (records, when) = how.split_once(' ').expect("how many, and when");
                let before = (self.records, self.later);
                self.begun.insert(number(nonce), before);
                let records = number(records) as usize;
                self.records += records;
                self.later += if when == "later" { records } else { 0 };
            }
            ["rests"] => self.later = 0,
            ["started"] => (),
            ["accepted", nonce, id] => {
                self.accepted.insert(number(nonce), id.into());
            }
            ["answered", nonce, id] => {
                self.answered.insert(number(nonce), id.into());
            }
            ["told", nonce, id] => _ = self.told.insert(number(nonce), id.into()),
            ["shown", id, record] => {
                let record = serde_json::from_str(record).expect("a record");
                self.shown.insert(id.into(), record);
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

    /// The call that has an id, if its answer has told that.
    fn call_of(&self, id: &str) -> Option<u64> {
        let answered = self.answered.iter().chain(&self.told);
        let mut all = self.accepted.iter().chain(answered);
        all.find(|(_, known)| *known == id).map(|(nonce, _)| *nonce)
    }

    /// Whether the record of a call cannot have gone for those that came after it.
    fn is_kept(&self, nonce: u64) -> bool {
        let (before, later) = self.begun[&nonce];
        self.records - before + later + BESIDE < KEPT
    }

    /// Holds a daemon on a rebuilt folder to it.
    ///
    /// # Errors
    /// What is missing or wrong.
    pub fn check(&self, client: &Client) -> Result<(), String> {
        at_rest(client)?;
        for (nonce, id) in &self.accepted {
            if self.is_kept(*nonce) {
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
        for (nonce, id) in &self.answered {
            if self.is_kept(*nonce) {
                let answer = client.get(&format!("activations/{id}"));
                if answer.status != 200 || answer.json()["response"]["result"]["nonce"] != *nonce {
                    return Err(format!("answered with {nonce}: {answer}"));
                }
            }
        }
        for (id, record) in &self.shown {
            if self.call_of(id).is_some_and(|nonce| self.is_kept(nonce)) {
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
        for name in ["echo", "slow", "sequence"]
            .into_iter()
            .filter(|_| self.is_ready)
        {
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
pub fn at_rest(client: &Client) -> Result<(), String> {
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
