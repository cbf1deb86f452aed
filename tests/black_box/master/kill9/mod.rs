//! The power goes, again and again, while clients work and the link to the master comes and goes:
//! what was answered with success is not lost, and what the master has done is not sent again.

mod account;
mod dice;
mod load;
mod records;
mod wire;

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::journal::owl_sync;
use crate::client::Client;
use crate::daemon::{Daemon, Setup};
use crate::namespaces::owl_key;
use account::Kept;
use dice::Dice;
use load::{Ledger, Outcome, SHARED, Worker};
use records::Records;
use wire::Wire;

/// How often the power goes.
const ROUNDS: u64 = 100;

/// After how many rounds the link stays until the master has everything.
const UNTIL_HEALED: u64 = 25;

/// Longer than it takes to replay what some rounds have left, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A number from the environment.
fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is no number: {text}")),
    )
}

#[test]
fn nothing_is_lost_or_sent_twice_when_the_power_goes_again_and_again() {
    let seed = setting("OWL_TEST_SEED").unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        now.expect("a time after 1970").as_millis() as u64
    });
    let rounds = setting("OWL_TEST_ROUNDS").unwrap_or(ROUNDS);
    say(&format!(
        "kill -9: seed {seed} (OWL_TEST_SEED), {rounds} rounds"
    ));
    let mut plant = Plant::new(seed);
    for round in 1..=rounds {
        plant.round();
        if round % UNTIL_HEALED == 0 || round == rounds {
            plant.heal();
        }
    }
    say(&plant.summary());
}

/// For the log of the run: of a test that passes, nothing else is shown.
fn say(text: &str) {
    writeln!(std::io::stderr(), "{text}").ok();
}

/// A master, a gateway that is killed, the way between them, and clients.
struct Plant {
    // The gateway is gone between two rounds.
    gateway: Option<Daemon>,
    master: Daemon,
    wire: Wire,
    at_gateway: tempfile::TempDir,
    _at_master: tempfile::TempDir,
    workers: Vec<Worker>,
    dice: Dice,
    /// What has been looked at, of each client.
    seen: Vec<Seen>,
    /// Activations that the power cut has ended.
    interrupted: u64,
    /// Activations whose callers have the result, and that left no record.
    unrecorded: u64,
    /// Changes that somebody made at the master.
    theirs: u64,
}

/// How many records have been looked at.
#[derive(Default)]
struct Seen {
    accepted: usize,
    answered: usize,
    fired_here: usize,
}

impl Plant {
    fn new(seed: u64) -> Self {
        let folder = || tempfile::tempdir().expect("a folder");
        let (at_master, at_gateway) = (folder(), folder());
        let mut dice = Dice::new(seed);
        let master = Setup::new()
            .env("OWL_FIRES_PER_MINUTE", "100000")
            .data_dir(at_master.path())
            .start();
        let wire = Wire::to(master.address(), dice.below(u64::MAX));
        let workers: Vec<Worker> = (1..=3)
            .map(|number| {
                let namespace = format!("site{number}");
                let key = owl_key(at_master.path(), &["create", &namespace], "").expect("a key");
                let seed = dice.below(u64::MAX);
                Worker::new(&namespace, key.trim(), number * 1_000_000, seed)
            })
            .collect();
        let mut plant = Plant {
            gateway: None,
            master,
            wire,
            at_gateway,
            _at_master: at_master,
            seen: workers.iter().map(|_| Seen::default()).collect(),
            workers,
            dice,
            interrupted: 0,
            unrecorded: 0,
            theirs: 0,
        };
        plant.start();
        for worker in &plant.workers {
            worker.set_up(&plant.client(worker));
        }
        plant
    }

    fn start(&mut self) {
        let gateway = Setup::new()
            .env("OWL_NEXT_OPENWHISK", self.wire.url())
            .env("OWL_OFFLINE_WRITES", "journal")
            .env("OWL_REVALIDATE", "0")
            .env("OWL_FIRES_PER_MINUTE", "100000")
            .data_dir(self.at_gateway.path());
        self.gateway = Some(gateway.start());
    }

    fn gateway(&self) -> &Daemon {
        self.gateway.as_ref().expect("the gateway runs")
    }

    fn client(&self, worker: &Worker) -> Client {
        self.gateway().client_with(Some(&worker.key))
    }

