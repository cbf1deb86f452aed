//! Sandboxes that have several runs at the same time.

use super::*;

fn several(concurrency: u32) -> Needs {
    plain().with_concurrency(concurrency)
}

impl Bench {
    fn ask(&mut self, action: &str, concurrency: u32) -> (Ticket, Vec<Decision>) {
        let (ticket, answer) = self.request_of(key(action), several(concurrency));
        (ticket, answer.unwrap())
    }

    fn initialised(&mut self, slot: Slot) -> Vec<Decision> {
        self.tell(|pool, now, out| pool.initialised(now, slot, out))
    }

    /// A sandbox that has one run and takes others.
    fn open(&mut self, action: &str, concurrency: u32) -> Slot {
        let slot = self.cold_of(key(action), several(concurrency));
        assert_eq!(self.initialised(slot), []);
        slot
    }

    /// One more run that goes to a sandbox.
    fn join(&mut self, action: &str, concurrency: u32, slot: Slot) {
        let (ticket, decisions) = self.ask(action, concurrency);
        assert_eq!(decisions, [run(ticket, slot, false)]);
    }
}

#[test]
fn as_many_as_the_limit_says_go_into_one_and_the_next_gets_another() {
    let mut bench = Bench::new(settings(2));
    let slot = bench.open("ns/a", 3);
    bench.join("ns/a", 3, slot);
    assert_eq!(bench.pool.outlook(&key("ns/a"), &several(3)), Outlook::Warm);
    bench.join("ns/a", 3, slot);
    assert_eq!(
        bench.pool.outlook(&key("ns/a"), &several(3)),
        Outlook::Place
    );
    let (ticket, decisions) = bench.ask("ns/a", 3);
    let [
        Decision::Start {
            ticket: t,
            slot: second,
        },
    ] = decisions[..]
    else {
        panic!("{decisions:?}")
    };
    assert_eq!((t, bench.pool.counts().busy), (ticket, 1));
    // It is busy until the last of them is over.
    for _ in 0..2 {
        assert_eq!(bench.done(slot, true), []);
        assert_eq!(bench.pool.counts().idle, 0);
    }
    assert_eq!(bench.done(slot, true), []);
    assert_eq!(bench.pool.counts().idle, 1);
    assert_ne!(slot, second);
    assert_eq!((bench.pool.tally().hits, bench.pool.tally().colds), (2, 2));
}

#[test]
fn those_that_come_while_it_is_initialised_wait_for_it_as_far_as_it_has_room() {
    let mut bench = Bench::new(settings(5));
    let slot = bench.cold_of(key("ns/a"), several(3));
    assert_eq!(
        bench.pool.outlook(&key("ns/a"), &several(3)),
        Outlook::Place
    );
    let (second, none) = bench.ask("ns/a", 3);
    assert_eq!(none, []);
    let (third, none) = bench.ask("ns/a", 3);
    assert_eq!(none, []);
    let (fourth, started) = bench.ask("ns/a", 3);
    let [Decision::Start { ticket, .. }] = started[..] else {
        panic!("{started:?}")
    };
    assert_eq!(ticket, second, "who has waited longest goes first");
    let runs = [run(third, slot, false), run(fourth, slot, false)];
    assert_eq!(bench.initialised(slot), runs);
}

#[test]
fn those_that_waited_for_one_that_fails_get_another() {
    let mut bench = Bench::new(settings(2));
    let slot = bench.cold_of(key("ns/a"), several(3));
    let (second, none) = bench.ask("ns/a", 3);
    assert_eq!(none, []);
    let decided = bench.done(slot, false);
    let [
        Decision::Remove { slot: removed },
        Decision::Start { ticket, .. },
    ] = decided[..]
    else {
        panic!("{decided:?}")
    };
    assert_eq!((removed, ticket), (slot, second));
}

#[test]
fn a_frozen_one_is_thawed_for_one_and_takes_the_others_then() {
    let mut bench = Bench::new(Settings {
        freeze_after: Some(Duration::from_secs(1)),
        ..settings(2)
    });
    let slot = bench.open("ns/a", 2);
    bench.done(slot, true);
    bench.pass(1_000);
    assert_eq!(bench.tick(), [Decision::Freeze { slot }]);
    bench.tell(|pool, now, out| pool.frozen(now, slot, true, true, out));
    let (first, decisions) = bench.ask("ns/a", 2);
    assert_eq!(decisions, [run(first, slot, true)]);
    let (second, none) = bench.ask("ns/a", 2);
    assert_eq!(none, [], "it is not awake yet");
    let thawed = bench.tell(|pool, now, out| pool.thawed(now, slot, out));
    assert_eq!(thawed, [run(second, slot, false)]);
}

