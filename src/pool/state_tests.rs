//! The pool's policy on a fake clock: single rules, then generated traces.

use std::collections::HashSet;

use super::*;

fn settings(capacity: usize) -> Settings {
    Settings {
        capacity,
        queue_length: 100,
        patience: Duration::from_millis(500),
        idle: Duration::from_secs(600),
    }
}

fn key(action: &str) -> Key {
    Key::new("guest", action, "0.0.1", 1)
}

/// A pool with a clock of its own and short ways to ask it.
struct Bench {
    pool: Pool,
    now: Instant,
    next: Ticket,
}

impl Bench {
    fn new(settings: Settings) -> Self {
        Bench {
            pool: Pool::new(settings),
            now: Instant::now(),
            next: 0,
        }
    }

    fn pass(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
    }

    fn request(&mut self, action: &str) -> (Ticket, Result<Vec<Decision>, Refusal>) {
        let ticket = self.next;
        self.next += 1;
        let mut out = Vec::new();
        let result = self.pool.request(self.now, ticket, key(action), &mut out);
        (ticket, result.map(|()| out))
    }

    /// What a request would get, and that it gets that.
    fn expect(&mut self, action: &str, outlook: Outlook) {
        assert_eq!(self.pool.outlook(&key(action)), outlook);
        let (_, answer) = self.request(action);
        let got = match &answer {
            Err(_) => Outlook::Refused,
            Ok(decisions) => match decisions.first() {
                Some(Decision::Run { .. }) => Outlook::Warm,
                Some(Decision::Start { .. } | Decision::Remove { .. }) => Outlook::Place,
                None => outlook,
            },
        };
        assert_eq!(got, outlook, "{answer:?}");
    }

    fn done(&mut self, slot: Slot, keep: bool) -> Vec<Decision> {
        let mut out = Vec::new();
        self.pool.done(self.now, slot, keep, &mut out);
        out
    }

    fn removed(&mut self, slot: Slot) -> Vec<Decision> {
        let mut out = Vec::new();
        self.pool.removed(slot, &mut out);
        out
    }

    /// Requests an action that must be started cold, and returns its slot.
    fn cold(&mut self, action: &str) -> Slot {
        let (ticket, decisions) = self.request(action);
        match decisions.unwrap()[..] {
            [Decision::Start { ticket: t, slot }] if t == ticket => slot,
            ref other => panic!("a cold start was due: {other:?}"),
        }
    }
}

#[test]
fn a_finished_sandbox_is_used_again_by_its_action_only() {
    // 11.12-311
    let mut bench = Bench::new(settings(2));
    let slot = bench.cold("ns/a");
    assert_eq!(bench.done(slot, true), []);
    let (ticket, decisions) = bench.request("ns/a");
    assert_eq!(decisions.unwrap(), [Decision::Run { ticket, slot }]);
    bench.done(slot, true);
    assert_ne!(bench.cold("ns/b"), slot);
    let other_namespace = Key::new("other", "ns/a", "0.0.1", 1);
    let other_version = Key::new("guest", "ns/a", "0.0.2", 1);
    let recreated = Key::new("guest", "ns/a", "0.0.1", 2);
    for key in [other_namespace, other_version, recreated] {
        let mut out = Vec::new();
        bench.pool.request(bench.now, 77, key, &mut out).unwrap();
        assert!(
            !out.iter().any(|d| matches!(d, Decision::Run { .. })),
            "{out:?}"
        );
    }
}

#[test]
fn the_longest_idle_gives_its_place_and_only_when_it_is_gone() {
    // 11.12-312
    let mut bench = Bench::new(settings(2));
    let (a, b) = (bench.cold("ns/a"), bench.cold("ns/b"));
    bench.done(b, true);
    bench.pass(10);
    bench.done(a, true);
    let (ticket, decisions) = bench.request("ns/c");
    assert_eq!(decisions.unwrap(), [Decision::Remove { slot: b }]);
    let started = bench.removed(b);
    assert!(
        matches!(started[..], [Decision::Start { ticket: t, .. }] if t == ticket),
        "{started:?}"
    );
}

#[test]
fn a_broken_sandbox_goes_and_the_next_request_is_started_in_its_place() {
    let mut bench = Bench::new(settings(1));
    let slot = bench.cold("ns/a");
    let (waiting, decisions) = bench.request("ns/a");
    assert_eq!(decisions.unwrap(), []);
    assert_eq!(bench.done(slot, false), [Decision::Remove { slot }]);
    assert!(
        matches!(bench.removed(slot)[..], [Decision::Start { ticket, .. }] if ticket == waiting)
    );
}

