//! The pool's policy on a fake clock.

mod fairness;
mod freezing;
mod health;
mod memory;
mod preemption;
mod reconfigure;
mod rules;
mod sharing;
mod snapshot;
mod stems;
mod traces;
mod warm;

use std::time::{Duration, Instant};

use super::*;

fn settings(capacity: usize) -> Settings {
    Settings {
        capacity,
        memory: 100_000,
        queue_length: 100,
        starts: 100,
        freeze_after: None,
        ..Settings::default()
    }
}

fn key(action: &str) -> Key {
    Key::new("guest", action, "0.0.1", 1)
}

/// What actions need that need nothing special.
fn plain() -> Needs {
    needs("nodejs:20", 256)
}

fn needs(kind: &str, memory: u32) -> Needs {
    Needs::new(Class {
        engine: "docker",
        kind: kind.into(),
        image: Some("image".into()),
        memory,
    })
}

fn run(ticket: Ticket, slot: Slot, frozen: bool) -> Decision {
    Decision::Run {
        ticket,
        slot,
        frozen,
    }
}

/// A pool with a clock of its own and short ways to ask it.
struct Bench {
    pool: Pool,
    now: Instant,
    next: Ticket,
    /// What was decided for others when a request was refused.
    besides: Vec<Decision>,
}

impl Bench {
    fn new(settings: Settings) -> Self {
        let now = Instant::now();
        Bench {
            pool: Pool::new(now, settings),
            now,
            next: 0,
            besides: Vec::new(),
        }
    }

    fn pass(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
    }

    /// Tells the pool what has happened, and gives what it decides.
    fn tell<T>(
        &mut self,
        event: impl FnOnce(&mut Pool, Instant, &mut Vec<Decision>) -> T,
    ) -> Vec<Decision> {
        let mut out = Vec::new();
        event(&mut self.pool, self.now, &mut out);
        out
    }

    fn request(&mut self, action: &str) -> (Ticket, Result<Vec<Decision>, Refusal>) {
        self.request_of(key(action), plain())
    }

    /// A request, made in the way of the driver.
    fn request_of(&mut self, key: Key, needs: Needs) -> (Ticket, Result<Vec<Decision>, Refusal>) {
        let ticket = self.next;
        self.next += 1;
        if let Some(Taken { slot, frozen }) = self.pool.take(self.now, &key) {
            return (ticket, Ok(vec![run(ticket, slot, frozen)]));
        }
        let mut out = Vec::new();
        let result = self.pool.request(self.now, ticket, key, needs, &mut out);
        match result {
            Ok(()) => (ticket, Ok(out)),
            Err(refusal) => {
                self.besides = out;
                (ticket, Err(refusal))
            }
        }
    }

    /// What a request would get, and that it gets that.
    fn expect(&mut self, action: &str, outlook: Outlook) {
        assert_eq!(self.pool.outlook(&key(action), &plain()), outlook);
        let (_, answer) = self.request(action);
        let got = match &answer {
            Err(_) => Outlook::Refused,
            Ok(decisions) => match decisions.first() {
                Some(Decision::Run { .. }) => Outlook::Warm,
                Some(Decision::Start { .. } | Decision::Remove { .. }) => Outlook::Place,
                Some(Decision::Prepare { .. }) | None => outlook,
                Some(other) => panic!("{other:?}"),
            },
        };
        assert_eq!(got, outlook, "{answer:?}");
    }

    fn done(&mut self, slot: Slot, keep: bool) -> Vec<Decision> {
        self.tell(|pool, now, out| pool.done(now, slot, keep, out))
    }

    fn removed(&mut self, slot: Slot) -> Vec<Decision> {
        self.tell(|pool, now, out| pool.removed(now, slot, out))
    }

    fn tick(&mut self) -> Vec<Decision> {
        self.tell(|pool, now, out| pool.tick(now, out))
    }

    /// Requests an action that must be started cold, and returns its slot.
    fn cold(&mut self, action: &str) -> Slot {
        self.cold_of(key(action), plain())
    }

    fn cold_of(&mut self, key: Key, needs: Needs) -> Slot {
        let (ticket, decisions) = self.request_of(key, needs);
        let slot = match decisions.unwrap()[..] {
            [Decision::Start { ticket: t, slot }] if t == ticket => slot,
            ref other => panic!("a cold start was due: {other:?}"),
        };
        self.tell(|pool, now, out| pool.started(now, slot, out));
        slot
    }

    /// A warm sandbox of an action.
    fn warm_of(&mut self, action: &str, needs: Needs) -> Slot {
        let slot = self.cold_of(key(action), needs);
        self.done(slot, true);
        slot
    }

    fn removals(&self, cause: Cause) -> u64 {
        self.pool.tally().removals(cause)
    }
}

/// A small generator of numbers, so that a failing trace can be run again from its seed.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }
}
