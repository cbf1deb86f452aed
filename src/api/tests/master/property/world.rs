//! A master and a gateway, and what is done to them.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Instant;

use smol::future::yield_now;

use super::link::{Cloud, Way};
use super::steps::{Act, Change, PLACES, Step, Write, target};
use super::*;
use crate::master::journal::{Book, Entry, Replayer};

/// How long what is under way may take to come to its end.
const PATIENCE: Duration = Duration::from_secs(20);

/// How often the journal is taken up at the end: each change may be refused eight times.
const MOST_REPLAYS: usize = 2000;

/// A gateway.
pub(super) struct Gateway {
    pub(super) api: Api,
    pub(super) master: Arc<Master>,
    way: Arc<Way>,
    replayer: smol::lock::Mutex<Replayer>,
}

/// A write that was answered with success.
#[derive(Clone, Debug)]
pub(super) struct Accepted {
    pub(super) write: Write,
    /// The step in which that was.
    pub(super) step: usize,
    /// How many effects the master had seen before it was asked for.
    pub(super) after: usize,
}

pub(super) struct World {
    pub(super) cloud: Arc<Cloud>,
    dir: Arc<tempfile::TempDir>,
    gateway: Option<Gateway>,
    /// Copies are fresh for long.
    fresh: bool,
    pub(super) accepted: Mutex<Vec<Accepted>>,
    /// What was at the master after each step: nothing, something, or a rule's status.
    pub(super) states: Vec<BTreeMap<&'static str, String>>,
    step: usize,
}

impl World {
    pub(super) fn new() -> Self {
        let mut world = World {
            cloud: Cloud::new(),
            dir: Arc::new(tempfile::tempdir().unwrap()),
            gateway: None,
            fresh: false,
            accepted: Mutex::default(),
            states: Vec::new(),
            step: 0,
        };
        world.begin();
        world
    }

    pub(super) fn gateway(&self) -> &Gateway {
        self.gateway.as_ref().unwrap()
    }

    /// A gateway over the store that is there.
    fn begin(&mut self) {
        let way = Arc::new(Way {
            cloud: self.cloud.clone(),
            dead: AtomicBool::new(false),
        });
        let revalidate = if self.fresh { FRESH } else { Duration::ZERO };
        let made = Mutex::new(None);
        let make = |catalog: &Catalog, executor: &Executor, script: &Arc<Script>| {
            let master = master_at(way.clone(), revalidate, catalog, executor, script);
            *lock(&made) = Some(master.clone());
            Some(master)
        };
        let settings = Settings::with_rates(rates(100_000, 30, 60));
        let dir = self.dir.clone();
        let api = Api::over(dir, settings, Operations::default(), options(), &make);
        let master = lock(&made).take().unwrap();
        self.gateway = Some(Gateway {
            api,
            replayer: smol::lock::Mutex::new(master.replayer()),
            master,
            way,
        });
    }

    /// The gateway is gone in the middle of what it does, and begins anew.
    fn crash(&mut self) {
        let gateway = self.gateway.take().unwrap();
        gateway.way.dead.store(true, Ordering::Relaxed);
        settle(&[&gateway.api.executor, &self.cloud.api.executor]);
        drop(gateway);
        self.begin();
    }

    /// The gateway begins anew; nothing is under way.
    pub(super) fn restart(&mut self, fresh: bool) {
        self.fresh = fresh;
        self.crash();
    }

    pub(super) fn take(&mut self, step: &Step) {
        self.step += 1;
        match step {
            Step::Cut(cut) => self.cloud.cut.store(*cut, Ordering::Relaxed),
            Step::Restart { fresh } => self.restart(*fresh),
            Step::Acts(acts, faults, turns) => {
                *lock(&self.cloud.faults) = faults.iter().copied().collect();
                let before = lock(&self.accepted).len();
                let acting = acts.iter().map(|act| self.act(act)).collect();
                let finished = self.run(within(turns.unwrap_or(u64::MAX), acting));
                lock(&self.cloud.faults).clear();
                if !finished {
                    self.crash();
                }
                if let [Act::Here(_)] = **acts {
                    let written = lock(&self.accepted).get(before).cloned();
                    if let Some(accepted) = written {
                        self.check_seen(&accepted.write);
                    }
                }
            }
        }
        self.note_states();
    }

    /// Runs something, and what is under way at the gateway and at the master beside it.
    fn run<T>(&self, future: impl Future<Output = T>) -> T {
        let (here, there) = (&self.gateway().api.executor, &self.cloud.api.executor);
        smol::block_on(there.run(here.run(future)))
    }