#[test]
fn after_a_failure_the_others_finish_and_nobody_is_added() {
    for how in 0..3 {
        let mut bench = Bench::new(settings(2));
        let slot = bench.open("ns/a", 3);
        bench.join("ns/a", 3, slot);
        match how {
            0 => assert_eq!(bench.done(slot, false), []),
            1 => {
                let died = bench.tell(|pool, now, out| pool.died(now, slot, out));
                assert_eq!(died, []);
                assert_eq!(bench.done(slot, false), []);
            }
            _ => {
                let retired = bench.tell(|pool, now, out| pool.retire(now, "ns/a", out));
                assert_eq!(retired, []);
                assert_eq!(bench.done(slot, true), []);
            }
        }
        let (_, decisions) = bench.ask("ns/a", 3);
        assert!(matches!(decisions[..], [Decision::Start { .. }]), "{how}");
        assert_eq!(bench.done(slot, true), [Decision::Remove { slot }], "{how}");
    }
}

#[test]
fn what_is_busy_and_has_room_comes_before_what_is_idle() {
    let mut bench = Bench::new(settings(3));
    let (first, second) = (bench.open("ns/a", 1), bench.open("ns/a", 1));
    bench.done(first, true);
    bench.done(second, true);
    // One at a time: each run has its own.
    let (one, decisions) = bench.ask("ns/a", 1);
    assert_eq!(decisions, [run(one, second, false)]);
    let (other, decisions) = bench.ask("ns/a", 1);
    assert_eq!(decisions, [run(other, first, false)]);

    let mut bench = Bench::new(settings(3));
    let first = bench.open("ns/a", 2);
    bench.join("ns/a", 2, first);
    let second = bench.open("ns/a", 2);
    bench.done(second, true);
    bench.done(first, true);
    bench.join("ns/a", 2, first);
    let (ticket, decisions) = bench.ask("ns/a", 2);
    assert_eq!(decisions, [run(ticket, second, false)]);
}

/// Runs that overlap without end never let their sandbox come free by themselves.
#[test]
fn one_that_is_never_idle_comes_to_an_end_for_others() {
    let mut bench = Bench::new(settings(1));
    let slot = bench.open("ns/busy", 2);
    let (mut asked, mut under_way) = (None, 1);
    for round in 0..100 {
        if round == 10 {
            let (ticket, none) = bench.ask("ns/other", 1);
            assert_eq!(none, []);
            asked = Some((ticket, bench.now));
        }
        // There is always one more.
        let (_, decisions) = bench.ask("ns/busy", 2);
        under_way += decisions.len();
        bench.pass(100);
        assert!(under_way <= 2);
        let decided = bench.done(slot, true);
        under_way -= 1;
        for decision in decided {
            match decision {
                Decision::Run { .. } => under_way += 1,
                Decision::Remove { slot } => {
                    let (other, since) = asked.unwrap();
                    let started = bench.removed(slot);
                    let Decision::Start { ticket, .. } = started[0] else {
                        panic!("{started:?}")
                    };
                    assert_eq!(ticket, other);
                    assert!(bench.now - since >= bench.pool.settings().patience);
                    assert!(bench.now - since <= Duration::from_secs(2), "starved");
                    return;
                }
                other => panic!("{other:?}"),
            }
        }
    }
    panic!("the other action never got its turn");
}

#[test]
fn one_that_has_room_takes_those_of_its_own_however_long_they_were_passed_over() {
    let mut bench = Bench::new(Settings {
        memory: 768,
        ..settings(3)
    });
    let large = || needs("nodejs:20", 512).with_concurrency(2);
    let slot = bench.cold_of(key("ns/a"), large());
    assert_eq!(bench.initialised(slot), []);
    let (second, joins) = bench.request_of(key("ns/a"), large());
    assert_eq!(joins.unwrap(), [run(second, slot, false)]);
    let other = bench.cold("ns/b");
    // What the other has would not be enough for a second one.
    let (own, none) = bench.request_of(key("ns/a"), large());
    assert_eq!(none.unwrap(), []);
    let (passes, none) = bench.request("ns/b");
    assert_eq!(none.unwrap(), []);
    assert_eq!(bench.done(other, true), [run(passes, other, false)]);
    bench.now += 2 * bench.pool.settings().patience;
    assert_eq!(bench.done(slot, true), [run(own, slot, false)]);
}
