//! Clients that invoke without pause, and keep an account of what they sent and what came back.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use surf::http::Method;

use super::runs::Runs;
use crate::client::{Client, as_json};
use crate::dice::Dice;
use crate::invocation::annotation;

/// How long after the last answer a record may be missing. Many times what it takes.
const PATIENCE: Duration = Duration::from_secs(90);

/// What is invoked.
#[derive(Clone, Debug)]
pub struct Target {
    /// Name of the action.
    pub action: String,
    /// What runs it, as in an action's `exec`.
    pub exec: Value,
    /// MB.
    pub memory: u32,
    /// Whether its runs are counted.
    pub tells: bool,
}

impl Target {
    /// Makes the action, or changes it.
    pub fn create(&self, client: &Client) {
        let limits = json!({"memory": self.memory, "timeout": 10_000});
        let body = json!({"exec": self.exec, "limits": limits});
        let answer = client.put(&format!("actions/{}?overwrite=true", self.action), &body);
        assert_eq!(answer.status, 200, "create {}: {answer}", self.action);
    }
}

/// One invocation, and what came back at once.
#[derive(Clone, Debug)]
pub struct Sent {
    /// What its run tells.
    token: u64,
    /// Whether its run tells it.
    tells: bool,
    /// Whether the result was waited for.
    blocking: bool,
    /// What it was told to do; none: to answer.
    told: Option<&'static str>,
    /// HTTP status; none: no answer.
    pub status: Option<u16>,
    /// Id of its activation.
    id: Option<String>,
    /// What was answered, or why nothing was.
    text: String,
}

/// What was sent, by one client or by all.
#[derive(Default)]
pub struct Ledger {
    /// All of it, in order.
    pub sent: Vec<Sent>,
}

/// Invokes, and counts.
pub struct Load<'a> {
    /// Where runs tell.
    pub runs: &'a Runs,
    /// Where containers reach this machine.
    pub gateway: &'a Mutex<String>,
    /// The last token.
    pub tokens: &'a AtomicU64,
}

impl Load<'_> {
    /// Invokes one action.
    pub fn send(
        &self,
        client: &Client,
        target: &Target,
        blocking: bool,
        told: Option<&'static str>,
        pause: u64,
    ) -> Sent {
        let token = self.tokens.fetch_add(1, Ordering::Relaxed) + 1;
        let mut arguments = json!({"token": token, "pause": pause as f64 / 1000.0});
        if target.tells {
            let gateway = self.gateway.lock().expect("the address");
            arguments["tell"] = self.runs.tell(&gateway).into();
        }
        if let Some(told) = told {
            arguments["do"] = told.into();
        }
        let query = if blocking { "?blocking=true" } else { "" };
        let path = format!("actions/{}{query}", target.action);
        let answer = client.attempt(Method::Post, &path, &[], Some(as_json(&arguments)));
        let mut sent = Sent {
            token,
            tells: target.tells,
            blocking,
            told,
            status: None,
            id: None,
            text: String::new(),
        };
        match answer {
            Ok(answer) => {
                sent.status = Some(answer.status);
                sent.id = answer
                    .header("X-OpenWhisk-Activation-Id")
                    .map(str::to_owned);
                sent.text = String::from_utf8_lossy(&answer.body)
                    .chars()
                    .take(600)
                    .collect();
            }
            Err(problem) => sent.text = problem,
        }
        sent
    }

    /// Invokes until it is told to stop: what it chooses by chance. Whoever is refused waits a
    /// little, as clients do.
    pub fn work(
        &self,
        client: &Client,
        targets: &[Target],
        dice: &mut Dice,
        stop: &AtomicBool,
    ) -> Ledger {
        let mut ledger = Ledger::default();
        while !stop.load(Ordering::Relaxed) {
            let target = dice.of(targets);
            let told = dice.percent(3).then_some("app-error");
            let told = told.filter(|_| target.tells);
            let pause = if dice.percent(10) { dice.below(300) } else { 0 };
            let sent = self.send(client, target, dice.percent(60), told, pause);
            let refused = sent
                .status
                .is_none_or(|status| status == 429 || status == 503);
            ledger.sent.push(sent);
            let rest = dice.below(if refused { 200 } else { 50 });
            thread::sleep(Duration::from_millis(rest));
        }
        ledger
    }
}

/// What came of many invocations.
#[derive(Clone, Debug, Default)]
pub struct Accounts {
    /// How many were sent.
    pub sent: u64,
    /// How many were answered.
    pub answered: u64,
    /// How many were accepted without their result.
    pub accepted: u64,
    /// How many ended so, by their records or by the status that refused them.
    pub outcomes: BTreeMap<String, u64>,
    /// Neither answered, nor accepted and recorded.
    pub lost: Vec<String>,
    /// Run twice, or with a result but without a run.
    pub wrong: Vec<String>,
    /// The longest time that one waited for a sandbox, in ms, by its record.
    pub longest_wait: u64,
}

