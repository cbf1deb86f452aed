//! What may happen.

use super::*;

impl World {
    pub(super) fn tell(&mut self, event: impl FnOnce(&mut Pool, Instant, &mut Vec<Decision>)) {
        let decisions = self.bench.tell(event);
        self.take(decisions);
    }

    pub(super) fn ask(&mut self) {
        let action = self.random.below(ACTIONS);
        let (key, needs) = (Self::key(action), Self::needs(action));
        let outlook = self.bench.pool.outlook(&key, &needs);
        let (ticket, answer) = self.bench.request_of(key, needs);
        match answer {
            Ok(decisions) => {
                self.waiting.insert(ticket, action);
                self.take(decisions);
                let granted = self.granted.contains(&ticket);
                if outlook == Outlook::Warm && self.waiting.is_empty() {
                    assert!(granted, "seed {}", self.seed);
                }
            }
            Err(Refusal::QueueFull(_)) => {
                assert!(self.waiting.len() >= self.settings.queue_length);
                let besides = std::mem::take(&mut self.bench.besides);
                self.take(besides);
            }
            Err(Refusal::TooLarge { needed, budget }) => {
                assert!(needed > budget && budget == self.settings.memory);
            }
            Err(refusal) => panic!("seed {}: {refusal}", self.seed),
        }
    }

    fn one(&mut self, states: &[State]) -> Option<Slot> {
        let held = self.held.iter();
        let of_state = held.filter(|(_, held)| states.contains(&held.state));
        let slots: Vec<Slot> = of_state.map(|(slot, _)| *slot).collect();
        (!slots.is_empty()).then(|| self.random.of(&slots))
    }

    fn set(&mut self, slot: Slot, state: State) {
        let now = self.bench.now;
        let held = self.held.get_mut(&slot).unwrap();
        held.state = state;
        if state == State::Idle {
            held.since = now;
        }
    }

    pub(super) fn start_one(&mut self) {
        let Some(slot) = self.one(&[State::Starting, State::Growing]) else {
            return;
        };
        // Not all can be started.
        let is_there = self.random.below(4) > 0;
        if self.held[&slot].state == State::Growing {
            self.set(slot, State::Stem);
            self.tell(|pool, now, out| pool.grown(now, slot, is_there, out));
            assert!(is_there || self.held[&slot].state == State::Removing);
        } else if is_there {
            self.held.get_mut(&slot).unwrap().is_taken(false);
            self.tell(|pool, now, out| pool.started(now, slot, out));
        } else {
            self.give_up(slot);
        }
    }

    pub(super) fn finish_one(&mut self) {
        let Some(slot) = self.one(&[State::Busy]) else {
            return;
        };
        let fails = self.random.below(5) == 0;
        let held = self.held.get_mut(&slot).unwrap();
        if held.runs > 1 {
            held.runs -= 1;
            held.retired |= fails;
            return self.tell(|pool, now, out| pool.done(now, slot, !fails, out));
        }
        if fails {
            return self.give_up(slot);
        }
        self.set(slot, State::Idle);
        self.tell(|pool, now, out| pool.done(now, slot, true, out));
        let held = &self.held[&slot];
        assert!(
            !held.retired || held.state == State::Removing,
            "seed {}",
            self.seed
        );
    }

    /// A sandbox has its code, or is thawed.
    pub(super) fn open_one(&mut self) {
        let slot = self.one(&[State::Busy]);
        if let Some(slot) = slot.filter(|slot| self.held[slot].most > 1) {
            self.held.get_mut(&slot).unwrap().open = true;
            if self.random.below(2) == 0 {
                self.tell(|pool, now, out| pool.initialised(now, slot, out));
            } else {
                self.tell(|pool, now, out| pool.thawed(now, slot, out));
            }
        }
    }

    /// A sandbox that was given out comes to nothing.
    fn give_up(&mut self, slot: Slot) {
        self.set(slot, State::Idle);
        self.tell(|pool, now, out| pool.done(now, slot, false, out));
        assert_eq!(
            self.held[&slot].state,
            State::Removing,
            "seed {}",
            self.seed
        );
    }

    pub(super) fn remove_one(&mut self) {
        if let Some(slot) = self.one(&[State::Removing]) {
            self.held.remove(&slot);
            self.tell(|pool, now, out| pool.removed(now, slot, out));
        }
    }

    pub(super) fn freeze_one(&mut self) {
        let Some(slot) = self.one(&[State::Freezing]) else {
            return;
        };
        let (is_frozen, again) = (self.random.below(3) > 0, self.random.below(2) == 0);
        let held = self.held.get_mut(&slot).unwrap();
        // Freezing does not make it less idle.
        held.state = match is_frozen {
            true => State::Frozen,
            false => State::Idle,
        };
        self.tell(|pool, now, out| pool.frozen(now, slot, is_frozen, again, out));
    }

