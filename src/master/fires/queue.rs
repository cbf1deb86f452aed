//! Which fired triggers wait, which of them is next, and which of them go. Decisions only, with the
//! time handed in; what is decided is carried out by others.
//!
//! Those of a trigger stay in their order. Among triggers, the one whose first has the highest
//! priority is next, and of those the one that has waited longest.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::clock;
use crate::entity::{ActivationId, names};

/// The first pause of a trigger or namespace that is to wait; each one after it is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(64);

/// What is known of a fired trigger that waits.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its number: later ones have higher numbers.
    pub number: u64,
    /// The id of its activation.
    pub id: ActivationId,
    /// Its trigger: `ns/name`.
    pub trigger: Arc<str>,
    /// Its priority.
    pub priority: i64,
    /// When it was fired, in milliseconds since 1970.
    pub at: u64,
    /// What it counts for.
    pub bytes: u64,
    /// Whether it is for another master than the one that is set: it is not delivered.
    pub elsewhere: bool,
}

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Deliver this one.
    Fire(u64),
    /// Wait until then.
    At(Instant),
    /// There is nothing.
    Nothing,
}

#[derive(Clone, Copy, Debug)]
struct Pause {
    until: Instant,
    length: Duration,
}

/// The fired triggers that wait.
#[derive(Debug)]
pub struct Queue {
    /// Bytes that they may have.
    limit: u64,
    /// Milliseconds that each may wait.
    age: u64,
    entries: BTreeMap<u64, Entry>,
    /// Numbers of each trigger; those for another master behind the others.
    by_trigger: HashMap<Arc<str>, BTreeSet<(bool, u64)>>,
    by_priority: BTreeSet<(i64, u64)>,
    bytes: u64,
    /// How many are for another master.
    elsewhere: u64,
    /// The highest number that was given.
    last: u64,
    /// The one that is being delivered: it stays until that has ended.
    under_way: Option<u64>,
    /// By trigger, or by namespace.
    pauses: HashMap<String, Pause>,
    /// Namespaces that wait for something else than time.
    held: HashSet<String>,
}

impl Queue {
    /// An empty queue of `limit` bytes, in which each may wait for `age`.
    pub fn new(limit: u64, age: Duration) -> Self {
        Queue {
            limit,
            age: u64::try_from(age.as_millis()).unwrap_or(u64::MAX),
            entries: BTreeMap::new(),
            by_trigger: HashMap::new(),
            by_priority: BTreeSet::new(),
            bytes: 0,
            elsewhere: 0,
            last: 0,
            under_way: None,
            pauses: HashMap::new(),
            held: HashSet::new(),
        }
    }

    /// How many wait for the master.
    pub fn len(&self) -> u64 {
        self.entries.len() as u64 - self.elsewhere
    }

    /// How many wait for another master.
    pub const fn elsewhere(&self) -> u64 {
        self.elsewhere
    }

    /// Whether none waits, for whichever master.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What all that wait count for.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The number of the next that comes.
    pub const fn next_number(&self) -> u64 {
        self.last + 1
    }

    /// Whether any of a trigger wait for the master.
    pub fn has_of(&self, trigger: &str) -> bool {
        self.first_of(trigger).is_some()
    }

    /// The first of a trigger that is to be delivered.
    fn first_of(&self, trigger: &str) -> Option<&Entry> {
        let (elsewhere, number) = self.by_trigger.get(trigger)?.first()?;
        match elsewhere {
            true => None,
            false => self.entries.get(number),
        }
    }

    /// Whether one with this id of a trigger waits.
    pub fn has(&self, trigger: &str, id: ActivationId) -> bool {
        let of_trigger = self.by_trigger.get(trigger);
        let mut entries = of_trigger
            .into_iter()
            .flatten()
            .filter_map(|(_, number)| self.entries.get(number));
        entries.any(|entry| entry.id == id)
    }

    /// Which have to go so that one of these bytes and this priority has room: the oldest of the
    /// lowest priority first, none of a higher one. None if that is not enough.
    pub fn room_for(&self, bytes: u64, priority: i64) -> Option<Vec<u64>> {
        let mut needed = (self.bytes + bytes).saturating_sub(self.limit);
        let mut going = Vec::new();
        for (of, number) in &self.by_priority {
            if needed == 0 || *of > priority {
                break;
            }
            if self.under_way != Some(*number) {
                let freed = self.entries.get(number).map_or(0, |entry| entry.bytes);
                needed = needed.saturating_sub(freed);
                going.push(*number);
            }
        }
        (needed == 0).then_some(going)
    }

    /// One has come.
    pub fn add(&mut self, entry: Entry) {
        let number = entry.number;
        self.last = self.last.max(number);
        self.bytes += entry.bytes;
        self.elsewhere += u64::from(entry.elsewhere);
        self.by_priority.insert((entry.priority, number));
        let of_trigger = self.by_trigger.entry(entry.trigger.clone()).or_default();
        of_trigger.insert((entry.elsewhere, number));
        self.entries.insert(number, entry);
    }