    fn act<'a>(&'a self, act: &'a Act) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            match act {
                Act::Here(write) => {
                    let after = lock(&self.cloud.effects).len();
                    let (status, _) = self.gateway().answer(ask(write)).await;
                    if (200..300).contains(&status) {
                        lock(&self.accepted).push(Accepted {
                            write: write.clone(),
                            step: self.step,
                            after,
                        });
                    }
                }
                Act::There(write) => {
                    self.cloud.answer(ask(write), false).await;
                }
                Act::Read(collection, name) => {
                    let ask = Ask::new(Method::Get, &target(*collection, name));
                    self.gateway().answer(ask).await;
                }
                Act::Invoke(name) => {
                    let ask = Ask::new(Method::Post, &action(name));
                    self.gateway().answer(ask.json(json!({}))).await;
                }
                Act::Replay => {
                    let mut replayer = self.gateway().replayer.lock().await;
                    replayer.replay_first().await.unwrap();
                }
                Act::Probe => self.gateway().master.upstream.probe().await,
            }
        })
    }

    /// What was answered with success is seen by the next who looks.
    fn check_seen(&self, write: &Write) {
        let (status, body) = self.shown(write.collection, write.name);
        let seen = match write.change {
            Change::Delete { .. } => status == 404,
            Change::Enable(active) => {
                let value: Value = serde_json::from_str(&body).unwrap();
                let wanted = if active { "active" } else { "inactive" };
                status == 200 && value["status"] == wanted
            }
            _ => {
                let token = format!("\"{}\"", write.token);
                // A binding whose package is gone can be written, but is not shown.
                status == 200 && body.contains(&token) || self.is_unbound(write, &token)
            }
        };
        assert!(seen, "{write:?} is not seen at once: {status} {body}");
    }

    /// Whether a write is here, and of a binding whose package is not.
    fn is_unbound(&self, write: &Write, token: &str) -> bool {
        let store = &self.gateway().api.store;
        let Some(stored) = store.entity(&write.path()).unwrap() else {
            return false;
        };
        let document: Value = serde_json::from_slice(&stored.document).unwrap();
        let bound = document["binding"]["name"].as_str();
        let bound = bound.map(|name| store.entity(&format!("guest/{name}")).unwrap());
        document.to_string().contains(token) && bound.is_some_and(|package| package.is_none())
    }

    /// What the gateway shows of an entity.
    pub(super) fn shown(&self, collection: Collection, name: &str) -> (u16, String) {
        let ask = Ask::new(Method::Get, &target(collection, name));
        self.run(self.gateway().answer(ask))
    }

    /// What the master shows of an entity.
    pub(super) fn shown_there(&self, collection: Collection, name: &str) -> (u16, String) {
        let ask = Ask::new(Method::Get, &target(collection, name));
        self.run(self.cloud.answer(ask, false))
    }

    fn note_states(&mut self) {
        let state = |(collection, name): (Collection, &'static str)| {
            let path = format!("guest/{name}");
            let state = match (self.cloud.api.store.entity(&path).unwrap(), collection) {
                (None, _) => String::new(),
                (Some(_), Collection::Rules) => {
                    let (_, body) = self.shown_there(collection, name);
                    let body: Value = serde_json::from_str(&body).unwrap();
                    body["status"].as_str().unwrap().to_owned()
                }
                (Some(_), _) => "there".to_owned(),
            };
            (name, state)
        };
        let states = PLACES.into_iter().map(state).collect();
        self.states.push(states);
    }

    /// The way is free, and the journal comes to its end.
    pub(super) fn heal(&mut self) {
        self.cloud.cut.store(false, Ordering::Relaxed);
        for _ in 0..MOST_REPLAYS {
            let gateway = self.gateway();
            let replayed = self.run(async {
                if gateway.master.upstream.is_down() {
                    gateway.master.upstream.probe().await;
                }
                let mut replayer = gateway.replayer.lock().await;
                replayer.replay_first().await.unwrap()
            });
            if !replayed {
                return;
            }
            self.note_states();
        }
        panic!("the journal does not come to an end: {:?}", self.entries());
    }

    pub(super) fn book(&self) -> Book {
        Book::new(self.gateway().api.store.clone())
    }

    /// The entries of the journal.
    pub(super) fn entries(&self) -> Vec<Entry> {
        let mut entries = Vec::new();
        let visit = &mut |entry, _| {
            entries.push(entry);
            std::ops::ControlFlow::Continue(())
        };
        self.book().visit(visit).unwrap();
        entries
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(gateway) = self.gateway.take().filter(|_| !std::thread::panicking()) {
            gateway.way.dead.store(true, Ordering::Relaxed);
            settle(&[&gateway.api.executor, &self.cloud.api.executor]);
        }
    }
}

impl Gateway {
    /// What it answers.
    async fn answer(&self, ask: Ask) -> (u16, String) {
        let answer = self.api.server.respond(ask.request).await;
        let mut answer: http_types::Response = answer.unwrap();
        let body = answer.body_string().await.unwrap();
        (Beyond::status_of(&answer), body)
    }
}

fn ask(write: &Write) -> Ask {
    let ask = Ask::new(write.method(), &write.target());
    match write.body() {
        Some(body) => ask.json(body),
        None => ask,
    }
}

/// Waits until nothing is under way any more.
fn settle(executors: &[&Executor]) {
    let end = Instant::now() + PATIENCE;
    let [one, other] = executors else { return };
    smol::block_on(one.run(other.run(async {
        while !(one.is_empty() && other.is_empty()) {
            assert!(Instant::now() < end, "something does not come to its end");
            yield_now().await;
        }
    })));
}

/// Carries several things on at the same time, and gives them up after so many turns. Gives
/// whether they have come to their end.
async fn within(turns: u64, mut all: Vec<BoxFuture<'_, ()>>) -> bool {
    let mut left = turns;
    poll_fn(move |context| {
        if left == 0 {
            return Poll::Ready(false);
        }
        left -= 1;
        all.retain_mut(|future| future.as_mut().poll(context).is_pending());
        if all.is_empty() {
            Poll::Ready(true)
        } else {
            Poll::Pending
        }
    })
    .await
}