    pub(super) fn tick(&mut self) {
        let before = self.held.clone();
        let (now, seed) = (self.bench.now, self.seed);
        let due = self.bench.pool.next_tick();
        self.tell(|pool, now, out| pool.tick(now, out));
        let changed = before
            .iter()
            .any(|(slot, held)| self.held[slot].state != held.state);
        assert!(!changed || due.is_some_and(|due| due <= now), "seed {seed}");
        let next = self.bench.pool.next_tick();
        assert!(next.is_none_or(|next| next > now), "seed {seed}: no rest");
        for (slot, held) in &self.held {
            let idle = matches!(held.state, State::Idle | State::Frozen);
            let expired = idle && now - held.since >= self.settings.idle;
            assert!(!expired, "seed {seed}: {slot} is idle for too long");
        }
    }

    pub(super) fn withdraw_one(&mut self) {
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

    pub(super) fn retire_some(&mut self) {
        if self.random.below(3) > 0 {
            return;
        }
        let action = self.random.below(ACTIONS);
        let of_action = |held: &&mut Held| held.action == Some(action);
        self.held
            .values_mut()
            .filter(of_action)
            .for_each(|held| held.retired = true);
        let path = format!("ns/{action}");
        self.tell(|pool, now, out| pool.retire(now, &path, out));
    }

    pub(super) fn let_one_die(&mut self) {
        use State::{Busy, Freezing, Frozen, Idle, Stem};
        if let Some(slot) = self.one(&[Busy, Idle, Freezing, Frozen, Stem]) {
            self.held.get_mut(&slot).unwrap().retired = true;
            self.tell(|pool, now, out| pool.died(now, slot, out));
        }
    }

    pub(super) fn engines(&mut self) {
        let engine = self.random.of(&["docker", "process"]);
        if self.random.below(4) == 0 {
            let ends = self.settling.remove(engine);
            self.settling.extend((!ends).then_some(engine));
            self.look_at_engines();
            return self.tell(|pool, now, out| match ends {
                true => pool.settled(now, engine, out),
                false => pool.settle(now, engine, out),
            });
        }
        let comes = self.away.remove(engine);
        self.away.extend((!comes).then_some(engine));
        self.look_at_engines();
        self.tell(|pool, now, out| match comes {
            true => pool.engine_up(now, engine, out),
            false => pool.engine_down(now, engine, out),
        });
    }

    pub(super) fn look_at_engines(&mut self) {
        self.down = self.away.union(&self.settling).copied().collect();
    }

    pub(super) fn want_stems(&mut self) {
        let kinds = self.random.below(3);
        let stems = (0..kinds).map(|_| {
            let action = self.random.below(ACTIONS);
            let count = self.random.below(3) as usize;
            (Class::clone(&Self::needs(action).class), count)
        });
        let mut stems: Vec<(Class, usize)> = stems.collect();
        stems.sort_by_key(|(class, _)| (class.memory, class.kind.clone(), class.engine));
        stems.dedup_by(|one, other| one.0 == other.0);
        self.stems = stems.clone();
        self.tell(|pool, now, out| pool.set_stems(now, stems, out));
    }

    /// Other bounds hold. What is there above them may only get less.
    pub(super) fn reconfigure(&mut self) {
        let settings = Self::settings(&mut self.random);
        let settings = Settings {
            // Those that are being started go on.
            starts: self.settings.starts,
            ..settings
        };
        self.settings = settings.clone();
        let (places, memory) = self.used();
        self.most.0 = places.max(settings.capacity);
        self.most.1 = memory.max(settings.memory);
        let mut withdrawn = Vec::new();
        let decisions = self
            .bench
            .tell(|pool, now, out| withdrawn = pool.reconfigure(now, settings, out));
        for ticket in withdrawn {
            let action = self.waiting.remove(&ticket);
            let needed = action.map(|action| u64::from(Self::needs(action).class.memory));
            assert!(needed > Some(self.settings.memory), "seed {}", self.seed);
        }
        self.take(decisions);
        // Which busy ones go when they have finished is the pool's to choose.
        for sandbox in self.bench.pool.snapshot(self.bench.now).sandboxes {
            let held = self.held.get_mut(&sandbox.slot).unwrap();
            held.retired |= sandbox.retired.is_some();
        }
    }

    pub(super) fn adopt(&mut self) {
        let action = self.random.below(ACTIONS);
        let (key, needs) = (Self::key(action), Self::needs(action));
        let now = self.bench.now;
        let mut out = Vec::new();
        let adopted = self.bench.pool.adopt(now, key, &needs, &mut out);
        if let Some(slot) = adopted {
            let class = Class::clone(&needs.class);
            let held = Held::new(State::Idle, Some(action), class, now, needs.concurrency);
            self.held.insert(slot, held);
        }
        self.take(out);
    }
}
