//! What the model makes of decisions, and what must hold.

use super::*;

impl World {
    /// Books what the pool has decided.
    pub(super) fn take(&mut self, decisions: Vec<Decision>) {
        let seed = self.seed;
        for decision in decisions {
            match decision {
                Decision::Run {
                    ticket,
                    slot,
                    frozen,
                } => {
                    let action = self.grant(ticket);
                    let held = self.held.get_mut(&slot).unwrap();
                    let expected = match frozen {
                        true => State::Frozen,
                        false if held.has_room() => State::Busy,
                        false => State::Idle,
                    };
                    assert_eq!(held.state, expected, "seed {seed}: {slot} for {ticket}");
                    assert_eq!(held.action, Some(action), "seed {seed}");
                    assert!(!held.retired, "seed {seed}");
                    assert!(!self.down.contains(held.class.engine), "seed {seed}");
                    match held.state {
                        State::Busy => held.runs += 1,
                        was => held.is_taken(was == State::Idle),
                    }
                }
                Decision::Init { ticket, slot } => {
                    let action = self.grant(ticket);
                    let held = self.held.get_mut(&slot).unwrap();
                    assert_eq!(held.state, State::Stem, "seed {seed}");
                    assert_eq!(held.class, *Self::needs(action).class, "seed {seed}");
                    assert!(!self.down.contains(held.class.engine), "seed {seed}");
                    held.action = Some(action);
                    held.most = Self::needs(action).concurrency;
                    held.is_taken(false);
                }
                Decision::Start { ticket, slot } => {
                    let action = self.grant(ticket);
                    let class = Class::clone(&Self::needs(action).class);
                    self.made(slot, State::Starting, Some(action), class);
                }
                Decision::Grow { slot, class } => {
                    assert!(self.waiting.is_empty(), "seed {seed}: others need the room");
                    self.made(slot, State::Growing, None, Class::clone(&class));
                }
                // Nothing has a place before it asks for one.
                Decision::Prepare { .. } => {}
                Decision::Freeze { slot } => {
                    let held = self.held.get_mut(&slot).unwrap();
                    // What was frozen is frozen again when its engine is back.
                    let free = matches!(held.state, State::Idle | State::Frozen);
                    assert!(free, "seed {seed}: {slot} is {:?}", held.state);
                    assert!(!self.down.contains(held.class.engine), "seed {seed}");
                    held.state = State::Freezing;
                }
                Decision::Remove { slot } => {
                    let held = self.held.get_mut(&slot).unwrap();
                    let free = matches!(held.state, State::Idle | State::Frozen | State::Stem);
                    assert!(free, "seed {seed}: {slot} is {:?}", held.state);
                    held.state = State::Removing;
                }
            }
        }
    }

    fn made(&mut self, slot: Slot, state: State, action: Option<u64>, class: Class) {
        assert!(!self.down.contains(class.engine), "seed {}", self.seed);
        let since = self.bench.now;
        let most = action.map_or(1, |action| Self::needs(action).concurrency);
        let held = Held::new(state, action, class, since, most);
        let before = self.held.insert(slot, held);
        assert!(before.is_none(), "seed {}: {slot} is there", self.seed);
        self.check_room();
    }

    fn grant(&mut self, ticket: Ticket) -> u64 {
        let action = self.waiting.remove(&ticket);
        assert!(self.granted.insert(ticket), "seed {}: twice", self.seed);
        action.unwrap_or_else(|| panic!("seed {}: nobody asked for {ticket}", self.seed))
    }

    fn check_room(&self) {
        let (places, memory) = self.used();
        let fits = places <= self.most.0 && memory <= self.most.1;
        assert!(fits, "seed {}: {places} with {memory} MB", self.seed);
    }

    pub(super) fn used(&self) -> (usize, u64) {
        let memory = self.held.values().map(|held| u64::from(held.class.memory));
        (self.held.len(), memory.sum())
    }

    /// What is above the bounds must not come back when it has gone.
    pub(super) fn tighten(&mut self) {
        let (places, memory) = self.used();
        let Settings {
            capacity,
            memory: budget,
            ..
        } = self.settings;
        self.most.0 = self.most.0.min(places).max(capacity);
        self.most.1 = self.most.1.min(memory).max(budget);
        self.longest = self.longest.max(longest(&self.settings));
    }

    pub(super) fn count(&self, state: State) -> usize {
        let held = self.held.values();
        held.filter(|held| held.state == state).count()
    }

    pub(super) fn check(&self) {
        let seed = self.seed;
        self.check_room();
        let counts = self.bench.pool.counts();
        let idle = self.count(State::Idle) + self.count(State::Frozen);
        let expected = Counts {
            starting: self.count(State::Starting),
            busy: self.count(State::Busy),
            idle: idle + self.count(State::Freezing),
            frozen: self.count(State::Frozen),
            stems: self.count(State::Growing) + self.count(State::Stem),
            removing: self.count(State::Removing),
            waiting: self.waiting.len(),
        };
        assert_eq!(counts, expected, "seed {seed}");
        let starting = counts.starting + self.count(State::Growing);
        assert!(starting <= self.settings.starts, "seed {seed}");
        assert!(
            counts.waiting <= self.longest,
            "seed {seed}: {} wait",
            counts.waiting
        );
        self.check_waiting(&counts);
        self.check_stems();
    }

    /// Nobody waits for nothing, nor for what is free.
    fn check_waiting(&self, counts: &Counts) {
        let coming = counts.starting + counts.busy + counts.removing;
        let coming = coming + self.count(State::Growing) + self.count(State::Freezing);
        // What an engine has that is away is nobody's until it is back.
        let away = self.held.values();
        let coming = coming
            + away
                .filter(|held| self.down.contains(held.class.engine))
                .count();
        let can_run = |action: &u64| !self.down.contains(Self::needs(*action).class.engine);
        let waiting: Vec<&u64> = self
            .waiting
            .values()
            .filter(|action| can_run(action))
            .collect();
        assert!(
            waiting.is_empty() || coming > 0,
            "seed {}: requests wait for nothing",
            self.seed
        );
        if let [action] = waiting[..]
            && self.waiting.len() == 1
        {
            let of_action = |held: &&Held| held.action == Some(*action) && !held.retired;
            let mut own = self.held.values().filter(of_action);
            let free = own
                .any(|held| matches!(held.state, State::Idle | State::Frozen) || held.has_room());
            assert!(!free, "seed {}: {action} waits for what is free", self.seed);
        }
    }

    /// There are no more stem cells than are wanted.
    fn check_stems(&self) {
        for (class, count) in &self.stems {
            let stems = self.held.values().filter(|held| {
                let stem = held.state == State::Stem && !held.retired;
                stem && held.class == *class
            });
            assert!(
                stems.count() <= *count,
                "seed {}: too many of {class:?}",
                self.seed
            );
        }
    }
}