    /// Lets clients work, kills the gateway, starts it again, and looks.
    fn round(&mut self) {
        // Now and then it is killed while it recovers from the last time.
        let time = match self.dice.below(10) {
            0 => self.dice.below(50),
            _ => 100 + self.dice.below(600),
        };
        let mut switches: Vec<u64> = (0..self.dice.below(3))
            .map(|_| self.dice.below(time + 1))
            .collect();
        switches.sort_unstable();
        let clients: Vec<Client> = self
            .workers
            .iter()
            .map(|worker| self.client(worker))
            .collect();
        let stop = AtomicBool::new(false);
        let gateway = self.gateway.take().expect("the gateway runs");
        thread::scope(|scope| {
            for (worker, client) in self.workers.iter_mut().zip(&clients) {
                let stop = &stop;
                scope.spawn(move || worker.work(client, stop));
            }
            let mut passed = 0;
            for at in switches {
                thread::sleep(Duration::from_millis(at - passed));
                passed = at;
                switch(&self.wire);
            }
            thread::sleep(Duration::from_millis(time - passed));
            stop.store(true, Ordering::Relaxed);
            gateway.kill();
        });
        // What it had sent comes before what it sends next, as in a network that loses nothing.
        let was_up = self.wire.is_up();
        self.wire.cut();
        if self.dice.percent(20) {
            self.change_at_master();
        }
        if self.dice.percent(if was_up { 80 } else { 40 }) {
            self.wire.restore();
        }
        self.start();
        self.look();
    }

    /// Somebody changes something at the master itself.
    fn change_at_master(&mut self) {
        let worker = &self.workers[self.dice.below(self.workers.len() as u64) as usize];
        let master = self.master.client_with(Some(&worker.key));
        let path = worker.at(&format!("{SHARED}?overwrite=true"));
        let answer = master.put(&path, &load::theirs(self.theirs));
        assert_eq!(answer.status, 200, "{answer}");
        self.theirs += 1;
    }

    /// Expects that every activation has a closed record. Those whose callers had the result
    /// already may lack theirs if they were the last before the cut: it follows the answer.
    fn look(&mut self) {
        for (worker, seen) in self.workers.iter().zip(&mut self.seen) {
            let gateway = self.gateway.as_ref().expect("the gateway runs");
            let records = Records {
                client: gateway.client_with(Some(&worker.key)),
                worker,
            };
            let Ledger {
                accepted,
                answered,
                fired_here,
                ..
            } = &worker.ledger;
            for activation in &accepted[seen.accepted..] {
                let record = records.wait_for(activation);
                self.interrupted += u64::from(records.is_interrupted(activation, &record));
            }
            let mut follows = false;
            for activation in answered[seen.answered..].iter().rev() {
                match records.find(activation) {
                    Some(record) => {
                        follows = true;
                        assert!(!records.is_interrupted(activation, &record), "{record}");
                    }
                    None if follows => panic!("{} is lost: {}", activation.id, gateway.log()),
                    None => self.unrecorded += 1,
                }
            }
            for activation in &fired_here[seen.fired_here..] {
                records.expect_followed(activation);
            }
            *seen = Seen {
                accepted: accepted.len(),
                answered: answered.len(),
                fired_here: fired_here.len(),
            };
        }
    }

    /// Waits until the master has got everything, and accounts for it.
    fn heal(&mut self) {
        self.wire.restore();
        let status = self.until_delivered();
        let sent = self.wire.sent();
        let mut problems = Vec::new();
        for worker in &self.workers {
            for (path, ops) in &worker.ledger.changes {
                let place = format!("{}/{path}", worker.namespace);
                let kept = self.kept(worker, path, &status);
                let sent: Vec<_> = sent
                    .iter()
                    .filter(|sent| sent.path == place)
                    .cloned()
                    .collect();
                for problem in account::problems(ops, &sent, &kept) {
                    problems.push(format!("{place}: {problem}"));
                }
                problems.extend(self.difference(worker, path));
            }
            // The master may still be about it.
            let deadline = Instant::now() + PATIENCE;
            let mut undelivered = self.undelivered(worker);
            while !undelivered.is_empty() && Instant::now() < deadline {
                thread::sleep(Duration::from_millis(200));
                undelivered = self.undelivered(worker);
            }
            problems.extend(undelivered);
        }
        let log = self.gateway().log();
        assert!(problems.is_empty(), "{}\n{status}", problems.join("\n"));
        assert!(!log.contains("panicked"), "{log}");
    }

