//! What clients do with a daemon that is recorded, and what they tell its journal.

use std::path::Path;

use serde_json::{Value, json};
use surf::http::Method;

use super::journal::mark;
use crate::client::{Client, as_json};
use crate::dice::Dice;

/// Clients at the same time.
pub const CLIENTS: u64 = 3;

/// What each of them does in one life of the daemon.
const STEPS: u64 = 40;

/// Activation records that the recorded daemon keeps: the oldest of them go while it works.
pub const KEPT: usize = 120;

/// The annotation with the number of the change that made an entity.
pub const TOKEN: &str = "token";

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
        let action = *self.dice.of(&["echo", "echo", "slow", "sequence"]);
        let records = if action == "sequence" { 3 } else { 1 };
        let when = if blocking { "now" } else { "later" };
        self.tell(&format!("calls {number} {records} {when}"));
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
        } else {
            self.tell(&format!("told {number} {id}"));
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
    let components = json!(["/guest/echo", "/guest/echo"]);
    let sequence = json!({"exec": {"kind": "sequence", "components": components}});
    let answer = client.put("actions/sequence", &sequence);
    assert_eq!(answer.status, 200, "{answer}");
    mark(journal, "ready");
}

/// The body that makes an entity.
pub fn entity(collection: &str, token: u64) -> Value {
    let mut body = json!({"annotations": [{"key": TOKEN, "value": token}]});
    if collection == "actions" {
        // Some of the sizes that the store treats each in its own way.
        let filler = "/".repeat([10, 3000, 9000, 40_000][token as usize % 4]);
        let code = format!("function main() {{ return {{ token: {token} }} }} //{filler}");
        body["exec"] = json!({"kind": "quickjs:1", "code": code});
    }
    body
}
