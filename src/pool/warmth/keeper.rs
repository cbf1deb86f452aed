//! Idle sandboxes, and what becomes of them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::book::{Book, Bookmark};
use super::profile::Profile;
use crate::pool::Slot;

/// How many times as long as the longest idle time a sandbox would have to wait for its next call,
/// by what is known, to be let go early.
pub(super) const PATIENCE: f32 = 10.0;

/// How long a sandbox that was made ready without a known call ahead stays, in milliseconds.
const UNEXPECTED: i64 = 30_000;

/// How soon a sandbox that should have gone is looked at again, in milliseconds.
const STAYS: i64 = 100;

/// Periods are looked for down to the longest idle time, divided by this.
const SHORT: i64 = 30;

/// Bounds of what is kept warm.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Longest time that a sandbox is idle.
    pub idle: Duration,
    /// MB that idle sandboxes may have in all, by their limits.
    pub memory: u64,
}

/// What a sandbox costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// MB that it may take.
    pub memory: u32,
    /// How many times as slow as usual starts of its kind are thought to be, before one was seen.
    pub factor: u32,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Advice {
    /// This idle sandbox is not worth its memory. It is taken for gone.
    Release {
        /// The sandbox.
        slot: Slot,
    },
    /// A call of this action is expected, and no sandbox of it is idle: one is to be started.
    /// [`Warmth::prepared`] is told when it is there.
    Prepare {
        /// Whose: as given to [`Warmth::arrived`].
        whose: Arc<str>,
        /// MB that it had the last time.
        memory: u32,
    },
}

/// Decides what stays warm. Told what happens, and asked what to do.
#[derive(Debug)]
pub struct Warmth {
    settings: Settings,
    /// What moments are counted from.
    zero: Instant,
    book: Book,
    /// In the order in which they became idle.
    idle: Vec<Idle>,
    /// The first moment at which an idle sandbox may have to go.
    ends: Option<i64>,
    /// The first moment at which a call that is expected has to be seen to.
    begins: Option<i64>,
    /// Whether profiles have changed since they were kept.
    has_changed: bool,
}

#[derive(Debug)]
struct Idle {
    slot: Slot,
    profile: Option<Bookmark>,
    cost: Cost,
    since: i64,
    until: i64,
}

impl Warmth {
    /// Nothing is known, and nothing idle.
    pub fn new(now: Instant, settings: Settings) -> Self {
        Warmth {
            settings,
            zero: now,
            book: Book::default(),
            idle: Vec::new(),
            ends: None,
            begins: None,
            has_changed: false,
        }
    }

    /// Other bounds hold from now on; sandboxes that are idle keep the time that they were given.
    pub fn set(&mut self, now: Instant, settings: Settings, out: &mut Vec<Advice>) {
        self.settings = settings;
        let now = self.moment(now);
        self.fit(now, out);
    }

    /// An action is called. `whose` names the action and the namespace that its sandboxes are for.
    pub fn arrived(&mut self, now: Instant, whose: &str) {
        let (now, shortest) = (self.moment(now), self.shortest());
        let profile = self.book.profile(now, whose);
        profile.arrived(now, shortest);
        self.has_changed = true;
        let look = next_look(profile, now);
        self.begins = earlier(self.begins, look);
    }

    /// Starting a sandbox with its code took so long.
    pub fn started_cold(&mut self, whose: &str, took: Duration) {
        if let Some((_, profile)) = self.book.find(whose) {
            profile.started_cold(u32::try_from(took.as_millis()).unwrap_or(u32::MAX));
        }
    }

    /// A run has ended, and its sandbox is idle.
    pub fn idled(
        &mut self,
        now: Instant,
        slot: Slot,
        whose: &str,
        cost: Cost,
        out: &mut Vec<Advice>,
    ) {
        let now = self.moment(now);
        self.add(now, slot, whose, cost, true, out);
    }

    /// A run has ended, and its sandbox goes.
    pub fn ended(&mut self, now: Instant, whose: &str) {
        let now = self.moment(now);
        if let Some((_, profile)) = self.book.find(whose) {
            profile.ended(now);
        }
    }

