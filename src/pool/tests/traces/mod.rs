//! Generated traces against a model that keeps its own books. Whatever happens: the capacity and
//! the memory hold at every instant, or what is above them since they were made smaller only gets
//! less, each request is granted exactly once or refused, nothing is run in a sandbox that is not
//! free and has no room for one more run, nor in a frozen one without a word, nor in one of an engine
//! that is away, busy ones are never removed, and when everything has come to rest no request
//! waits and no sandbox is forgotten. Asked again with nothing new, the pool decides nothing.
//!
//! `OWL_TEST_CASES` sets how many seeds are tried, beginning with `OWL_TEST_SEED`.

mod books;
mod events;

use std::collections::{BTreeMap, BTreeSet};

use super::*;

const CASES: u64 = 1_000;
const STEPS: usize = 300;
const ACTIONS: u64 = 7;
/// Runs that an action has at the same time in one sandbox, at most.
const MOST: u32 = 3;

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
    Freezing,
    Frozen,
    Growing,
    Stem,
    Removing,
}

/// Requests that may wait: besides those of the queue, as many as sandboxes will take that are
/// coming.
fn longest(settings: &Settings) -> usize {
    settings.queue_length + settings.capacity * MOST as usize
}

/// What the model knows of a sandbox.
#[derive(Clone, Debug)]
struct Held {
    state: State,
    /// None for a stem cell.
    action: Option<u64>,
    class: Class,
    /// Since when it is idle.
    since: Instant,
    /// Whether it has to go as soon as it is not busy.
    retired: bool,
    /// Runs that it may have, and has while it is busy.
    most: u32,
    runs: u32,
    /// Whether it takes further runs while it is busy.
    open: bool,
}

impl Held {
    fn new(state: State, action: Option<u64>, class: Class, since: Instant, most: u32) -> Self {
        Held {
            state,
            action,
            class,
            since,
            retired: false,
            most,
            runs: 0,
            open: false,
        }
    }

    /// The first run is sent to it.
    fn is_taken(&mut self, open: bool) {
        (self.state, self.runs, self.open) = (State::Busy, 1, open);
    }

    fn has_room(&self) -> bool {
        self.state == State::Busy && self.open && self.runs < self.most
    }
}

