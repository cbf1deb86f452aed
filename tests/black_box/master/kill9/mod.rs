//! The power goes, again and again, while clients work and the link to the master comes and goes:
//! what was answered with success is not lost, and what the master has done is not sent again.

mod account;
mod load;
mod patience;
mod records;
mod wire;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::journal::owl_sync;
use crate::client::Client;
use crate::daemon::{Daemon, Setup};
use crate::dice::{Dice, say, seed, setting};
use crate::namespaces::owl_key;
use account::Kept;
use load::{Ledger, Outcome, SHARED, Worker};
use patience::Patience;
use records::Records;
use wire::Wire;

/// How often the power goes.
const ROUNDS: u64 = 100;

/// After how many rounds the link stays until the master has everything.
const UNTIL_HEALED: u64 = 25;

/// How many lines of a gateway's log are told of a failure.
const LOG_LINES: usize = 60;

/// What has come of something; if it is not as it should be, what is wrong.
type Checked<T = ()> = Result<T, String>;

#[test]
fn nothing_is_lost_or_sent_twice_when_the_power_goes_again_and_again() {
    let seed = seed();
    let rounds = setting("OWL_TEST_ROUNDS").unwrap_or(ROUNDS);
    let run = format!("kill -9: seed {seed} (OWL_TEST_SEED), {rounds} rounds");
    say(&run);
    println!("{run}");
    let mut plant = Plant::new(seed);
    for round in 1..=rounds {
        let heals = round % UNTIL_HEALED == 0 || round == rounds;
        if let Err(problem) = plant.round(heals) {
            let logs = plant.logs();
            panic!("seed {seed}, round {round} of {rounds}: {problem}\n{logs}");
        }
    }
    say(&plant.summary());
}

/// A master, a gateway that is killed, the way between them, and clients.
struct Plant {
    // The gateway is gone between two rounds.
    gateway: Option<Daemon>,
    /// What the gateway before it has logged.
    log_before: String,
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
            log_before: String::new(),
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

