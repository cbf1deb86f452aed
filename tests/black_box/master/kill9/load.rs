//! A client that does all sorts of things, and remembers what it was answered.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use surf::http::Method;

use super::{Checked, account};
use crate::client::{Answer, Client, as_json};
use crate::dice::Dice;

/// The annotation with the number of the change that made an entity.
const TOKEN: &str = "token";

/// What each client changes. Nobody but it does, except for [`SHARED`].
const OWN: [&str; 7] = [
    "actions/a",
    "actions/b",
    "actions/c",
    "actions/in/a",
    "packages/p",
    "triggers/t",
    "rules/r",
];

/// What somebody changes at the master, too.
pub const SHARED: &str = "actions/shared";

/// What is done to an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is created or replaced.
    Put,
    /// It is deleted.
    Delete,
    /// A rule is enabled or disabled.
    Status,
}

/// What the client knows of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was answered with success.
    Made,
    /// It was answered that it was not made.
    Refused,
    /// There was no answer, or one that says that it may have been made.
    Unknown,
}

/// A change.
#[derive(Clone, Debug)]
pub struct Op {
    /// Its number, which grows.
    pub token: u64,
    pub change: Change,
    pub outcome: Outcome,
}

/// An activation that was accepted.
#[derive(Clone, Debug)]
pub struct Accepted {
    pub id: String,
    /// What it was given to say.
    pub nonce: u64,
}

impl Accepted {
    fn new(answer: &Value, nonce: u64) -> Self {
        let id = answer["activationId"].as_str().expect("an id");
        Accepted {
            id: id.into(),
            nonce,
        }
    }
}

/// What a client remembers.
#[derive(Default)]
pub struct Ledger {
    /// By `collection/name`, in order.
    pub changes: BTreeMap<&'static str, Vec<Op>>,
    /// Invocations that were answered: after they have run, and before.
    pub answered: Vec<Accepted>,
    pub accepted: Vec<Accepted>,
    /// Fired triggers whose rules are followed here, and those that are the master's.
    pub fired_here: Vec<Accepted>,
    pub fired_away: Vec<Accepted>,
    /// How often there was which status; 0: no answer.
    pub statuses: BTreeMap<u16, u64>,
}

/// A client of one namespace.
pub struct Worker {
    pub namespace: String,
    pub key: String,
    pub ledger: Ledger,
    dice: Dice,
    next: u64,
}

impl Worker {
    /// The numbers of its changes begin behind `first`.
    pub fn new(namespace: &str, key: &str, first: u64, seed: u64) -> Self {
        Worker {
            namespace: namespace.into(),
            key: key.into(),
            ledger: Ledger::default(),
            dice: Dice::new(seed),
            next: first,
        }
    }

    /// The path of something of its namespace.
    pub fn at(&self, path: &str) -> String {
        format!("/api/v1/namespaces/{}/{path}", self.namespace)
    }

    /// What the others need, and what does not change.
    pub fn set_up(&self, gateway: &Client) {
        let echo = "function main(a) { return { nonce: a.nonce } }";
        let slow = "function main(a) { return new Promise(resolve => \
                    setTimeout(() => resolve({ nonce: a.nonce }), 150)) }";
        let mut away = action(echo);
        away["annotations"] = json!([{"key": "owl-placement", "value": "cloud"}]);
        for (path, body) in [
            ("packages/in", json!({})),
            ("actions/echo", action(echo)),
            ("actions/slow", action(slow)),
            ("actions/away", away),
            ("triggers/base", json!({})),
            ("triggers/to-here", json!({})),
            ("triggers/to-away", json!({})),
            ("rules/follows-here", self.rule("to-here", "echo")),
            ("rules/follows-away", self.rule("to-away", "away")),
        ] {
            let answer = gateway.put(&self.at(path), &body);
            assert_eq!(answer.status, 200, "{path}: {answer}");
        }
        for name in ["to-here", "to-away"] {
            let answer = gateway.get(&self.at(&format!("triggers/{name}")));
            assert_eq!(answer.status, 200, "{name}: {answer}");
        }
        for name in ["echo", "slow"] {
            let path = self.at(&format!("actions/{name}?blocking=true"));
            let answer = gateway.post(&path, &json!({"nonce": 0}));
            assert_eq!(answer.status, 200, "{name}: {answer}");
        }
    }