#[test]
fn the_queue_is_bounded_and_says_so() {
    let mut bench = Bench::new(Settings {
        queue_length: 2,
        ..settings(1)
    });
    bench.cold("ns/a");
    assert!(bench.request("ns/a").1.is_ok());
    assert!(bench.request("ns/b").1.is_ok());
    assert_eq!(bench.request("ns/c").1, Err(Refusal::QueueFull(2)));
    let mut none = Bench::new(settings(0));
    assert_eq!(none.request("ns/a").1, Err(Refusal::NoCapacity));
}

#[test]
fn without_a_queue_an_idle_sandbox_still_makes_room() {
    let mut bench = Bench::new(Settings {
        queue_length: 0,
        ..settings(1)
    });
    let slot = bench.cold("ns/a");
    assert_eq!(bench.request("ns/b").1, Err(Refusal::QueueFull(0)));
    bench.done(slot, true);
    assert_eq!(
        bench.request("ns/b").1.unwrap(),
        [Decision::Remove { slot }]
    );
    assert_eq!(bench.request("ns/c").1, Err(Refusal::QueueFull(0)));
}

#[test]
fn a_busy_action_cannot_starve_another() {
    let mut bench = Bench::new(settings(1));
    let slot = bench.cold("ns/busy");
    let (other, _) = bench.request("ns/other");
    // The busy action always has one more request waiting; the other gets its place once it has
    // waited longer than the patience.
    for round in 0..10 {
        let (next, _) = bench.request("ns/busy");
        bench.pass(100);
        match bench.done(slot, true)[..] {
            [Decision::Run { ticket, .. }] => assert_eq!(ticket, next),
            [Decision::Remove { .. }] => {
                assert!(round >= 5, "too early: {round}");
                let started = bench.removed(slot);
                assert!(
                    matches!(started[..], [Decision::Start { ticket, .. }] if ticket == other),
                    "{started:?}"
                );
                return;
            }
            ref other => panic!("{other:?}"),
        }
    }
    panic!("the other action never got its turn");
}

#[test]
fn waiting_actions_take_turns() {
    // 11.12-313
    let mut bench = Bench::new(settings(1));
    let mut slot = bench.cold("ns/x");
    let tickets: Vec<_> = ["ns/a", "ns/a", "ns/b", "ns/c", "ns/b"]
        .map(|action| bench.request(action).0)
        .into();
    let mut order = Vec::new();
    for _ in 0..tickets.len() {
        bench.done(slot, false);
        match bench.removed(slot)[..] {
            [Decision::Start { ticket, slot: new }] => {
                order.push(ticket);
                slot = new;
            }
            ref other => panic!("{other:?}"),
        }
    }
    let expected: Vec<_> = [0, 2, 3, 1, 4].map(|index| tickets[index]).into();
    assert_eq!(order, expected);
}

#[test]
fn a_changed_action_retires_its_sandboxes() {
    let mut bench = Bench::new(settings(3));
    let (idle, busy) = (bench.cold("ns/a"), bench.cold("ns/a"));
    let other = bench.cold("ns/b");
    bench.done(idle, true);
    let mut out = Vec::new();
    bench.pool.retire("ns/a", &mut out);
    assert_eq!(out, [Decision::Remove { slot: idle }]);
    assert_eq!(bench.done(busy, true), [Decision::Remove { slot: busy }]);
    assert_eq!(bench.done(other, true), []);
}

#[test]
fn idle_sandboxes_go_after_their_time() {
    // 11.12-310
    let mut bench = Bench::new(settings(2));
    let slot = bench.cold("ns/a");
    bench.done(slot, true);
    let due = bench.pool.next_tick().unwrap();
    assert_eq!(due, bench.now + Duration::from_secs(600));
    let mut out = Vec::new();
    bench.pool.tick(due - Duration::from_millis(1), &mut out);
    assert_eq!(out, []);
    bench.pool.tick(due, &mut out);
    assert_eq!(out, [Decision::Remove { slot }]);
    assert_eq!(bench.pool.next_tick(), None);
}

#[test]
fn stopping_lets_the_busy_finish_and_returns_the_waiting() {
    let mut bench = Bench::new(settings(2));
    let (a, b) = (bench.cold("ns/a"), bench.cold("ns/b"));
    bench.done(a, true);
    bench.cold_or_wait("ns/c");
    let mut out = Vec::new();
    let waiting = bench.pool.stop(&mut out);
    assert_eq!(waiting.len(), 1);
    assert_eq!(bench.request("ns/a").1, Err(Refusal::Stopping));
    assert_eq!(bench.done(b, true), [Decision::Remove { slot: b }]);
}

