//! How long invocations are likely to take here and on the tiers, from how long they took: running
//! averages, with the time handed in. No I/O.
//!
//! An average that nothing adds to goes back to what is assumed of a place that nobody knows. Of
//! how long an action runs there, that is half of what it takes elsewhere: whether a place is the
//! faster one is only found out by trying it, and the better it would have to be, the later it is
//! tried again. So neither one bad hour nor an action that was never run there keeps a tier from
//! being chosen ever again.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

use super::placement::Stop;
use crate::pool::Outlook;

/// What the last observation counts for.
const WEIGHT: f64 = 0.3;

/// Time in which an average of starts or runs goes half the way back to what is assumed.
const HALF_LIFE: Duration = Duration::from_secs(600);

/// The same of ways and of turns in the line: networks and loads change faster than actions do.
const SHORT_HALF_LIFE: Duration = Duration::from_secs(120);

/// Actions and kinds, at each place, that averages are kept of; beyond, the one that was not added
/// to for longest goes.
const MOST: usize = 512;

/// What is assumed, in milliseconds, before anything is known: of starting a sandbox here, of the
/// turn of each request that waits, and of the way to a tier and back.
const COLD: f64 = 500.0;
const TURN: f64 = 1000.0;
const WAY: f64 = 100.0;

/// The part of what an action takes elsewhere that is hoped for where nobody has seen it run.
const HOPE: f64 = 0.5;

/// What counts, in milliseconds, for the way to a tier that did not take an invocation, and for a
/// run that came to no result of the action's own, however soon: not the first to be asked soon
/// again.
const FAILED: f64 = 10_000.0;

/// What is known of all places.
#[derive(Debug, Default)]
pub struct Estimates {
    /// A turn in the line for a sandbox here.
    turn: Option<Average>,
    /// The way to a tier and back, and the wait there.
    ways: HashMap<usize, Average>,
    /// What starting costs, by kind; on a tier, on the average of starts and none.
    colds: Averages<(Stop, Box<str>)>,
    /// What running takes, by action.
    runs: Averages<(Stop, Box<str>)>,
}

/// What an invocation took at one place.
#[derive(Clone, Copy, Debug)]
pub struct Took {
    /// Starting and initialising the sandbox; none if it was warm.
    pub cold: Option<Duration>,
    /// The run.
    pub run: Duration,
    /// Whether it came to no result of the action's own: a place where everything fails at once is
    /// not the fastest one.
    pub failed: bool,
}

/// An action, as far as it matters here.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// `ns/[package/]name`
    pub action: &'a str,
    /// Its kind.
    pub kind: &'a str,
}

impl Estimates {
    /// A request has waited for a sandbox here, with so many before it.
    pub fn waited(&mut self, before: usize, wait: Duration, now: Instant) {
        let turn = millis(wait) / (before + 1) as f64;
        Average::add(&mut self.turn, turn, TURN, SHORT_HALF_LIFE, now);
    }

    /// An action was started and run.
    pub fn took(&mut self, at: Stop, of: Subject<'_>, took: Took, now: Instant) {
        let hoped = self.hoped(at, of.action);
        let mut run = millis(took.run);
        if took.failed {
            run = run.max(FAILED);
        } else {
            let cold = match (took.cold, at) {
                (Some(cold), _) => Some(millis(cold)),
                (None, Stop::Tier(_)) => Some(0.0),
                (None, Stop::Here) => None,
            };
            if let Some(cold) = cold {
                let kind = (at, of.kind.into());
                self.colds.add(kind, cold, assumed_cold(at), now);
            }
        }
        let assumed = hoped.unwrap_or(run);
        self.runs.add((at, of.action.into()), run, assumed, now);
    }

    /// An action is on its way to a place. Until more is known, others that come do not count on
    /// what is only hoped of the place: one is enough to find out.
    pub fn tried(&mut self, at: Stop, of: Subject<'_>, now: Instant) {
        let elsewhere = self.elsewhere(at, of.action);
        let key = (at, of.action.into());
        match self.runs.0.get_mut(&key) {
            Some(known) => known.tried = now,
            None => {
                if let Some(value) = elsewhere {
                    self.runs.insert(key, Average::guess(value, now));
                }
            }
        }
    }

    /// An invocation on a tier has taken so much longer than it took there.
    pub fn travelled(&mut self, tier: usize, way: Duration, now: Instant) {
        self.add_way(tier, millis(way), now);
    }

    /// A tier did not take an invocation.
    pub fn failed(&mut self, tier: usize, now: Instant) {
        self.add_way(tier, FAILED, now);
    }

    fn add_way(&mut self, tier: usize, way: f64, now: Instant) {
        let mut average = self.ways.remove(&tier);
        Average::add(&mut average, way, WAY, SHORT_HALF_LIFE, now);
        self.ways.extend(average.map(|average| (tier, average)));
    }

