//! What stays warm, what is made ready, and what is held back.

use super::preemption::removals;
use super::*;

const HOUR: u64 = 3_600_000;

/// An action that is called each hour, and has been for a while. Gives when it was called last.
fn hourly(bench: &mut Bench) -> Instant {
    for _ in 0..12 {
        bench.pass(HOUR - 600_000);
        let slot = bench.warm_of("ns/hourly", plain());
        bench.pass(600_000);
        for decision in bench.tick() {
            if let Decision::Remove { slot } = decision {
                bench.removed(slot);
            }
        }
        assert!(bench.pool.is_empty(), "{slot} is gone");
    }
    bench.now - Duration::from_millis(600_000)
}

#[test]
fn a_call_that_is_expected_finds_a_sandbox() {
    let mut bench = Bench::new(settings(2));
    let last = hourly(&mut bench);
    let due = bench.pool.next_tick().expect("a call is expected");
    let next = last + Duration::from_millis(HOUR);
    assert!(due < next && due > next - Duration::from_secs(5));
    bench.now = due;
    let whose = key("ns/hourly").whose().into();
    assert_eq!(bench.tick(), [Decision::Prepare { whose }]);
    let reserved = bench.pool.reserve(bench.now, &key("ns/hourly"), &plain());
    let slot = reserved.expect("there is a place");
    assert_eq!(bench.pool.counts().starting, 1);
    bench.tell(|pool, now, out| pool.started(now, slot, out));
    assert_eq!(bench.done(slot, true), []);
    bench.now = next;
    let (ticket, decisions) = bench.request("ns/hourly");
    assert_eq!(decisions.unwrap(), [run(ticket, slot, false)]);
    let tally = bench.pool.tally();
    assert_eq!((tally.prepared, tally.colds), (1, 12));
    // One that nobody calls goes soon.
    bench.done(slot, true);
    bench.pass(65_000);
    assert_eq!(bench.tick(), removals(&[slot]));
}

#[test]
fn what_was_made_ready_for_nothing_goes_soon() {
    let mut bench = Bench::new(settings(2));
    let key = key("ns/a");
    let at = bench.now + Duration::from_secs(3);
    let now = bench.now;
    bench.pool.warmth().expect(now, key.whose(), at, 256);
    bench.now = bench.pool.next_tick().unwrap();
    assert_eq!(bench.tick().len(), 1);
    let slot = bench.pool.reserve(bench.now, &key, &plain()).unwrap();
    bench.tell(|pool, now, out| pool.started(now, slot, out));
    bench.done(slot, true);
    bench.pass(20_000);
    assert_eq!(bench.tick(), []);
    bench.pass(20_000);
    assert_eq!(bench.tick(), removals(&[slot]));
}

#[test]
fn a_place_is_reserved_only_if_nobody_else_needs_it() {
    let mut bench = Bench::new(Settings {
        starts: 1,
        ..settings(2)
    });
    let (a, b) = (key("ns/a"), key("ns/b"));
    let slot = bench.pool.reserve(bench.now, &a, &plain()).unwrap();
    // No more than may be started at a time.
    assert_eq!(bench.pool.reserve(bench.now, &b, &plain()), None);
    bench.tell(|pool, now, out| pool.started(now, slot, out));
    bench.done(slot, true);
    assert_eq!(bench.pool.reserve(bench.now, &a, &plain()), None, "idle");
    bench.cold("ns/c");
    assert_eq!(bench.pool.reserve(bench.now, &b, &plain()), None, "full");
    // What is left belongs to who waits for more.
    let mut bench = Bench::new(Settings {
        memory: 1024,
        ..settings(4)
    });
    bench.cold_of(key("ns/c"), needs("nodejs:20", 768));
    let (_, large) = bench.request_of(key("ns/large"), needs("nodejs:20", 512));
    assert_eq!(large.unwrap(), []);
    assert_eq!(
        bench.pool.reserve(bench.now, &b, &plain()),
        None,
        "waited for"
    );
    // One that a request takes before it is ready is like any other.
    let mut bench = Bench::new(settings(1));
    let slot = bench.pool.reserve(bench.now, &a, &plain()).unwrap();
    let (ticket, decisions) = bench.request("ns/a");
    assert_eq!(decisions.unwrap(), []);
    assert_eq!(bench.done(slot, true), [run(ticket, slot, false)]);
    bench.tell(|pool, now, out| _ = pool.stop(now, out));
    assert_eq!(bench.pool.reserve(bench.now, &b, &plain()), None);
}