struct World {
    seed: u64,
    random: Random,
    bench: Bench,
    settings: Settings,
    /// Places and memory that may be taken: more than by the settings, as long as what was there
    /// under others has not gone.
    most: (usize, u64),
    /// Requests that may wait: the most that ever could.
    longest: usize,
    held: BTreeMap<Slot, Held>,
    /// The actions of those that wait.
    waiting: BTreeMap<Ticket, u64>,
    granted: BTreeSet<Ticket>,
    /// The engines that are away, and those of which it is being looked for what they have.
    away: BTreeSet<&'static str>,
    settling: BTreeSet<&'static str>,
    /// Both.
    down: BTreeSet<&'static str>,
    /// Stem cells that there are to be, of each class.
    stems: Vec<(Class, usize)>,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let settings = Self::settings(&mut random);
        World {
            seed,
            random,
            bench: Bench::new(settings.clone()),
            most: (settings.capacity, settings.memory),
            longest: longest(&settings),
            settings,
            held: BTreeMap::new(),
            waiting: BTreeMap::new(),
            granted: BTreeSet::new(),
            away: BTreeSet::new(),
            settling: BTreeSet::new(),
            down: BTreeSet::new(),
            stems: Vec::new(),
        }
    }

    fn settings(random: &mut Random) -> Settings {
        Settings {
            capacity: 1 + random.below(6) as usize,
            memory: 384 + 128 * random.below(9),
            queue_length: random.of(&[0, 3, 100]),
            starts: 1 + random.below(3) as usize,
            idle: Duration::from_secs(3),
            aging: Duration::from_secs(1),
            freeze_after: random.of(&[None, Some(Duration::from_millis(500))]),
            watermarks: random.of(&[
                None,
                Some(Watermarks::new(Duration::from_secs(1), 0.7, 0.4)),
            ]),
            ..Settings::default()
        }
    }

    fn run(mut self) {
        for step in 0..STEPS {
            self.bench.pass(self.random.below(200));
            // What the time asks for is decided before the event, or with it.
            let before = self.random.below(2) == 0;
            if before {
                self.look();
            }
            self.step(step > STEPS / 2);
            if !before {
                self.look();
            }
            self.ask_again();
            self.tighten();
            self.check();
        }
        self.come_to_rest();
    }

    fn step(&mut self, ends: bool) {
        match self.random.below(if ends { 13 } else { 22 }) {
            0 | 1 => self.start_one(),
            2 | 3 => self.finish_one(),
            4 | 5 => self.remove_one(),
            6 => self.freeze_one(),
            7 => self.tick(),
            8 => self.withdraw_one(),
            9 => self.retire_some(),
            10 => self.let_one_die(),
            11 => self.engines(),
            12 => self.open_one(),
            13 => self.want_stems(),
            14 => self.adopt(),
            15 if self.random.below(4) == 0 => self.reconfigure(),
            _ => self.ask(),
        }
    }

    /// Nothing has happened but that time has passed.
    fn look(&mut self) {
        self.tell(|pool, now, out| pool.engine_up(now, "none", out));
    }

    /// Nothing has happened, and no time has passed: nothing is decided.
    fn ask_again(&mut self) {
        let again = self
            .bench
            .tell(|pool, now, out| pool.engine_up(now, "none", out));
        assert_eq!(again, [], "seed {}: decided otherwise", self.seed);
    }

    fn key(action: u64) -> Key {
        let namespace = format!("n{}", action % 3);
        Key::new(&namespace, &format!("ns/{action}"), "0.0.1", 1)
    }

    fn needs(action: u64) -> Needs {
        let memory = [128, 256, 256, 512][action as usize % 4];
        let kind = ["nodejs:20", "java:8", "blackbox"][action as usize % 3];
        let concurrency = [1, MOST, 1, 2][action as usize % 4];
        let needs = Needs::new(Class {
            engine: if action == 6 { "process" } else { "docker" },
            ..Class::clone(&needs(kind, memory).class)
        });
        needs.with_concurrency(concurrency)
    }

    /// Everything ends; then nothing is left over.
    fn come_to_rest(mut self) {
        for engine in std::mem::take(&mut self.away) {
            self.look_at_engines();
            self.tell(|pool, now, out| pool.engine_up(now, engine, out));
        }
        for engine in std::mem::take(&mut self.settling) {
            self.look_at_engines();
            self.tell(|pool, now, out| pool.settled(now, engine, out));
        }
        self.stems.clear();
        self.tell(|pool, now, out| pool.set_stems(now, Vec::new(), out));
        let at_rest = |held: &Held| matches!(held.state, State::Idle | State::Frozen);
        let mut steps = 0;
        while !self.held.values().all(at_rest) {
            steps += 1;
            assert!(steps < 10_000, "seed {}: no end", self.seed);
            self.bench.pass(10);
            match self.random.below(4) {
                0 => self.start_one(),
                1 => self.finish_one(),
                2 => self.freeze_one(),
                _ => self.remove_one(),
            }
            self.check();
        }
        let (seed, waiting) = (self.seed, &self.waiting);
        assert!(waiting.is_empty(), "seed {seed}: {waiting:?} wait");
        self.bench.now += self.settings.idle;
        self.tick();
        while self.count(State::Removing) > 0 {
            self.remove_one();
        }
        assert!(self.bench.pool.is_empty(), "seed {seed}: {:?}", self.held);
        assert_eq!(
            (self.bench.pool.memory(), self.bench.pool.next_tick()),
            (0, None)
        );
    }
}
