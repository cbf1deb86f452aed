//! A master and its gateways, and what is done to them.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::atomic::Ordering;
use std::task::Poll;

use super::gateway::{Gateway, Site, stored};
use super::link::Cloud;
use super::steps::{Act, Fault, Step};
use super::writes::{Change, PLACES, Write, by, namespace, target};
use super::*;
use crate::master::journal::{Entry, discard, retry};

/// How often a journal is taken up at the end: each change may be refused eight times.
const MOST_REPLAYS: usize = 2000;

/// A write that somebody has asked a gateway for.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) write: Write,
    /// At which gateway.
    pub(super) at: usize,
    /// The step in which that was.
    pub(super) step: usize,
    /// How many effects the master had seen before.
    pub(super) began: usize,
    /// The answer, if there was one.
    pub(super) answer: Option<Answer>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// Whether it was given without the master.
    pub(super) offline: bool,
    /// How many effects the master had seen then.
    pub(super) at: usize,
}

impl Asked {
    pub(super) fn is_accepted(&self) -> bool {
        self.answer
            .is_some_and(|it| (200..300).contains(&it.status))
    }
}

/// Something that was decided about an entry of a journal.
#[derive(Clone, Debug)]
pub(super) struct Decided {
    pub(super) at: usize,
    pub(super) entry: Entry,
    pub(super) body: String,
    /// It was given up, and not opened again.
    pub(super) dropped: bool,
}

pub(super) struct World {
    pub(super) cloud: Arc<Cloud>,
    pub(super) sites: Vec<Site>,
    pub(super) asked: Mutex<Vec<Asked>>,
    pub(super) decided: Mutex<Vec<Decided>>,
    /// What was at the master after each step: nothing, something, or a rule's status.
    pub(super) states: Vec<BTreeMap<&'static str, String>>,
    step: usize,
}

impl World {
    pub(super) fn new(gateways: usize) -> Self {
        let cloud = Cloud::new();
        World {
            sites: (0..gateways).map(|nth| Site::new(nth, &cloud)).collect(),
            cloud,
            asked: Mutex::default(),
            decided: Mutex::default(),
            states: Vec::new(),
            step: 0,
        }
    }

    pub(super) fn take(&mut self, step: &Step) {
        self.step += 1;
        self.cloud.step.store(self.step, Ordering::Relaxed);
        match step {
            Step::Cut(at, cut) => self.sites[*at].cut.store(*cut, Ordering::Relaxed),
            Step::Restart(at, setup) => {
                self.sites[*at].setup = *setup;
                self.sites[*at].crash();
            }
            Step::Acts(acts, faults) => {
                self.carry_out(acts, faults, u64::MAX);
            }
            Step::Crash(at, turns, acts, faults) => {
                if !self.carry_out(acts, faults, *turns) {
                    self.sites[*at].crash();
                }
            }
        }
        let last = lock(&self.asked).last().cloned();
        if let Step::Acts(acts, _) | Step::Crash(_, _, acts, _) = step
            && let [Act::Here(..)] = **acts
            && let Some(asked) = last.filter(Asked::is_accepted)
        {
            self.check_seen(&asked);
        }
        self.note_states();
    }

    /// Does several things at the same time, for so many turns at most; gives whether they have
    /// come to their end.
    fn carry_out(&self, acts: &[Act], faults: &[Fault], turns: u64) -> bool {
        *lock(&self.cloud.faults) = faults.iter().copied().collect();
        let acting = acts.iter().map(|act| self.act(act)).collect();
        let finished = self.run(within(turns, acting));
        lock(&self.cloud.faults).clear();
        finished
    }

    /// Runs something, and what is under way at gateways and at the master beside it.
    fn run<T>(&self, future: impl Future<Output = T>) -> T {
        let (first, last) = (self.gateway(0), self.gateway(self.sites.len() - 1));
        let executors = [&first.api, &last.api, &self.cloud.api].map(|api| &api.executor);
        let [first, last, there] = executors;
        smol::block_on(there.run(first.run(last.run(future))))
    }

    fn gateway(&self, at: usize) -> &Gateway {
        self.sites[at].gateway()
    }