    /// Does one thing after another until it is told to stop, or there is no answer.
    pub fn work(&mut self, gateway: &Client, stop: &AtomicBool) -> Checked {
        while !stop.load(Ordering::Relaxed) {
            let goes_on = match self.dice.below(100) {
                0..10 => self.change(gateway),
                10..50 => self.invoke(gateway, true),
                50..58 => self.fire(gateway, "to-here"),
                58..64 => self.fire(gateway, "to-away"),
                _ => self.invoke(gateway, false),
            };
            if !goes_on? {
                break;
            }
        }
        Ok(())
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn send(
        &mut self,
        gateway: &Client,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Option<Answer> {
        let body = (method != Method::Delete).then(|| as_json(body));
        let answer = gateway.attempt(method, &self.at(path), &[], body).ok();
        let status = answer.as_ref().map_or(0, |answer| answer.status);
        *self.ledger.statuses.entry(status).or_default() += 1;
        answer
    }

    fn change(&mut self, gateway: &Client) -> Checked<bool> {
        let chosen = self.dice.below(OWN.len() as u64 + 1) as usize;
        let path = OWN.get(chosen).copied().unwrap_or(SHARED);
        let token = self.number();
        let last = self.ledger.changes.get(path).and_then(|ops| ops.last());
        // What may be there or not is replaced, so that what comes of it is known.
        let is_there =
            last.is_some_and(|op| op.outcome == Outcome::Made && op.change != Change::Delete);
        let is_gone =
            last.is_none_or(|op| op.outcome == Outcome::Made && op.change == Change::Delete);
        let chance = self.dice.below(100);
        let (change, method, target, body) = match chance {
            0..25 if is_there && path != SHARED => {
                (Change::Delete, Method::Delete, path.to_owned(), Value::Null)
            }
            25..50 if is_there && path.starts_with("rules") => {
                let status = ["active", "inactive"][(token % 2) as usize];
                (
                    Change::Status,
                    Method::Post,
                    path.to_owned(),
                    json!({"status": status}),
                )
            }
            50.. if is_gone && path != SHARED => (
                Change::Put,
                Method::Put,
                path.to_owned(),
                self.body(path, token),
            ),
            _ => {
                let target = format!("{path}?overwrite=true");
                (Change::Put, Method::Put, target, self.body(path, token))
            }
        };
        let answer = self.send(gateway, method, &target, &body);
        let outcome = match answer.as_ref().map(|answer| answer.status) {
            Some(200) => Outcome::Made,
            Some(503 | 429) => Outcome::Refused,
            None | Some(502) => Outcome::Unknown,
            Some(_) => {
                let answer = answer.expect("an answer");
                let ops = self.ledger.changes.get(path).map_or(&[][..], Vec::as_slice);
                let before = account::course(ops, &[]);
                return Err(format!(
                    "{change:?} of {target} {token}: {answer}\n{before}"
                ));
            }
        };
        let ops = self.ledger.changes.entry(path).or_default();
        ops.push(Op {
            token,
            change,
            outcome,
        });
        Ok(answer.is_some())
    }

    fn body(&self, path: &str, token: u64) -> Value {
        let mut body = match path.split('/').next() {
            Some("actions") => action(&format!(
                "function main() {{ return {{ token: {token} }} }}"
            )),
            Some("rules") => self.rule("base", "echo"),
            _ => json!({}),
        };
        body["annotations"] = json!([{"key": TOKEN, "value": token}]);
        body
    }

    fn rule(&self, trigger: &str, action: &str) -> Value {
        let at = |name: &str| format!("/{}/{name}", self.namespace);
        json!({"trigger": at(trigger), "action": at(action)})
    }

    fn fire(&mut self, gateway: &Client, name: &str) -> Checked<bool> {
        let nonce = self.number();
        let path = format!("triggers/{name}");
        let Some(answer) = self.send(gateway, Method::Post, &path, &json!({"nonce": nonce})) else {
            return Ok(false);
        };
        if answer.status != 202 {
            return Err(format!("{path} {nonce}: {answer}"));
        }
        let accepted = Accepted::new(&answer.json(), nonce);
        match name {
            "to-here" => self.ledger.fired_here.push(accepted),
            _ => self.ledger.fired_away.push(accepted),
        }
        Ok(true)
    }

    fn invoke(&mut self, gateway: &Client, blocking: bool) -> Checked<bool> {
        let nonce = self.number();
        let action = ["echo", "slow"][self.dice.percent(15) as usize];
        let path = format!("actions/{action}?blocking={blocking}");
        let Some(answer) = self.send(gateway, Method::Post, &path, &json!({"nonce": nonce})) else {
            return Ok(false);
        };
        let shown = answer.json();
        let is_right = match blocking {
            true => answer.status == 200 && shown["response"]["result"]["nonce"] == nonce,
            false => answer.status == 202,
        };
        if !is_right {
            return Err(format!("{path} {nonce}: {answer}"));
        }
        let accepted = Accepted::new(&shown, nonce);
        match blocking {
            true => self.ledger.answered.push(accepted),
            false => self.ledger.accepted.push(accepted),
        }
        Ok(true)
    }
}

fn action(code: &str) -> Value {
    json!({"exec": {"kind": "quickjs:1", "code": code}})
}

/// The body of a change that somebody makes at the master.
pub fn theirs(token: u64) -> Value {
    let mut body = action("function main() { return { theirs: true } }");
    body["annotations"] = json!([{"key": TOKEN, "value": token}]);
    body
}

/// The number of the change that made an entity, or that a request makes.
pub fn token_in(document: &Value) -> Option<u64> {
    let annotations = document["annotations"].as_array()?;
    let token = annotations
        .iter()
        .find(|annotation| annotation["key"] == TOKEN)?;
    token["value"].as_u64()
}