    /// One is gone.
    pub fn remove(&mut self, number: u64) {
        let Some(entry) = self.entries.remove(&number) else {
            return;
        };
        self.bytes -= entry.bytes;
        self.elsewhere -= u64::from(entry.elsewhere);
        self.by_priority.remove(&(entry.priority, number));
        if let Some(of_trigger) = self.by_trigger.get_mut(&entry.trigger) {
            of_trigger.remove(&(entry.elsewhere, number));
            if of_trigger.is_empty() {
                self.by_trigger.remove(&entry.trigger);
                self.pauses.remove(&*entry.trigger);
            }
        }
        if self.entries.is_empty() {
            self.pauses.clear();
            self.held.clear();
        }
    }

    /// What the store has now of those that wait: others have given some up, or decided that they
    /// are for this master.
    pub fn renew(&mut self, stored: &BTreeMap<u64, Entry>) {
        let numbers: Vec<u64> = self.entries.keys().copied().collect();
        for number in numbers {
            match stored.get(&number) {
                None => self.remove(number),
                Some(entry) => {
                    let known = self.entries.get(&number);
                    if known.is_some_and(|known| known.elsewhere != entry.elsewhere) {
                        self.remove(number);
                        self.add(entry.clone());
                    }
                }
            }
        }
    }

    /// Those that have waited too long. `now` is in milliseconds since 1970.
    pub fn expired(&self, now: u64) -> Vec<u64> {
        let has_expired =
            |entry: &&Entry| clock::age(entry.at, now).is_some_and(|age| age > self.age);
        let expired = self.entries.values().filter(has_expired);
        let numbers = expired.map(|entry| entry.number);
        numbers
            .filter(|number| self.under_way != Some(*number))
            .collect()
    }

    /// How long until one has waited too long; none if nothing waits.
    pub fn until_expiry(&self, now: u64) -> Option<Duration> {
        // Those from before the clock was set wait for as long as there is room.
        let known = |at: &u64| *at > now || clock::age(*at, now).is_some();
        let times = self.entries.values().map(|entry| entry.at);
        let first = times.filter(known).min()?;
        let expiry = first.saturating_add(self.age).saturating_add(1);
        Some(Duration::from_millis(expiry.saturating_sub(now)))
    }

    /// What is to be done next.
    pub fn next(&self, now: Instant) -> Next {
        let mut best: Option<&Entry> = None;
        let mut soonest: Option<Instant> = None;
        for trigger in self.by_trigger.keys() {
            let Some(first) = self.first_of(trigger) else {
                continue;
            };
            if self.is_held(&first.trigger) {
                continue;
            }
            if let Some(until) = self.paused(&first.trigger, now) {
                soonest = Some(soonest.map_or(until, |soonest| soonest.min(until)));
                continue;
            }
            let rank = |entry: &Entry| (entry.priority, std::cmp::Reverse(entry.number));
            if best.is_none_or(|best| rank(first) > rank(best)) {
                best = Some(first);
            }
        }
        match (best, soonest) {
            (Some(best), _) => Next::Fire(best.number),
            (None, Some(until)) => Next::At(until),
            (None, None) => Next::Nothing,
        }
    }

    fn is_held(&self, trigger: &str) -> bool {
        let (namespace, _) = names::place_and_name(trigger);
        self.held.contains(namespace)
    }

    /// Until when a trigger is to wait, if it is.
    fn paused(&self, trigger: &str, now: Instant) -> Option<Instant> {
        let (namespace, _) = names::place_and_name(trigger);
        let pauses = [trigger, namespace].map(|of| self.pauses.get(of));
        let until = pauses.into_iter().flatten().map(|pause| pause.until);
        until.filter(|until| *until > now).max()
    }

    /// One is being delivered.
    pub fn begin(&mut self, number: u64) {
        self.under_way = Some(number);
    }

    /// Its delivery has ended; whether it waits on is told by [`Queue::remove`].
    pub fn end(&mut self) {
        self.under_way = None;
    }

    /// A trigger, `ns/name`, or all of a namespace are to wait, longer each time.
    pub fn pause(&mut self, of: &str, now: Instant) {
        let known = self.pauses.get(of);
        let length = known.map_or(FIRST_PAUSE, |pause| (pause.length * 2).min(LONGEST_PAUSE));
        let until = now + length;
        self.pauses.insert(of.to_owned(), Pause { until, length });
    }

    /// The master has answered one of a trigger: what is next of it and of its namespace need not
    /// wait.
    pub fn resume(&mut self, trigger: &str) {
        let (namespace, _) = names::place_and_name(trigger);
        for of in [trigger, namespace] {
            self.pauses.remove(of);
        }
    }

    /// All of a namespace are to wait for something else than time: until [`Queue::release`].
    pub fn hold(&mut self, namespace: &str) {
        self.held.insert(namespace.to_owned());
    }

    /// Lets go on what was held, but for the namespaces that have to wait still.
    pub fn release(&mut self, has_to_wait: impl Fn(&str) -> bool) {
        self.held.retain(|namespace| has_to_wait(namespace));
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
