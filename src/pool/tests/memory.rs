//! Memory: what fits, what waits, and what is refused.

use super::*;

fn with_memory(memory: u64) -> Bench {
    Bench::new(Settings {
        memory,
        ..settings(10)
    })
}

#[test]
fn memory_bounds_what_is_there() {
    let mut bench = with_memory(512);
    let first = bench.cold("ns/a");
    bench.cold("ns/b");
    assert_eq!(bench.pool.memory(), 512);
    let (waits, decisions) = bench.request("ns/c");
    assert_eq!(decisions.unwrap(), [], "there are places, but no memory");
    assert_eq!(bench.done(first, false), [Decision::Remove { slot: first }]);
    assert_eq!(bench.pool.memory(), 512, "until it is gone");
    let started = bench.removed(first);
    assert!(matches!(started[..], [Decision::Start { ticket, .. }] if ticket == waits));
}

#[test]
fn what_never_fits_is_refused_with_both_numbers() {
    let mut bench = with_memory(511);
    let refused = bench.request_of(key("ns/a"), needs("nodejs:20", 512)).1;
    let refusal = refused.unwrap_err();
    let (needed, budget) = (512, 511);
    assert_eq!(refusal, Refusal::TooLarge { needed, budget });
    let text = refusal.to_string();
    assert!(text.contains("512 MB") && text.contains("511 MB"), "{text}");
    let outlook = bench.pool.outlook(&key("ns/a"), &needs("nodejs:20", 512));
    assert_eq!(outlook, Outlook::Refused);
    bench.cold("ns/small");
}

#[test]
fn as_many_go_as_are_needed_and_no_more() {
    let mut bench = with_memory(1024);
    let small = bench.warm_of("ns/small", needs("nodejs:20", 128));
    bench.pass(10);
    let large = bench.warm_of("ns/large", needs("nodejs:20", 512));
    bench.pass(10);
    let other = bench.warm_of("ns/other", needs("nodejs:20", 256));
    bench.pass(10);
    // 128 MB are free. The small one has been idle for longest, but is not enough; with the large
    // one, it is not needed.
    let (ticket, decisions) = bench.request_of(key("ns/c"), needs("nodejs:20", 512));
    assert_eq!(decisions.unwrap(), [Decision::Remove { slot: large }]);
    let started = bench.removed(large);
    assert!(matches!(started[..], [Decision::Start { ticket: t, .. }] if t == ticket));
    // Nothing goes where all of it would not be enough.
    let (_, decisions) = bench.request_of(key("ns/d"), needs("nodejs:20", 1024));
    assert_eq!(decisions.unwrap(), []);
    assert_eq!(bench.pool.counts().idle, 2, "{small} and {other}");
}

#[test]
fn room_that_was_made_for_one_is_not_taken_by_another() {
    let mut bench = with_memory(512);
    let (a, b) = (
        bench.warm_of("ns/a", plain()),
        bench.warm_of("ns/b", plain()),
    );
    let (large, decisions) = bench.request_of(key("ns/large"), needs("nodejs:20", 512));
    let both = [Decision::Remove { slot: a }, Decision::Remove { slot: b }];
    assert_eq!(decisions.unwrap(), both);
    let other = Key::new("other", "ns/small", "0.0.1", 1);
    let (small, decisions) = bench.request_of(other, plain());
    assert_eq!(decisions.unwrap(), []);
    assert_eq!(
        bench.removed(a),
        [],
        "half of what the large one was promised"
    );
    let started = bench.removed(b);
    let [Decision::Start { ticket, slot }] = started[..] else {
        panic!("{started:?}")
    };
    assert_eq!(ticket, large);
    bench.done(slot, false);
    let started = bench.removed(slot);
    assert!(matches!(started[..], [Decision::Start { ticket, .. }] if ticket == small));
}

#[test]
fn starts_at_the_same_time_are_few_and_keep_their_order() {
    let mut bench = Bench::new(Settings {
        starts: 2,
        queue_length: 0,
        ..settings(4)
    });
    let mut starting = Vec::new();
    for action in ["ns/a", "ns/b"] {
        match bench.request(action).1.unwrap()[..] {
            [Decision::Start { slot, .. }] => starting.push(slot),
            ref other => panic!("{other:?}"),
        }
    }
    // There are places for these, so that they need not be allowed to wait.
    let third = bench.request("ns/c");
    let fourth = bench.request("ns/d");
    assert_eq!((third.1.unwrap(), fourth.1.unwrap()), (vec![], vec![]));
    assert_eq!(bench.request("ns/e").1, Err(Refusal::QueueFull(0)));
    for (slot, expected) in starting.into_iter().zip([third.0, fourth.0]) {
        let decided = bench.tell(|pool, now, out| pool.started(now, slot, out));
        assert!(
            matches!(decided[..], [Decision::Start { ticket, .. }] if ticket == expected),
            "{decided:?}"
        );
    }
    assert_eq!(bench.pool.counts().starting, 2);
}

#[test]
fn a_start_that_waits_takes_a_sandbox_that_comes_free() {
    let mut bench = Bench::new(Settings {
        starts: 1,
        ..settings(4)
    });
    let busy = bench.cold("ns/a");
    let starts = bench.request("ns/b").1.unwrap();
    assert!(matches!(starts[..], [Decision::Start { .. }]));
    let (waits, decisions) = bench.request("ns/a");
    assert_eq!(decisions.unwrap(), []);
    assert_eq!(bench.done(busy, true), [run(waits, busy, false)]);
}