    /// A sandbox is idle that nobody has used yet.
    pub fn prepared(
        &mut self,
        now: Instant,
        slot: Slot,
        whose: &str,
        cost: Cost,
        out: &mut Vec<Advice>,
    ) {
        let now = self.moment(now);
        self.add(now, slot, whose, cost, false, out);
        let until = match self.book.find(whose) {
            Some((_, profile)) => match profile.expected(now) {
                Some(expected) => expected.at + expected.late,
                None => now + UNEXPECTED,
            },
            None => now + UNEXPECTED,
        };
        if let Some(idle) = self.idle.iter_mut().find(|idle| idle.slot == slot) {
            idle.until = until;
            self.ends = earlier(self.ends, Some(until));
        }
    }

    /// An idle sandbox is used, or is gone.
    pub fn gone(&mut self, slot: Slot) {
        // The last ones are used first.
        if let Some(index) = self.idle.iter().rposition(|idle| idle.slot == slot) {
            self.idle.remove(index);
        }
        if self.idle.is_empty() {
            self.ends = None;
        }
    }

    /// Somebody knows that an action will be called then: a timer that fires it. `memory` is that
    /// of a sandbox in MB.
    pub fn expect(&mut self, now: Instant, whose: &str, at: Instant, memory: u32) {
        let (now, at) = (self.moment(now), self.moment(at));
        let profile = self.book.profile(now, whose);
        profile.memory = memory;
        profile.announce(at);
        let look = next_look(profile, now);
        self.begins = earlier(self.begins, look);
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Instant, out: &mut Vec<Advice>) {
        let now = self.moment(now);
        if self.due().is_none_or(|due| due > now) {
            return;
        }
        self.idle.retain(|idle| {
            let stays = idle.until > now;
            if !stays {
                out.push(Advice::Release { slot: idle.slot });
            }
            stays
        });
        self.prepare(now, out);
        self.ends = self.idle.iter().map(|idle| idle.until).min();
        let looks = self.book.each();
        let looks = looks.filter_map(|(_, _, profile)| next_look(profile, now));
        self.begins = looks.min();
    }

    /// When [`Warmth::tick`] may have something to do.
    pub fn next_tick(&self) -> Option<Instant> {
        let due = u64::try_from(self.due()?).unwrap_or(0);
        Some(self.zero + Duration::from_millis(due))
    }

    /// The idle sandbox that is worth least.
    pub fn least_worth(&self, now: Instant) -> Option<Slot> {
        let (index, _) = self.least(self.moment(now))?;
        Some(self.idle[index].slot)
    }

    /// What the idle sandboxes are worth: the more, the longer each should stay. Nothing, where too
    /// little is known of their calls to tell.
    pub fn worths(&self, now: Instant) -> HashMap<Slot, f32> {
        let now = self.moment(now);
        let known =
            |profile: &Profile| profile.gaps.is_evidence() || profile.expected(now).is_some();
        let profiles = self
            .idle
            .iter()
            .filter_map(|idle| self.book.at(idle.profile?));
        if !profiles.clone().any(known) {
            return HashMap::new();
        }
        let worths = self.each_worth(now);
        worths
            .map(|(index, worth)| (self.idle[index].slot, worth))
            .collect()
    }

    /// Whether something is known that [`Warmth::records`] has not given yet.
    pub fn has_changed(&self) -> bool {
        self.has_changed
    }

    /// An action was changed or deleted: it is among the next records, so that whoever keeps them
    /// finds out whether it is still there.
    pub fn look_again(&mut self, action: &str) {
        for (_, whose, profile) in self.book.each() {
            let of_it = whose.split('\0').next() == Some(action);
            profile.has_changed |= of_it;
            self.has_changed |= of_it;
        }
    }

