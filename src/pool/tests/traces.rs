//! Generated traces against a model that keeps its own books. Whatever happens: the capacity and
//! the memory hold at every instant, each request is granted exactly once or refused, nothing is
//! run in a sandbox that is not free, busy ones are never removed, and when everything has come
//! to rest no request waits and no sandbox is forgotten.
//!
//! `OWL_TEST_CASES` sets how many seeds are tried, beginning with `OWL_TEST_SEED`.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

const CASES: u64 = 1_000;
const STEPS: usize = 300;
const MEMORIES: [u32; 4] = [128, 256, 256, 512];

fn setting(name: &str, default: u64) -> u64 {
    let set = std::env::var(name).ok();
    set.map_or(default, |set| set.parse().expect("a number"))
}

#[test]
fn the_promises_hold() {
    let first = setting("OWL_TEST_SEED", 1);
    for seed in first..first + setting("OWL_TEST_CASES", CASES) {
        World::new(seed).run();
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Starting,
    Busy,
    Idle,
    Removing,
}

/// What the model knows of a sandbox.
#[derive(Clone, Debug)]
struct Held {
    state: State,
    action: u64,
    memory: u64,
    /// Since when it is idle.
    since: Instant,
}

struct World {
    seed: u64,
    random: Random,
    bench: Bench,
    settings: Settings,
    boxes: BTreeMap<Slot, Held>,
    /// The actions of those that wait.
    waiting: BTreeMap<Ticket, u64>,
    granted: BTreeSet<Ticket>,
    retired: BTreeSet<Slot>,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let settings = Settings {
            capacity: 1 + random.below(6) as usize,
            memory: 512 + 128 * random.below(8),
            queue_length: random.of(&[0, 3, 100]),
            starts: 1 + random.below(3) as usize,
            idle: Duration::from_secs(3),
            aging: Duration::from_secs(1),
            watermarks: (random.below(2) == 0)
                .then(|| Watermarks::new(Duration::from_secs(1), 0.7, 0.4)),
            ..Settings::default()
        };
        World {
            seed,
            random,
            bench: Bench::new(settings.clone()),
            settings,
            boxes: BTreeMap::new(),
            waiting: BTreeMap::new(),
            granted: BTreeSet::new(),
            retired: BTreeSet::new(),
        }
    }

    fn run(mut self) {
        for step in 0..STEPS {
            self.bench.pass(self.random.below(200));
            let ends = step > STEPS / 2;
            self.step(ends);
            self.check();
        }
        self.come_to_rest();
    }

    fn step(&mut self, ends: bool) {
        match self.random.below(if ends { 8 } else { 14 }) {
            0 => self.start_one(),
            1 | 2 => self.finish_one(),
            3 | 4 => self.remove_one(),
            5 => self.tick(),
            6 => self.withdraw_one(),
            7 => self.retire_one(),
            _ => self.ask(),
        }
    }

    fn key(action: u64) -> Key {
        let namespace = format!("n{}", action % 3);
        Key::new(&namespace, &format!("ns/{action}"), "0.0.1", 1)
    }

    fn memory(action: u64) -> u32 {
        MEMORIES[action as usize % MEMORIES.len()]
    }

    fn ask(&mut self) {
        let action = self.random.below(7);
        let kind = ["nodejs:20", "java:8", "blackbox"][action as usize % 3];
        let needs = needs(kind, Self::memory(action));
        let outlook = self.bench.pool.outlook(&Self::key(action), &needs);
        let (ticket, answer) = self.bench.request_of(Self::key(action), needs);
        match answer {
            Ok(decisions) => {
                self.waiting.insert(ticket, action);
                self.take(decisions);
                if outlook == Outlook::Warm && self.waiting.len() == 1 {
                    assert!(self.granted.contains(&ticket), "seed {}", self.seed);
                }
            }
            Err(Refusal::QueueFull(_)) => {
                assert!(self.waiting.len() >= self.settings.queue_length);
                let besides = std::mem::take(&mut self.bench.besides);
                self.take(besides);
            }
            Err(refusal) => panic!("seed {}: {refusal}", self.seed),
        }
    }

    fn one(&mut self, state: State) -> Option<Slot> {
        let of_state = |(_, of): &(&Slot, &Held)| of.state == state;
        let slots: Vec<Slot> = self
            .boxes
            .iter()
            .filter(of_state)
            .map(|(slot, _)| *slot)
            .collect();
        (!slots.is_empty()).then(|| self.random.of(&slots))
    }

    fn tell(&mut self, event: impl FnOnce(&mut Pool, Instant, &mut Vec<Decision>)) {
        let decisions = self.bench.tell(event);
        self.take(decisions);
    }

    fn start_one(&mut self) {
        let Some(slot) = self.one(State::Starting) else {
            return;
        };
        // Not all can be started.
        if self.random.below(4) == 0 {
            return self.give_up(slot);
        }
        self.boxes.get_mut(&slot).unwrap().state = State::Busy;
        self.tell(|pool, now, out| pool.started(now, slot, out));
    }

    fn finish_one(&mut self) {
        let Some(slot) = self.one(State::Busy) else {
            return;
        };
        if self.random.below(5) == 0 {
            return self.give_up(slot);
        }
        let now = self.bench.now;
        let of = self.boxes.get_mut(&slot).unwrap();
        (of.state, of.since) = (State::Idle, now);
        self.tell(|pool, now, out| pool.done(now, slot, true, out));
        if self.retired.contains(&slot) {
            assert_eq!(
                self.boxes[&slot].state,
                State::Removing,
                "seed {}",
                self.seed
            );
        }
    }

    /// A sandbox that was given out comes to nothing.
    fn give_up(&mut self, slot: Slot) {
        let now = self.bench.now;
        let of = self.boxes.get_mut(&slot).unwrap();
        (of.state, of.since) = (State::Idle, now);
        self.tell(|pool, now, out| pool.done(now, slot, false, out));
        assert_eq!(
            self.boxes[&slot].state,
            State::Removing,
            "seed {}",
            self.seed
        );
    }

    fn remove_one(&mut self) {
        if let Some(slot) = self.one(State::Removing) {
            self.boxes.remove(&slot);
            self.tell(|pool, now, out| pool.removed(now, slot, out));
        }
    }

    fn tick(&mut self) {
        let before = self.boxes.clone();
        let now = self.bench.now;
        let due = self.bench.pool.next_tick();
        self.tell(|pool, now, out| pool.tick(now, out));
        let went = |(slot, of): &(&Slot, &Held)| {
            of.state == State::Idle && self.boxes[*slot].state == State::Removing
        };
        let gone = before.iter().filter(went).count();
        assert!(
            gone == 0 || due.is_some_and(|due| due <= now),
            "seed {}",
            self.seed
        );
        let next = self.bench.pool.next_tick();
        assert!(
            next.is_none_or(|next| next > now),
            "seed {}: no rest",
            self.seed
        );
        for (slot, of) in &self.boxes {
            let expired = of.state == State::Idle && now - of.since >= self.settings.idle;
            assert!(!expired, "seed {}: {slot} is idle for too long", self.seed);
        }
    }

    fn withdraw_one(&mut self) {
        let tickets: Vec<Ticket> = self.waiting.keys().copied().collect();
        if tickets.is_empty() {
            return;
        }
        let ticket = self.random.of(&tickets);
        self.waiting.remove(&ticket);
        self.tell(|pool, now, out| assert!(pool.cancel(now, ticket, out)));
        let again = self
            .bench
            .tell(|pool, now, out| assert!(!pool.cancel(now, ticket, out)));
        assert_eq!(again, []);
    }

    fn retire_one(&mut self) {
        if self.random.below(3) > 0 {
            return;
        }
        let action = self.random.below(7);
        let path = format!("ns/{action}");
        let busy = |of: &Held| matches!(of.state, State::Busy | State::Starting);
        let changed = self
            .boxes
            .iter()
            .filter(|(_, of)| of.action == action && busy(of));
        self.retired.extend(changed.map(|(slot, _)| *slot));
        self.tell(|pool, now, out| pool.retire(now, &path, out));
        let idle = self.boxes.values().filter(|of| of.state == State::Idle);
        assert!(
            idle.filter(|of| of.action == action).count() == 0,
            "seed {}",
            self.seed
        );
    }

    /// Books what the pool has decided.
    fn take(&mut self, decisions: Vec<Decision>) {
        let seed = self.seed;
        for decision in decisions {
            match decision {
                Decision::Run { ticket, slot } => {
                    let action = self.grant(ticket);
                    let of = self.boxes.get_mut(&slot).unwrap();
                    assert_eq!((of.state, of.action), (State::Idle, action), "seed {seed}");
                    of.state = State::Busy;
                }
                Decision::Start { ticket, slot } => {
                    let action = self.grant(ticket);
                    let of = Held {
                        state: State::Starting,
                        action,
                        memory: Self::memory(action).into(),
                        since: self.bench.now,
                    };
                    assert!(self.boxes.insert(slot, of).is_none(), "seed {seed}");
                    self.check_room();
                }
                Decision::Remove { slot } => {
                    let of = self.boxes.get_mut(&slot).unwrap();
                    assert_eq!(of.state, State::Idle, "seed {seed}: {slot} was not free");
                    of.state = State::Removing;
                }
                // Nothing has a place before it asks for one.
                Decision::Prepare { .. } => {}
            }
        }
    }

    fn grant(&mut self, ticket: Ticket) -> u64 {
        let action = self.waiting.remove(&ticket);
        assert!(self.granted.insert(ticket), "seed {}: twice", self.seed);
        action.unwrap_or_else(|| panic!("seed {}: nobody asked for {ticket}", self.seed))
    }

    fn check_room(&self) {
        let memory: u64 = self.boxes.values().map(|of| of.memory).sum();
        let fits = self.boxes.len() <= self.settings.capacity && memory <= self.settings.memory;
        assert!(
            fits,
            "seed {}: {} with {memory} MB",
            self.seed,
            self.boxes.len()
        );
    }

    fn count(&self, state: State) -> usize {
        self.boxes.values().filter(|of| of.state == state).count()
    }

    fn check(&self) {
        let seed = self.seed;
        self.check_room();
        let counts = self.bench.pool.counts();
        let expected = Counts {
            starting: self.count(State::Starting),
            busy: self.count(State::Busy),
            idle: self.count(State::Idle),
            removing: self.count(State::Removing),
            waiting: self.waiting.len(),
        };
        assert_eq!(counts, expected, "seed {seed}");
        assert!(counts.starting <= self.settings.starts, "seed {seed}");
        let bound = self.settings.queue_length + self.settings.capacity;
        assert!(
            counts.waiting <= bound,
            "seed {seed}: {} wait",
            counts.waiting
        );
        let hope = counts.starting + counts.busy + counts.removing;
        assert!(
            self.waiting.is_empty() || hope > 0,
            "seed {seed}: requests wait for nothing"
        );
        // Nobody waits for what is free.
        for action in self.waiting.values() {
            let free = |of: &&Held| of.state == State::Idle && of.action == *action;
            if self.waiting.len() == 1 {
                assert_eq!(self.boxes.values().filter(free).count(), 0, "seed {seed}");
            }
        }
    }

    /// Everything ends; then nothing is left over.
    fn come_to_rest(mut self) {
        let mut steps = 0;
        while self.boxes.values().any(|of| of.state != State::Idle) {
            steps += 1;
            assert!(steps < 10_000, "seed {}: no end", self.seed);
            self.bench.pass(10);
            match self.random.below(3) {
                0 => self.start_one(),
                1 => self.finish_one(),
                _ => self.remove_one(),
            }
            self.check();
        }
        assert!(
            self.waiting.is_empty(),
            "seed {}: {:?}",
            self.seed,
            self.waiting
        );
        self.bench.now += self.settings.idle;
        self.tick();
        while self.count(State::Removing) > 0 {
            self.remove_one();
        }
        assert!(
            self.bench.pool.is_empty(),
            "seed {}: {:?}",
            self.seed,
            self.boxes
        );
        assert_eq!(
            (self.bench.pool.memory(), self.bench.pool.next_tick()),
            (0, None)
        );
    }
}