#[test]
fn while_memory_is_short_nothing_is_started_and_what_is_warm_runs() {
    let mut bench = Bench::new(Settings {
        queue_length: 1,
        ..settings(3)
    });
    let warm = bench.warm_of("ns/warm", plain());
    let hold = |bench: &mut Bench, held| bench.tell(|pool, now, out| pool.hold(now, held, out));
    assert_eq!(hold(&mut bench, true), []);
    bench.expect("ns/warm", Outlook::Warm);
    bench.expect("ns/cold", Outlook::Wait(0));
    // Nobody's place is taken for it: it could not be used.
    bench.done(warm, true);
    assert_eq!(bench.pool.counts().idle, 1);
    assert_eq!(bench.pool.outlook(&key("ns/b"), &plain()), Outlook::Refused);
    let (_, refused) = bench.request("ns/b");
    assert_eq!(refused, Err(Refusal::NoMemory));
    assert_eq!(bench.pool.reserve(bench.now, &key("ns/b"), &plain()), None);
    let decided = hold(&mut bench, false);
    assert!(
        matches!(decided[..], [Decision::Start { .. }]),
        "{decided:?}"
    );
}

/// Not even what has waited for longest keeps others from what is warm.
#[test]
fn one_that_was_passed_over_for_long_does_not_block_what_is_warm_meanwhile() {
    let mut bench = Bench::new(Settings {
        memory: 512,
        ..settings(3)
    });
    let (one, other) = (bench.cold("ns/a"), bench.cold("ns/b"));
    bench
        .request_of(key("ns/large"), needs("nodejs:20", 512))
        .1
        .unwrap();
    let (ticket, _) = bench.request("ns/a");
    let decided = bench.done(one, true);
    assert_eq!(
        decided,
        [Decision::Run {
            ticket,
            slot: one,
            frozen: false
        }],
        "passed over"
    );
    let (ticket, _) = bench.request("ns/a");
    bench.pass(60_000);
    bench.tell(|pool, now, out| pool.hold(now, true, out));
    let decided = bench.done(one, true);
    assert_eq!(decided, [run(ticket, one, false)]);
    bench.done(one, true);
    bench.done(other, true);
    assert_eq!(
        bench.pool.counts().idle,
        2,
        "they stay until memory is there"
    );
    let decided = bench.tell(|pool, now, out| pool.hold(now, false, out));
    assert_eq!(decided.len(), 2, "then they go for it");
}

#[test]
fn memory_pressure_takes_what_is_worth_least() {
    let mut bench = Bench::new(settings(4));
    let large = bench.warm_of("ns/large", needs("nodejs:20", 512));
    let small = bench.warm_of("ns/small", needs("nodejs:20", 128));
    let mut shed = || bench.tell(|pool, now, out| pool.shed(now, out));
    assert_eq!(shed(), removals(&[large]));
    assert_eq!(shed(), removals(&[small]));
    assert_eq!(shed(), []);
    assert_eq!(bench.removals(Cause::Pressure), 2);
}

#[test]
fn who_is_called_often_keeps_its_place() {
    let mut bench = Bench::new(settings(2));
    let often = bench.warm_of("ns/often", plain());
    let seldom = bench.warm_of("ns/seldom", plain());
    for _ in 0..30 {
        bench.pass(10_000);
        let (_, decided) = bench.request("ns/often");
        assert!(matches!(decided.unwrap()[..], [Decision::Run { .. }]));
        bench.done(often, true);
    }
    bench.pass(8_000);
    assert!(bench.pool.take(bench.now, &key("ns/seldom")).is_some());
    bench.done(seldom, true);
    bench.pass(1_000);
    // Idle for 9 seconds and for one.
    let (_, decided) = bench.request("ns/new");
    assert_eq!(decided.unwrap(), removals(&[seldom]));
}

#[test]
fn idle_ones_have_so_much_memory_in_all() {
    let mut bench = Bench::new(Settings {
        idle_memory: 512,
        ..settings(4)
    });
    let [a, _b] = ["ns/a", "ns/b"].map(|action| bench.warm_of(action, plain()));
    bench.pass(1_000);
    let c = bench.cold("ns/c");
    assert_eq!(bench.done(c, true), removals(&[a]));
    assert_eq!(bench.removals(Cause::Idle), 1);
}

#[test]
fn an_action_that_was_changed_is_among_the_next_records() {
    let mut bench = Bench::new(settings(2));
    for action in ["ns/a", "ns/b"] {
        bench.warm_of(action, plain());
    }
    let now = bench.now;
    bench.pool.warmth().records(now, 0);
    assert_eq!(bench.pool.warmth().records(now, 0), []);
    bench.tell(|pool, now, out| pool.retire(now, "ns/b", out));
    let records = bench.pool.warmth().records(now, 0);
    let whose = records.iter().map(|(whose, _)| &**whose);
    assert_eq!(whose.collect::<Vec<_>>(), [key("ns/b").whose()]);
}
