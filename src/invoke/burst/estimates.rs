//! How long invocations are likely to take here and on the tiers, from how long they took: running
//! averages, with the time handed in. No I/O.
//!
//! An average that nothing adds to goes back to what is assumed of a place that nobody knows, so
//! that one bad hour does not keep a tier from being tried ever again.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

use super::placement::Stop;
use crate::pool::Outlook;

/// What the last observation counts for.
const WEIGHT: f64 = 0.3;

/// Time in which an average goes half the way back to what is assumed.
const HALF_LIFE: Duration = Duration::from_secs(600);

/// Actions and kinds, at each place, that averages are kept of; beyond, the one that was not added
/// to for longest goes.
const MOST: usize = 512;

/// What is assumed, in milliseconds, before anything is known: of starting a sandbox here, of the
/// turn of each request that waits, and of the way to a tier and back.
const COLD: f64 = 500.0;
const TURN: f64 = 1000.0;
const WAY: f64 = 100.0;

/// What a tier counts for that did not take an invocation, in milliseconds: not the first to be
/// asked soon again.
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
        Average::add(&mut self.turn, turn, TURN, now);
    }

    /// An action was started and run.
    pub fn took(&mut self, at: Stop, of: Subject<'_>, took: Took, now: Instant) {
        let assumed = assumed_cold(at);
        match (took.cold, at) {
            (Some(cold), _) => self
                .colds
                .add((at, of.kind.into()), millis(cold), assumed, now),
            (None, Stop::Tier(_)) => self.colds.add((at, of.kind.into()), 0.0, assumed, now),
            (None, Stop::Here) => {}
        }
        let run = millis(took.run);
        self.runs.add((at, of.action.into()), run, run, now);
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
        Average::add(&mut average, way, WAY, now);
        self.ways.extend(average.map(|average| (tier, average)));
    }

    /// How long an invocation is likely to take at a place. `outlook` is what it would get here.
    pub fn predict(&self, at: Stop, of: Subject<'_>, outlook: Outlook, now: Instant) -> Duration {
        let assumed = assumed_cold(at);
        let cold = || {
            let known = self.colds.get(&(at, of.kind.into()));
            known.map_or(assumed, |cold| cold.value(assumed, now))
        };
        let before = match (at, outlook) {
            (Stop::Tier(tier), _) => {
                let way = self.ways.get(&tier);
                way.map_or(WAY, |way| way.value(WAY, now)) + cold()
            }
            (Stop::Here, Outlook::Warm) => 0.0,
            (Stop::Here, Outlook::Place) => cold(),
            (Stop::Here, Outlook::Wait(before)) => {
                let turn = self.turn.map_or(TURN, |turn| turn.value(TURN, now));
                turn * (before + 1) as f64
            }
            (Stop::Here, Outlook::Refused) => return Duration::MAX,
        };
        duration(before + self.run(at, of.action))
    }

    /// What an action takes at a place; as long as nobody knows, what it takes elsewhere.
    fn run(&self, at: Stop, action: &str) -> f64 {
        let own = self.runs.get(&(at, action.into()));
        let known = own.or_else(|| {
            let all = self.runs.0.iter();
            let elsewhere = all.filter(|((_, known), _)| **known == *action);
            elsewhere
                .map(|(_, average)| average)
                .max_by_key(|average| average.at)
        });
        known.map_or(0.0, |average| average.value)
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
}

impl Average {
    /// Adds an observation to what there may be. `assumed` is what the average has gone back to.
    fn add(average: &mut Option<Average>, observed: f64, assumed: f64, now: Instant) {
        let value = match average {
            None => observed,
            Some(known) => {
                let before = known.value(assumed, now);
                before + WEIGHT * (observed - before)
            }
        };
        *average = Some(Average { value, at: now });
    }

    /// What it is worth now.
    fn value(&self, assumed: f64, now: Instant) -> f64 {
        let age = now.saturating_duration_since(self.at);
        let kept = 0.5_f64.powf(age.as_secs_f64() / HALF_LIFE.as_secs_f64());
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
        Average::add(&mut average, observed, assumed, now);
        if self.0.len() >= MOST {
            let oldest = self.0.iter().min_by_key(|(_, average)| average.at);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                self.0.remove(&oldest);
            }
        }
        self.0.extend(average.map(|average| (key, average)));
    }
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

