//! Plays a trace against a policy, and counts.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use owl::pool::Slot;
use owl::pool::warmth::{Advice, Cost, Settings, Warmth};

use crate::trace::Trace;

/// What decides which sandboxes stay.
pub enum Policy {
    /// Each for so long; the one that was idle longest makes room.
    Fixed,
    /// What is known of the calls.
    Warmth,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outcome {
    pub calls: u64,
    /// Calls that had to start a sandbox.
    pub cold: u64,
    /// Milliseconds that they waited for it.
    pub waited: u64,
    /// Sandboxes that were started, ahead of calls, too.
    pub starts: u64,
    /// Memory of idle sandboxes over time.
    pub idle_mb_seconds: f64,
}

/// Seconds that a sandbox may be idle: the default.
const IDLE: u64 = 600;

struct Sandbox {
    action: usize,
    /// Since when it is idle; none: it is busy.
    idle: Option<u64>,
    /// Whether it was started ahead of a call.
    ahead: bool,
}

#[derive(Clone, Copy)]
enum Event {
    Call(usize),
    /// The sandbox has ended its run, or is ready for its first.
    Free(Slot),
}

/// A gateway in which only time passes.
struct Play<'a> {
    trace: &'a Trace,
    warmth: Option<Warmth>,
    zero: Instant,
    now: u64,
    sandboxes: BTreeMap<Slot, Sandbox>,
    next: Slot,
    /// What happens when, in order; numbers tell apart what happens at the same time.
    events: BTreeMap<(u64, u64), Event>,
    number: u64,
    outcome: Outcome,
}

/// Plays a trace.
pub fn play(trace: &Trace, policy: &Policy) -> Outcome {
    let zero = Instant::now();
    let settings = Settings {
        idle: Duration::from_secs(IDLE),
        memory: u64::from(trace.memory),
    };
    let warmth = match policy {
        Policy::Fixed => None,
        Policy::Warmth => Some(Warmth::new(zero, settings)),
    };
    let mut play = Play {
        trace,
        warmth,
        zero,
        now: 0,
        sandboxes: BTreeMap::new(),
        next: 0,
        events: BTreeMap::new(),
        number: 0,
        outcome: Outcome::default(),
    };
    for (time, action) in &trace.calls {
        play.after(*time, Event::Call(*action));
    }
    play.run();
    play.outcome
}