    /// Waits until no write and no fired trigger waits for the master; gives what came to nothing.
    fn until_delivered(&self) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let info = self.gateway().client().get("/").json();
            let waiting = |what: &str| info["master"][what]["waiting"].as_u64().expect("a number");
            if waiting("journal") + waiting("fires") == 0 {
                return owl_sync(self.at_gateway.path(), &["status"]).expect("a status");
            }
            assert!(Instant::now() < deadline, "not delivered: {info}");
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// What came to nothing of the changes of an entity.
    fn kept(&self, worker: &Worker, path: &str, status: &str) -> Kept {
        let (collection, name) = path.split_once('/').expect("a collection and a name");
        let entity = format!("{collection} {}/{name} ", worker.namespace);
        let mut kept = Kept::default();
        let mut lines = status.lines().peekable();
        while let Some(line) = lines.next() {
            if !line.contains(&entity) {
                continue;
            }
            kept.puts += usize::from(line.contains(" PUT "));
            kept.deletions += usize::from(line.contains(" DELETE "));
            while let Some(more) = lines.next_if(|line| line.starts_with(' ')) {
                let Some(beside) = more.trim().strip_prefix("kept as ") else {
                    continue;
                };
                let beside = beside.split_once('/').expect("a namespace").1;
                let path = worker.at(&format!("{collection}/{beside}"));
                let shown = self.client(worker).get(&path);
                assert_eq!(shown.status, 200, "{path}: {shown}");
                kept.tokens.extend(load::token_in(&shown.json()));
            }
        }
        kept
    }

    /// What is wrong with the fired triggers that are the master's: each is delivered, and followed
    /// once however often it is sent.
    fn undelivered(&self, worker: &Worker) -> Vec<String> {
        let records = Records {
            client: self.master.client_with(Some(&worker.key)),
            worker,
        };
        let fired = &worker.ledger.fired_away;
        let lost = fired.iter().filter(|fired| records.find(fired).is_none());
        let lost = lost.map(|fired| format!("{} ({}) is lost", fired.id, fired.nonce));
        let runs = records.runs("away");
        let missing = fired
            .iter()
            .filter(|fired| !runs.contains_key(&fired.nonce));
        let missing =
            missing.map(|fired| format!("{} ({}) is not followed", fired.id, fired.nonce));
        let twice = runs.iter().filter(|(_, times)| **times > 1);
        let twice = twice.map(|(nonce, times)| format!("{nonce} is followed {times} times"));
        lost.chain(missing).chain(twice).collect()
    }

    /// How the gateway and the master differ in an entity.
    fn difference(&self, worker: &Worker, path: &str) -> Option<String> {
        let path = worker.at(path);
        let here = self.client(worker).get(&path);
        let there = self.master.client_with(Some(&worker.key)).get(&path);
        let same =
            here.status == there.status && (here.status != 200 || here.json() == there.json());
        (!same).then(|| format!("{path}: here {here}, at the master {there}"))
    }

    fn summary(&self) -> String {
        let mut statuses: BTreeMap<u16, u64> = BTreeMap::new();
        let (mut made, mut unknown, mut answered, mut accepted, mut here, mut away) =
            (0, 0, 0, 0, 0, 0);
        for worker in &self.workers {
            let ledger = &worker.ledger;
            for op in ledger.changes.values().flatten() {
                made += u64::from(op.outcome == Outcome::Made);
                unknown += u64::from(op.outcome == Outcome::Unknown);
            }
            answered += ledger.answered.len();
            accepted += ledger.accepted.len();
            here += ledger.fired_here.len();
            away += ledger.fired_away.len();
            for (status, count) in &ledger.statuses {
                *statuses.entry(*status).or_default() += count;
            }
        }
        let sent = self.wire.sent();
        let done = sent.iter().filter(|sent| sent.done()).count();
        let kept = owl_sync(self.at_gateway.path(), &["status"]).expect("a status");
        let kept = kept
            .lines()
            .filter(|line| line.contains("superseded") || line.contains("failed"));
        format!(
            "kill -9: {made} writes answered with success, {unknown} without an answer; {} sent to \
             the master, {done} done there, {} came to nothing; {answered} activations answered \
             ({} without a record), {accepted} accepted ({} interrupted); {here} triggers \
             fired for rules here, {away} for the master; statuses (0: none): {statuses:?}",
            sent.len(),
            kept.count(),
            self.unrecorded,
            self.interrupted,
        )
    }
}

/// Cuts a link or mends it.
fn switch(wire: &Wire) {
    if wire.is_up() {
        wire.cut();
    } else {
        wire.restore();
    }
}