    /// What has changed since this was asked last: whose profile, and its record. `day` is the time
    /// of day of `now` in milliseconds since 1970.
    pub fn records(&mut self, now: Instant, day: u64) -> Vec<(Arc<str>, Vec<u8>)> {
        let now = self.moment(now);
        self.has_changed = false;
        let changed = self.book.each().filter_map(|(_, whose, profile)| {
            let changed = std::mem::take(&mut profile.has_changed);
            changed.then(|| (whose.clone(), profile.record(now, day)))
        });
        changed.collect()
    }

    /// The record of a profile is kept from now on.
    pub fn kept(&mut self, whose: &str) {
        if let Some((_, profile)) = self.book.find(whose) {
            profile.is_kept = true;
        }
    }

    /// Whose records are to be removed: there are more actions than are remembered.
    pub fn forgotten(&mut self) -> Vec<Arc<str>> {
        self.book.take_gone()
    }

    /// Takes a record in that an earlier daemon has kept. False if it cannot be read.
    pub fn restore(&mut self, now: Instant, day: u64, whose: &str, record: &[u8]) -> bool {
        let now = self.moment(now);
        let Some(profile) = Profile::restored(record, now, day) else {
            return false;
        };
        let look = next_look(self.book.insert(now, whose, profile), now);
        self.begins = earlier(self.begins, look);
        true
    }

    /// Forgets an action that is not there any more.
    pub fn forget(&mut self, whose: &str) {
        self.book.forget(whose);
    }

    /// Takes an idle sandbox in. `ran` tells whether it comes from a run.
    fn add(
        &mut self,
        now: i64,
        slot: Slot,
        whose: &str,
        cost: Cost,
        ran: bool,
        out: &mut Vec<Advice>,
    ) {
        let bound = self.bound();
        let least = 1000.0 / (PATIENCE * bound as f32);
        let mut until = now + bound;
        let mut profile = None;
        let mut until_before = None;
        if let Some((bookmark, known)) = self.book.find(whose) {
            if ran {
                known.ended(now);
            }
            known.memory = cost.memory;
            until = now + known.stay(now, bound, least);
            let expected = known.expected(now).map(|next| next.at + next.late);
            if let Some(late) = expected.filter(|late| *late <= now + bound) {
                until = until.max(late);
            }
            profile = Some(bookmark);
            // The one before is only needed when two calls meet.
            let mut others = self.idle.iter_mut().rev();
            if let Some(before) = others.find(|idle| idle.profile == profile) {
                let end = before.since + known.extra.stay(bound, least);
                before.until = before.until.min(end.max(now));
                until_before = Some(before.until);
            }
        }
        self.ends = earlier(self.ends, until_before);
        self.idle.push(Idle {
            slot,
            profile,
            cost,
            since: now,
            until,
        });
        self.ends = earlier(self.ends, Some(until));
        self.fit(now, out);
    }

    /// Lets the least worth go until the rest is within the memory for idle ones.
    fn fit(&mut self, now: i64, out: &mut Vec<Advice>) {
        while self.memory() > self.settings.memory {
            let Some((index, _)) = self.least(now) else {
                return;
            };
            let slot = self.idle.remove(index).slot;
            out.push(Advice::Release { slot });
        }
    }

    /// Sees to calls that are near.
    fn prepare(&mut self, now: i64, out: &mut Vec<Advice>) {
        let (mut wanted, bound) = (Vec::new(), self.bound());
        for (bookmark, whose, profile) in self.book.each() {
            let Some(expected) = profile.expected(now) else {
                continue;
            };
            if !profile.is_due(now, expected) {
                continue;
            }
            let until = expected.at + expected.late;
            let mut idle = self.idle.iter_mut().rev();
            let idle = idle.find(|idle| idle.profile == Some(bookmark));
            if let Some(idle) = &idle
                && idle.since + bound <= expected.at
            {
                // One that is being frozen may be there for a little longer than it should.
                let end = (idle.since + bound).max(now + STAYS);
                profile.postpone(end + 1);
                continue;
            }
            profile.prepare(expected);
            match idle {
                Some(idle) => idle.until = idle.until.max(until.min(idle.since + bound)),
                // The one that runs now will be there.
                None if profile.is_running() => {}
                None => {
                    let seconds = (until - now).max(1_000) as f32 / 1_000.0;
                    let worth = profile.cold() as f32 / seconds / profile.memory.max(1) as f32;
                    wanted.push((worth, whose.clone(), profile.memory));
                }
            }
        }
        for (worth, whose, memory) in wanted {
            if self.make_room(now, u64::from(memory), worth, out) {
                out.push(Advice::Prepare { whose, memory });
            }
        }
    }