    fn act<'a>(&'a self, act: &'a Act) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            match act {
                Act::Here(at, write) => self.write(*at, write).await,
                Act::There(write) => {
                    self.cloud.arrived(write.ask(), None).await;
                }
                Act::Read(at, who, collection, path) => {
                    let target = target(*collection, path, namespace(path) == *who);
                    let ask = by(who, Ask::new(Method::Get, &target));
                    self.gateway(*at).answer(ask).await;
                }
                Act::Invoke(at, path) => {
                    let target = target(Collection::Actions, path, false);
                    let ask = Ask::new(Method::Post, &target).json(json!({}));
                    self.gateway(*at).answer(ask).await;
                }
                Act::Replay(at) => {
                    let mut replayer = self.gateway(*at).replayer.lock().await;
                    replayer.replay_first().await.unwrap();
                }
                Act::Probe(at) => self.gateway(*at).master.upstream.probe().await,
                Act::Retry(at, nth) => self.decide(*at, *nth, false),
                Act::Drop(at, nth) => self.decide(*at, *nth, true),
            }
        })
    }

    async fn write(&self, at: usize, write: &Write) {
        let nth = {
            let mut asked = lock(&self.asked);
            asked.push(Asked {
                write: write.clone(),
                at,
                step: self.step,
                began: self.cloud.effects_count(),
                answer: None,
            });
            asked.len() - 1
        };
        let (status, _, offline) = self.gateway(at).answer(write.ask()).await;
        lock(&self.asked)[nth].answer = Some(Answer {
            status,
            offline,
            at: self.cloud.effects_count(),
        });
    }

    /// `owl sync retry` or `owl sync drop` of an entry, beside the daemon.
    fn decide(&self, at: usize, nth: u64, drop: bool) {
        let book = self.sites[at].book();
        // What is on its way into the journal is there first: all that may go is noted then.
        smol::block_on(book.store().write_all(Vec::new())).unwrap();
        let entries = self.sites[at].entries();
        if entries.is_empty() {
            return;
        }
        let number = entries[nth as usize % entries.len()].number;
        let body = |entry: &Entry| String::from_utf8(book.body(entry.number).unwrap()).unwrap();
        let decided = |entry: &Entry| Decided {
            at,
            entry: entry.clone(),
            body: body(entry),
            dropped: drop,
        };
        let all: Vec<Decided> = entries.iter().map(decided).collect();
        let done = match drop {
            true => discard(&book, number, &copies::forget),
            false => retry(&book, number).map(|()| vec![number]),
        };
        let done = done.unwrap_or_default();
        let mut known = lock(&self.decided);
        known.extend(all.into_iter().filter(|it| done.contains(&it.entry.number)));
    }

    /// What was answered with success is seen by the next who looks.
    fn check_seen(&self, asked: &Asked) {
        let write = &asked.write;
        let (status, body) = self.shown(asked.at, write.collection, write.path);
        let seen = match write.change {
            Change::Delete { .. } => status == 404,
            Change::Enable(active) => {
                let value: Value = serde_json::from_str(&body).unwrap();
                let wanted = if active { "active" } else { "inactive" };
                status == 200 && value["status"] == wanted
            }
            // A binding whose package is gone can be written, but is not shown.
            _ => status == 200 && write.is_in(&body) || self.is_unbound(asked),
        };
        assert!(seen, "{asked:?} is not seen at once: {status} {body}");
    }

    /// Whether a write is here or at the master, and of a binding whose package is not.
    fn is_unbound(&self, asked: &Asked) -> bool {
        let mut stores = [&self.gateway(asked.at).api.store, &self.cloud.api.store].into_iter();
        stores.any(|store| {
            let Some(document) = stored(store, asked.write.path) else {
                return false;
            };
            let part = |part: &str| document["binding"][part].as_str();
            let bound = part("namespace").zip(part("name"));
            let bound = bound.map(|(namespace, name)| format!("{namespace}/{name}"));
            asked.write.is_in(&document.to_string())
                && bound.is_some_and(|package| {
                    let package = stored(store, &package);
                    package.is_none_or(|it| it["publish"] == false)
                })
        })
    }

    /// What a gateway shows of an entity to those whose it is.
    pub(super) fn shown(&self, at: usize, collection: Collection, path: &str) -> (u16, String) {
        let ask = Ask::new(Method::Get, &target(collection, path, true));
        let ask = by(namespace(path), ask);
        let (status, body, _) = self.run(self.gateway(at).answer(ask));
        (status, body)
    }

    /// What the master shows of an entity to those whose it is.
    pub(super) fn shown_there(&self, collection: Collection, path: &str) -> (u16, String) {
        let ask = Ask::new(Method::Get, &target(collection, path, true));
        self.run(self.cloud.answer(by(namespace(path), ask), None))
    }

    fn note_states(&mut self) {
        let state = |(collection, path): (Collection, &'static str)| {
            let state = match (stored(&self.cloud.api.store, path), collection) {
                (None, _) => String::new(),
                (Some(_), Collection::Rules) => {
                    let (_, body) = self.shown_there(collection, path);
                    let body: Value = serde_json::from_str(&body).unwrap();
                    body["status"].as_str().unwrap().to_owned()
                }
                (Some(_), _) => "there".to_owned(),
            };
            (path, state)
        };
        let states = PLACES.into_iter().map(state).collect();
        self.states.push(states);
    }

    /// All ways are free, and the journals come to their end.
    pub(super) fn heal(&mut self) {
        self.step += 1;
        self.cloud.step.store(self.step, Ordering::Relaxed);
        for at in 0..self.sites.len() {
            self.sites[at].cut.store(false, Ordering::Relaxed);
            let mut replays = 0;
            while self.run(replay(self.gateway(at))) {
                replays += 1;
                let entries = || self.sites[at].entries();
                assert!(replays < MOST_REPLAYS, "there is no end: {:?}", entries());
                self.note_states();
            }
        }
    }
}

/// Replays the first entry; gives whether there was one.
async fn replay(gateway: &Gateway) -> bool {
    if gateway.master.upstream.is_down() {
        gateway.master.upstream.probe().await;
    }
    let mut replayer = gateway.replayer.lock().await;
    replayer.replay_first().await.unwrap()
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