    /// Lets clients work, kills the gateway, starts it again, and looks; if it is to heal, also at
    /// what has got to the master in the end.
    fn round(&mut self, heals: bool) -> Checked {
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
        let worked: Checked = thread::scope(|scope| {
            let mut working = Vec::new();
            for (worker, client) in self.workers.iter_mut().zip(&clients) {
                let stop = &stop;
                working.push(scope.spawn(move || worker.work(client, stop)));
            }
            let mut passed = 0;
            for at in switches {
                thread::sleep(Duration::from_millis(at - passed));
                passed = at;
                switch(&self.wire);
            }
            thread::sleep(Duration::from_millis(time - passed));
            stop.store(true, Ordering::Relaxed);
            self.log_before = gateway.log();
            gateway.kill();
            let worked = working.into_iter().map(|worked| {
                let worked = worked.join();
                worked.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            });
            worked.collect()
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
        worked?;
        self.look()?;
        if heals { self.heal() } else { Ok(()) }
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
    fn look(&mut self) -> Checked {
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
                let record = records.wait_for(activation)?;
                self.interrupted += u64::from(records.is_interrupted(activation, &record)?);
            }
            let mut follows = false;
            for activation in answered[seen.answered..].iter().rev() {
                match records.find(activation)? {
                    Some(record) => {
                        follows = true;
                        if records.is_interrupted(activation, &record)? {
                            return Err(format!("it was answered with its result: {record}"));
                        }
                    }
                    None if follows => return Err(format!("{} is lost", activation.id)),
                    None => self.unrecorded += 1,
                }
            }
            for activation in &fired_here[seen.fired_here..] {
                records.expect_followed(activation)?;
            }
            *seen = Seen {
                accepted: accepted.len(),
                answered: answered.len(),
                fired_here: fired_here.len(),
            };
        }
        Ok(())
    }

    /// Waits until the master has got everything, and accounts for it.
    fn heal(&self) -> Checked {
        self.wire.restore();
        let status = self.until_delivered()?;
        let sent = self.wire.sent();
        let mut problems = Vec::new();
        for worker in &self.workers {
            for (path, ops) in &worker.ledger.changes {
                let place = format!("{}/{path}", worker.namespace);
                let kept = self.kept(worker, path, &status)?;
                let sent: Vec<_> = sent
                    .iter()
                    .filter(|sent| sent.path == place)
                    .cloned()
                    .collect();
                let mut wrong = account::problems(ops, &sent, &kept);
                wrong.extend(self.difference(worker, path)?);
                if !wrong.is_empty() {
                    let (wrong, course) = (wrong.join("; "), account::course(ops, &sent));
                    problems.push(format!("{place}: {wrong}\n{course}"));
                }
            }
            // The master may still be about it.
            let mut patience = Patience::default();
            let mut undelivered = self.undelivered(worker)?;
            while !undelivered.is_empty() && patience.lasts(undelivered.len()) {
                undelivered = self.undelivered(worker)?;
            }
            problems.extend(undelivered);
        }
        if !problems.is_empty() {
            return Err(format!("{}\n{status}", problems.join("\n")));
        }
        match self.gateway().log().contains("panicked") {
            true => Err("the gateway has panicked".into()),
            false => Ok(()),
        }
    }

    /// Waits until no write and no fired trigger waits for the master, and it is known to be there;
    /// gives what came to nothing.
    fn until_delivered(&self) -> Checked<String> {
        let mut patience = Patience::default();
        loop {
            let master = self.gateway().client().get("/").json()["master"].take();
            let waiting = |what: &str| master[what]["waiting"].as_u64().expect("a number");
            let waiting = waiting("journal") + waiting("fires");
            let is_up = master["state"] == "up";
            if waiting == 0 && is_up {
                return owl_sync(self.at_gateway.path(), &["status"]);
            }
            if !patience.lasts(waiting as usize + usize::from(!is_up)) {
                return Err(format!("not delivered: {master}"));
            }
            if !is_up {
                // Nobody else may have anything to ask.
                let worker = &self.workers[0];
                self.client(worker).get(&worker.at(SHARED));
            }
        }
    }

    /// What came to nothing of the changes of an entity.
    fn kept(&self, worker: &Worker, path: &str, status: &str) -> Checked<Kept> {
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
                if shown.status != 200 {
                    return Err(format!("{path}: {shown}"));
                }
                kept.tokens.extend(load::token_in(&shown.json()));
            }
        }
        Ok(kept)
    }

    /// What is wrong with the fired triggers that are the master's: each is delivered, and followed
    /// once however often it is sent.
    fn undelivered(&self, worker: &Worker) -> Checked<Vec<String>> {
        let records = Records {
            client: self.master.client_with(Some(&worker.key)),
            worker,
        };
        let runs = records.runs("away")?;
        let mut wrong = Vec::new();
        for fired in &worker.ledger.fired_away {
            let (id, nonce) = (&fired.id, fired.nonce);
            if records.find(fired)?.is_none() {
                wrong.push(format!("{id} ({nonce}) is lost"));
            }
            if !runs.contains_key(&nonce) {
                wrong.push(format!("{id} ({nonce}) is not followed"));
            }
        }
        let twice = runs.iter().filter(|(_, times)| **times > 1);
        wrong.extend(twice.map(|(nonce, times)| format!("{nonce} is followed {times} times")));
        Ok(wrong)
    }

    /// How the gateway and the master differ in an entity.
    fn difference(&self, worker: &Worker, path: &str) -> Checked<Option<String>> {
        let path = worker.at(path);
        let mut patience = Patience::default();
        let here = loop {
            let here = self.client(worker).get(&path);
            // On a busy machine the master may not answer in time, and the gateway says so.
            if here.header("x-owl-offline").is_none() {
                break here;
            }
            if !patience.lasts(1) {
                return Err(format!("{path} without the master: {here}"));
            }
        };
        let there = self.master.client_with(Some(&worker.key)).get(&path);
        let same =
            here.status == there.status && (here.status != 200 || here.json() == there.json());
        Ok((!same).then(|| format!("here {here}, at the master {there}")))
    }

    /// The ends of the logs of the gateway and of the one before it.
    fn logs(&self) -> String {
        let end = |log: &str| {
            let lines: Vec<&str> = log.lines().collect();
            lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
        };
        let now = self.gateway().log();
        format!(
            "--- the end of the log of the gateway before\n{}\n--- and of this one\n{}",
            end(&self.log_before),
            end(&now),
        )
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