impl Bench {
    fn cold_or_wait(&mut self, action: &str) {
        self.request(action).1.unwrap();
    }
}

/// A small generator of numbers, so that a failing trace can be run again from its seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// Thousands of generated traces: the capacity holds at every instant, each request is granted
/// exactly once, nothing is run in a sandbox that is not free, and when everything has come to
/// rest no request waits and no sandbox is forgotten.
#[test]
fn generated_traces_keep_the_promises() {
    for seed in 1..=2_000 {
        trace(seed);
    }
}

fn trace(seed: u64) {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let capacity = 1 + random.below(6) as usize;
    let mut bench = Bench::new(settings(capacity));
    let mut busy: Vec<Slot> = Vec::new();
    let mut removing: Vec<Slot> = Vec::new();
    let mut idle: HashSet<Slot> = HashSet::new();
    let mut waiting: HashSet<Ticket> = HashSet::new();
    let mut granted: HashSet<Ticket> = HashSet::new();

    for step in 0..300 {
        bench.pass(random.below(200));
        let mut out = Vec::new();
        // The last steps only finish what is under way.
        let choice = if step < 200 {
            random.below(10)
        } else {
            4 + random.below(4)
        };
        match choice {
            0..=3 => {
                let action = format!("ns/{}", random.below(5));
                let (ticket, decisions) = bench.request(&action);
                if let Ok(decisions) = decisions {
                    waiting.insert(ticket);
                    out = decisions;
                }
            }
            4 | 5 if !busy.is_empty() => {
                let slot = busy.swap_remove(random.below(busy.len() as u64) as usize);
                let keep = random.below(5) > 0;
                out = bench.done(slot, keep);
                if keep {
                    idle.insert(slot);
                } else {
                    assert!(
                        out.contains(&Decision::Remove { slot }),
                        "seed {seed}: a broken sandbox was kept"
                    );
                    // So that the bookkeeping below finds it.
                    idle.insert(slot);
                }
            }
            6 | 7 if !removing.is_empty() => {
                let slot = removing.swap_remove(random.below(removing.len() as u64) as usize);
                out = bench.removed(slot);
            }
            8 => {
                if let Some(ticket) = waiting.iter().next().copied()
                    && bench.pool.cancel(ticket)
                {
                    waiting.remove(&ticket);
                }
            }
            9 => bench.pool.retire("ns/1", &mut out),
            _ => bench.pool.tick(bench.now, &mut out),
        }
        for decision in out {
            match decision {
                Decision::Run { ticket, slot } => {
                    assert!(
                        idle.remove(&slot),
                        "seed {seed}: {slot} was not free for {ticket}"
                    );
                    assert!(waiting.remove(&ticket) && granted.insert(ticket));
                    busy.push(slot);
                }
                Decision::Start { ticket, slot } => {
                    assert!(waiting.remove(&ticket) && granted.insert(ticket));
                    busy.push(slot);
                }
                Decision::Remove { slot } => {
                    assert!(idle.remove(&slot), "seed {seed}: {slot} was not free");
                    removing.push(slot);
                }
            }
        }
        let counts = bench.pool.counts();
        assert!(
            counts.busy + counts.idle + counts.removing <= capacity,
            "seed {seed}: {counts:?}"
        );
        assert_eq!(
            (counts.busy, counts.idle, counts.removing, counts.waiting),
            (busy.len(), idle.len(), removing.len(), waiting.len()),
            "seed {seed}, step {step}"
        );
        assert!(
            waiting.is_empty() || counts.busy + counts.removing > 0,
            "seed {seed}: requests wait for nothing"
        );
    }
}

#[test]
fn what_a_request_would_get() {
    let mut bench = Bench::new(Settings {
        queue_length: 2,
        ..settings(2)
    });
    bench.expect("a", Outlook::Place);
    bench.expect("b", Outlook::Place);
    assert!(bench.done(0, true).is_empty());
    bench.expect("a", Outlook::Warm);
    assert!(bench.done(0, true).is_empty());
    // In the place of the idle one.
    bench.expect("c", Outlook::Place);
    bench.expect("a", Outlook::Wait(0));
    bench.expect("a", Outlook::Wait(1));
    bench.expect("a", Outlook::Refused);
    let mut none = Bench::new(settings(0));
    none.expect("a", Outlook::Refused);
}