    /// How long an invocation is likely to take at a place. `outlook` is what it would get here.
    pub fn predict(&self, at: Stop, of: Subject<'_>, outlook: Outlook, now: Instant) -> Duration {
        let assumed = assumed_cold(at);
        let cold = || {
            let known = self.colds.get(&(at, of.kind.into()));
            known.map_or(assumed, |cold| cold.value(assumed, HALF_LIFE, now))
        };
        let before = match (at, outlook) {
            (Stop::Tier(tier), _) => {
                let way = self.ways.get(&tier);
                way.map_or(WAY, |way| way.value(WAY, SHORT_HALF_LIFE, now)) + cold()
            }
            (Stop::Here, Outlook::Warm) => 0.0,
            (Stop::Here, Outlook::Place) => cold(),
            (Stop::Here, Outlook::Wait(before)) => {
                let turn = self.turn;
                let turn = turn.map_or(TURN, |turn| turn.value(TURN, SHORT_HALF_LIFE, now));
                turn * (before + 1) as f64
            }
            (Stop::Here, Outlook::Refused) => return Duration::MAX,
        };
        duration(before + self.run(at, of.action, now))
    }

    /// What an action takes at a place.
    fn run(&self, at: Stop, action: &str, now: Instant) -> f64 {
        let hoped = self.hoped(at, action);
        match self.runs.get(&(at, action.into())) {
            Some(own) => own.value(hoped.unwrap_or(own.value), HALF_LIFE, now),
            None => hoped.unwrap_or(0.0),
        }
    }

    /// What is hoped that an action takes at a place; none as long as it is known nowhere else.
    fn hoped(&self, at: Stop, action: &str) -> Option<f64> {
        self.elsewhere(at, action).map(|value| HOPE * value)
    }

    /// What an action took elsewhere last.
    fn elsewhere(&self, at: Stop, action: &str) -> Option<f64> {
        let all = self.runs.0.iter();
        let elsewhere = all.filter(|((place, known), average)| {
            *place != at && **known == *action && !average.is_guess
        });
        let last = elsewhere.max_by_key(|(_, average)| average.at)?;
        Some(last.1.value)
    }
}

/// Starting is what it is here; a tier is thought to be warm.
fn assumed_cold(at: Stop) -> f64 {
    match at {
        Stop::Here => COLD,
        Stop::Tier(_) => 0.0,
    }
}

/// A running average of milliseconds.
#[derive(Clone, Copy, Debug)]
struct Average {
    value: f64,
    /// When it was added to.
    at: Instant,
    /// When somebody last set out to find out more; until that is known it counts in full.
    tried: Instant,
    /// Whether nothing was observed yet.
    is_guess: bool,
}

impl Average {
    /// What is thought before anything was observed.
    const fn guess(value: f64, at: Instant) -> Self {
        Average {
            value,
            at,
            tried: at,
            is_guess: true,
        }
    }

    /// Adds an observation to what there may be. `assumed` is what the average has gone back to.
    fn add(
        average: &mut Option<Average>,
        observed: f64,
        assumed: f64,
        half_life: Duration,
        now: Instant,
    ) {
        let value = match average {
            Some(known) if !known.is_guess => {
                let before = known.aged(known.at, assumed, half_life, now);
                before + WEIGHT * (observed - before)
            }
            _ => observed,
        };
        *average = Some(Average {
            value,
            at: now,
            tried: now,
            is_guess: false,
        });
    }

    /// What it is worth now.
    fn value(&self, assumed: f64, half_life: Duration, now: Instant) -> f64 {
        self.aged(self.tried, assumed, half_life, now)
    }

    fn aged(&self, since: Instant, assumed: f64, half_life: Duration, now: Instant) -> f64 {
        let age = now.saturating_duration_since(since);
        let kept = 0.5_f64.powf(age.as_secs_f64() / half_life.as_secs_f64());
        assumed + kept * (self.value - assumed)
    }
}

/// Averages by what they are of, at most [`MOST`].
#[derive(Debug)]
struct Averages<K>(HashMap<K, Average>);

impl<K> Default for Averages<K> {
    fn default() -> Self {
        Averages(HashMap::new())
    }
}

impl<K: Hash + Eq + Clone> Averages<K> {
    fn get(&self, key: &K) -> Option<&Average> {
        self.0.get(key)
    }

    fn add(&mut self, key: K, observed: f64, assumed: f64, now: Instant) {
        let mut average = self.0.remove(&key);
        Average::add(&mut average, observed, assumed, HALF_LIFE, now);
        if let Some(average) = average {
            self.insert(key, average);
        }
    }

    fn insert(&mut self, key: K, average: Average) {
        if self.0.len() >= MOST {
            let oldest = self.0.iter().min_by_key(|(_, average)| average.at);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                self.0.remove(&oldest);
            }
        }
        self.0.insert(key, average);
    }
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

fn duration(millis: f64) -> Duration {
    Duration::try_from_secs_f64(millis / 1000.0).unwrap_or(Duration::ZERO)
}

#[cfg(test)]
#[path = "estimates_tests.rs"]
mod tests;