    /// Whether there is room for an idle sandbox, made by those that are worth less if need be.
    fn make_room(&mut self, now: i64, memory: u64, worth: f32, out: &mut Vec<Advice>) -> bool {
        if memory > self.settings.memory {
            return false;
        }
        while self.memory() + memory > self.settings.memory {
            match self.least(now) {
                Some((index, least)) if least < worth => {
                    let slot = self.idle.remove(index).slot;
                    out.push(Advice::Release { slot });
                }
                _ => return false,
            }
        }
        true
    }

    /// The idle sandbox that is worth least, and what it is worth; the longest idle of equals.
    fn least(&self, now: i64) -> Option<(usize, f32)> {
        self.each_worth(now)
            .min_by(|(index, one), (other, another)| one.total_cmp(another).then(index.cmp(other)))
    }

    /// What the idle sandboxes are worth, the last one first.
    fn each_worth(&self, now: i64) -> impl Iterator<Item = (usize, f32)> {
        let mut seen = HashSet::new();
        let idle = self.idle.iter().enumerate().rev();
        idle.map(move |(index, idle)| {
            let is_last = idle.profile.is_none_or(|profile| seen.insert(profile));
            (index, self.worth(now, idle, is_last))
        })
    }

    /// Milliseconds of cold start that are spared for each second and MB, if a sandbox stays.
    /// `is_last` tells that no other of its action was used later.
    fn worth(&self, now: i64, idle: &Idle, is_last: bool) -> f32 {
        let (bound, rested) = (self.bound(), now - idle.since);
        let nothing = Profile::default();
        let known = idle.profile.and_then(|bookmark| self.book.at(bookmark));
        let profile = known.unwrap_or(&nothing);
        let promise = if is_last {
            let expected = profile.expected(now).map(|next| next.at + next.late - now);
            let expected = expected.filter(|wait| rested + wait <= bound);
            let expected = expected.map_or(0.0, |wait| 1000.0 / wait.max(1_000) as f32);
            profile.gaps.promise(rested, bound).max(expected)
        } else {
            profile.extra.promise(rested, bound)
        };
        let cold = profile.cold_of(idle.cost.factor);
        promise * cold as f32 / idle.cost.memory.max(1) as f32
    }

    /// MB of the idle ones.
    fn memory(&self) -> u64 {
        self.idle
            .iter()
            .map(|idle| u64::from(idle.cost.memory))
            .sum()
    }

    fn bound(&self) -> i64 {
        i64::try_from(self.settings.idle.as_millis()).unwrap_or(i64::MAX / 4)
    }

    /// Shortest period of calls that is looked for: what comes sooner finds its sandbox anyway.
    fn shortest(&self) -> i64 {
        (self.bound() / SHORT).clamp(1_000, 20_000)
    }

    fn moment(&self, now: Instant) -> i64 {
        let since = now.saturating_duration_since(self.zero).as_millis();
        i64::try_from(since).unwrap_or(i64::MAX / 4)
    }

    /// The first moment at which there may be something to do.
    fn due(&self) -> Option<i64> {
        earlier(self.ends, self.begins)
    }
}

fn earlier(one: Option<i64>, other: Option<i64>) -> Option<i64> {
    [one, other].into_iter().flatten().min()
}

/// When there is something to do about the next expected call.
fn next_look(profile: &Profile, now: i64) -> Option<i64> {
    Some(profile.look(profile.expected(now)?))
}

#[cfg(test)]
#[path = "keeper_tests.rs"]
mod tests;