fn duration(millis: f64) -> Duration {
    Duration::try_from_secs_f64(millis / 1000.0).unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEAR: Stop = Stop::Tier(0);

    fn of(action: &str) -> Subject<'_> {
        Subject { action, kind: "k" }
    }

    fn took(cold: Option<u64>, run: u64) -> Took {
        Took {
            cold: cold.map(Duration::from_millis),
            run: Duration::from_millis(run),
        }
    }

    fn predicted(estimates: &Estimates, at: Stop, outlook: Outlook, now: Instant) -> u128 {
        let predicted = estimates.predict(at, of("a"), outlook, now);
        (predicted + Duration::from_micros(500)).as_millis()
    }

    #[test]
    fn what_is_assumed_of_the_unknown() {
        let (nothing, now) = (Estimates::default(), Instant::now());
        for (at, outlook, expected) in [
            (Stop::Here, Outlook::Warm, 0),
            (NEAR, Outlook::Warm, 100),
            (Stop::Here, Outlook::Place, 500),
            (Stop::Here, Outlook::Wait(0), 1000),
            (Stop::Here, Outlook::Wait(2), 3000),
            (NEAR, Outlook::Refused, 100),
        ] {
            assert_eq!(
                predicted(&nothing, at, outlook, now),
                expected,
                "{outlook:?}"
            );
        }
        let never = nothing.predict(Stop::Here, of("a"), Outlook::Refused, now);
        assert_eq!(never, Duration::MAX);
    }

    #[test]
    fn what_was_seen_counts() {
        let (mut seen, now) = (Estimates::default(), Instant::now());
        seen.took(Stop::Here, of("a"), took(Some(2000), 40), now);
        assert_eq!(predicted(&seen, Stop::Here, Outlook::Warm, now), 40);
        assert_eq!(predicted(&seen, Stop::Here, Outlook::Place, now), 2040);
        // What it takes there is not known yet.
        assert_eq!(predicted(&seen, NEAR, Outlook::Place, now), 140);
        seen.travelled(0, Duration::from_millis(30), now);
        seen.took(NEAR, of("a"), took(None, 10), now);
        assert_eq!(predicted(&seen, NEAR, Outlook::Place, now), 40);
        // Another action of the kind is started as slowly.
        let other = seen.predict(Stop::Here, of("b"), Outlook::Place, now);
        assert_eq!(other, Duration::from_secs(2));
        seen.took(Stop::Here, of("a"), took(Some(1000), 40), now);
        assert_eq!(predicted(&seen, Stop::Here, Outlook::Place, now), 1740);
        seen.waited(3, Duration::from_millis(800), now);
        assert_eq!(predicted(&seen, Stop::Here, Outlook::Wait(1), now), 440);
    }

    #[test]
    fn a_bad_hour_is_forgotten() {
        let (mut seen, now) = (Estimates::default(), Instant::now());
        seen.failed(0, now);
        assert_eq!(predicted(&seen, NEAR, Outlook::Warm, now), 10_000);
        let later = now + HALF_LIFE;
        assert_eq!(predicted(&seen, NEAR, Outlook::Warm, later), 5050);
        let much_later = now + 20 * HALF_LIFE;
        assert_eq!(predicted(&seen, NEAR, Outlook::Warm, much_later), 100);
        // What is added counts for its part of what it is worth by then.
        seen.travelled(0, Duration::from_millis(200), much_later);
        assert_eq!(predicted(&seen, NEAR, Outlook::Warm, much_later), 130);
    }

    #[test]
    fn memory_is_bounded() {
        let (mut seen, now) = (Estimates::default(), Instant::now());
        for n in 0..MOST + 10 {
            let at = now + Duration::from_millis(n as u64);
            let subject = Subject {
                action: &format!("a{n}"),
                kind: &format!("k{n}"),
            };
            seen.took(Stop::Here, subject, took(Some(1), 7), at);
        }
        assert_eq!((seen.runs.0.len(), seen.colds.0.len()), (MOST, MOST));
        let known = |action: &str| seen.run(Stop::Here, action);
        assert_eq!((known("a0"), known(&format!("a{}", MOST + 9))), (0.0, 7.0));
    }
}