impl Play<'_> {
    fn run(&mut self) {
        loop {
            let event = self.events.first_key_value().map(|((time, _), _)| *time);
            let alarm = self.alarm().filter(|time| *time <= self.trace.length);
            match (event, alarm) {
                (Some(event), alarm) if alarm.is_none_or(|alarm| event <= alarm) => {
                    let Some((_, what)) = self.events.pop_first() else {
                        return;
                    };
                    self.pass(event);
                    match what {
                        Event::Call(action) => self.call(action),
                        Event::Free(slot) => self.free(slot),
                    }
                }
                (_, Some(alarm)) => {
                    self.pass(alarm.max(self.now));
                    self.tick();
                }
                (_, None) => break,
            }
        }
        self.pass(self.trace.length.max(self.now));
    }

    fn pass(&mut self, time: u64) {
        let idle = self
            .sandboxes
            .values()
            .filter(|sandbox| sandbox.idle.is_some());
        let memory: u32 = idle
            .map(|sandbox| self.trace.actions[sandbox.action].memory)
            .sum();
        self.outcome.idle_mb_seconds += f64::from(memory) * (time - self.now) as f64 / 1000.0;
        self.now = time;
    }

    fn instant(&self) -> Instant {
        self.zero + Duration::from_millis(self.now)
    }

    fn after(&mut self, wait: u64, event: Event) {
        self.events.insert((self.now + wait, self.number), event);
        self.number += 1;
    }

    fn call(&mut self, action: usize) {
        let (now, name) = (self.instant(), &self.trace.actions[action].name);
        let idle = self
            .sandboxes
            .iter()
            .filter(|(_, sandbox)| sandbox.action == action);
        let freshest = idle
            .filter_map(|(slot, sandbox)| Some((sandbox.idle?, *slot)))
            .max();
        let of_it = &self.trace.actions[action];
        if let Some((_, slot)) = freshest {
            if let Some(warmth) = &mut self.warmth {
                warmth.arrived(now, name);
                warmth.gone(slot);
            }
            let sandbox = self.sandboxes.get_mut(&slot).expect("it is idle");
            (sandbox.idle, sandbox.ahead) = (None, false);
            self.outcome.calls += 1;
            return self.after(of_it.run, Event::Free(slot));
        }
        if !self.make_room(action) {
            // All are busy: a little later one will not be.
            return self.after(50, Event::Call(action));
        }
        if let Some(warmth) = &mut self.warmth {
            warmth.arrived(now, name);
            warmth.started_cold(name, Duration::from_millis(of_it.cold));
        }
        self.outcome.calls += 1;
        self.outcome.cold += 1;
        self.outcome.waited += of_it.cold;
        let slot = self.start(action, false);
        self.after(of_it.cold + of_it.run, Event::Free(slot));
    }

    fn start(&mut self, action: usize, ahead: bool) -> Slot {
        self.outcome.starts += 1;
        let sandbox = Sandbox {
            action,
            idle: None,
            ahead,
        };
        self.next += 1;
        self.sandboxes.insert(self.next, sandbox);
        self.next
    }

    /// Whether there is a place for a sandbox.
    fn fits(&self, action: usize) -> bool {
        let sandboxes = self.sandboxes.values();
        let memory: u32 = sandboxes
            .map(|sandbox| self.trace.actions[sandbox.action].memory)
            .sum();
        let more = self.trace.actions[action].memory;
        self.sandboxes.len() < self.trace.capacity && memory + more <= self.trace.memory
    }

    /// Whether there is a place, made by idle sandboxes if need be: those that were idle longest,
    /// or are worth least.
    fn make_room(&mut self, action: usize) -> bool {
        while !self.fits(action) {
            let idle = self.sandboxes.iter();
            let idle = idle.filter_map(|(slot, sandbox)| Some((sandbox.idle?, *slot)));
            let Some((_, longest)) = idle.min() else {
                return false;
            };
            let now = self.instant();
            let least = self.warmth.as_ref();
            let least = least.and_then(|warmth| warmth.least_worth(now));
            let victim = least.unwrap_or(longest);
            self.sandboxes.remove(&victim);
            if let Some(warmth) = &mut self.warmth {
                warmth.gone(victim);
            }
        }
        true
    }

    fn free(&mut self, slot: Slot) {
        let (now, time) = (self.instant(), self.now);
        let sandbox = self.sandboxes.get_mut(&slot).expect("it is busy");
        sandbox.idle = Some(time);
        let action = &self.trace.actions[sandbox.action];
        let cost = Cost {
            memory: action.memory,
            factor: 1,
        };
        let mut out = Vec::new();
        if let Some(warmth) = &mut self.warmth {
            match sandbox.ahead {
                true => warmth.prepared(now, slot, &action.name, cost, &mut out),
                false => warmth.idled(now, slot, &action.name, cost, &mut out),
            }
        }
        self.follow(out);
    }

    /// When idle ones have to be looked at, in milliseconds; the policy is not asked too early.
    fn alarm(&self) -> Option<u64> {
        match &self.warmth {
            Some(warmth) => {
                let due = warmth.next_tick()?.saturating_duration_since(self.zero);
                Some((due.as_millis() as u64).max(self.now))
            }
            None => {
                let idle = self.sandboxes.values().filter_map(|sandbox| sandbox.idle);
                idle.min().map(|since| since + IDLE * 1000)
            }
        }
    }

    fn tick(&mut self) {
        let now = self.instant();
        match &mut self.warmth {
            Some(warmth) => {
                let mut out = Vec::new();
                warmth.tick(now, &mut out);
                self.follow(out);
            }
            None => {
                let time = self.now;
                let stays = |since: u64| since + IDLE * 1000 > time;
                self.sandboxes
                    .retain(|_, sandbox| sandbox.idle.is_none_or(stays));
            }
        }
    }

    fn follow(&mut self, advice: Vec<Advice>) {
        for advice in advice {
            match advice {
                Advice::Release { slot } => {
                    self.sandboxes.remove(&slot);
                }
                Advice::Prepare { whose, .. } => {
                    let mut actions = self.trace.actions.iter();
                    let action = actions.position(|action| *action.name == *whose);
                    let action = action.expect("only known actions are expected");
                    if self.fits(action) {
                        let slot = self.start(action, true);
                        self.after(self.trace.actions[action].cold, Event::Free(slot));
                    }
                }
            }
        }
    }
}