impl Accounts {
    /// Looks at what has become of what was sent: waits for the records of all that was accepted.
    pub fn of(client: &Client, runs: &Runs, ledger: &Ledger) -> Accounts {
        let mut accounts = Accounts::default();
        let deadline = Instant::now() + PATIENCE;
        for sent in &ledger.sent {
            accounts.add(client, runs, sent, deadline);
        }
        accounts
    }

    /// Adds those of others.
    pub fn extend(&mut self, other: Accounts) {
        self.sent += other.sent;
        self.answered += other.answered;
        self.accepted += other.accepted;
        for (outcome, count) in other.outcomes {
            *self.outcomes.entry(outcome).or_default() += count;
        }
        self.lost.extend(other.lost);
        self.wrong.extend(other.wrong);
        self.longest_wait = self.longest_wait.max(other.longest_wait);
    }

    fn add(&mut self, client: &Client, runs: &Runs, sent: &Sent, deadline: Instant) {
        self.sent += 1;
        let Some(status) = sent.status else {
            return self.lost.push(format!("{sent:?}"));
        };
        self.answered += 1;
        self.accepted += u64::from(status == 202);
        let outcome = match (status, &sent.id) {
            (200 | 202 | 500 | 502, Some(id)) => match record(client, id, deadline) {
                // What was accepted may have begun only while its record was waited for.
                Some(record) => self.recorded(sent, runs.of(sent.token), &record),
                None => return self.lost.push(format!("no record: {sent:?}")),
            },
            (429 | 503, _) => {
                if runs.of(sent.token) > 0 {
                    self.wrong.push(format!("refused, and run: {sent:?}"));
                }
                status.to_string()
            }
            _ => return self.wrong.push(format!("not an answer to this: {sent:?}")),
        };
        let ran = runs.of(sent.token);
        if ran > 1 {
            self.wrong.push(format!("run {ran} times: {sent:?}"));
        }
        *self.outcomes.entry(outcome).or_default() += 1;
    }

    fn recorded(&mut self, sent: &Sent, ran: u32, record: &Value) -> String {
        let status = record["response"]["status"].as_str().unwrap_or_default();
        let waited = annotation(record, "waitTime").and_then(|value| value.as_u64());
        self.longest_wait = self.longest_wait.max(waited.unwrap_or(0));
        let result = &record["response"]["result"];
        if sent.blocking && sent.status == Some(200) && status != "success" {
            self.wrong.push(format!(
                "answered as a success: {sent:?}, recorded as {record}"
            ));
        }
        if status == "success" && sent.tells && ran != 1 {
            self.wrong
                .push(format!("a success after {ran} runs: {sent:?}"));
        }
        // What it was given, in the words of each kind of action.
        let given = [&result["token"], &result["run"]["value"]["token"]];
        if status == "success" && !given.contains(&&json!(sent.token)) {
            self.wrong
                .push(format!("somebody else's result: {sent:?}, {record}"));
        }
        if status == "application error" && sent.told != Some("app-error") {
            self.wrong.push(format!(
                "an error that nobody asked for: {sent:?}, {record}"
            ));
        }
        status.to_owned()
    }

    /// Expects that nothing was lost and nothing done twice.
    pub fn expect_right(&self, log: &str) {
        let problems: Vec<&String> = self.lost.iter().chain(&self.wrong).take(20).collect();
        assert!(problems.is_empty(), "{self}\n{problems:#?}\n{log}");
    }
}

impl std::fmt::Display for Accounts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Accounts {
            sent,
            answered,
            accepted,
            outcomes,
            lost,
            wrong,
            longest_wait,
        } = self;
        let (lost, wrong) = (lost.len(), wrong.len());
        write!(
            f,
            "{sent} sent, {answered} answered, {accepted} of them accepted without a result; \
             {outcomes:?}; lost: {lost}, wrong: {wrong}; the longest wait for a sandbox: \
             {longest_wait} ms"
        )
    }
}

/// The record of an activation; none: it does not come.
fn record(client: &Client, id: &str, deadline: Instant) -> Option<Value> {
    loop {
        let answer = client.get(&format!("activations/{id}"));
        if answer.status == 200 {
            return Some(answer.json());
        }
        if Instant::now() > deadline {
            return None;
        }
        thread::sleep(Duration::from_millis(20));
    }
}
