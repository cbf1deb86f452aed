//! Single rules: who gets which sandbox, and which goes when.

use super::*;

#[test]
fn a_finished_sandbox_is_used_again_by_its_action_only() {
    // 11.12-311
    let mut bench = Bench::new(settings(2));
    let slot = bench.cold("ns/a");
    assert_eq!(bench.done(slot, true), []);
    let (ticket, decisions) = bench.request("ns/a");
    assert_eq!(decisions.unwrap(), [run(ticket, slot, false)]);
    bench.done(slot, true);
    assert_ne!(bench.cold("ns/b"), slot);
    let other_namespace = Key::new("other", "ns/a", "0.0.1", 1);
    let other_version = Key::new("guest", "ns/a", "0.0.2", 1);
    let recreated = Key::new("guest", "ns/a", "0.0.1", 2);
    for key in [other_namespace, other_version, recreated] {
        let mut out = Vec::new();
        bench
            .pool
            .request(bench.now, 77, key, plain(), &mut out)
            .unwrap();
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
    let waited = bench.pool.tally().waited;
    assert_eq!(bench.request("ns/c").1, Err(Refusal::QueueFull(2)));
    assert_eq!(bench.pool.tally().waited, waited, "it did not wait");
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
    assert_eq!(
        bench.tell(|pool, now, out| pool.retire(now, "ns/a", out)),
        [Decision::Remove { slot: idle }]
    );
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
    bench.request("ns/c").1.unwrap();
    let mut out = Vec::new();
    let waiting = bench.pool.stop(bench.now, &mut out);
    assert_eq!(waiting.len(), 1);
    assert_eq!(bench.request("ns/a").1, Err(Refusal::Stopping));
    assert_eq!(bench.done(b, true), [Decision::Remove { slot: b }]);
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
