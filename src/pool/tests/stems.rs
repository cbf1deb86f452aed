//! Stem cells: who gets them, when they are started, and when they go.

use super::*;

#[test]
fn what_is_made_ready_ahead_of_a_call_takes_one_even_where_there_is_no_room() {
    let mut bench = Bench::new(settings(1));
    let class = Class::clone(&plain().class);
    let grown = bench.tell(|pool, now, out| pool.set_stems(now, vec![(class, 1)], out));
    let [Decision::Grow { slot, .. }] = grown[..] else {
        panic!("{grown:?}")
    };
    bench.tell(|pool, now, out| pool.grown(now, slot, true, out));
    let other = bench
        .pool
        .reserve(bench.now, &key("ns/b"), &needs("nodejs:20", 128));
    assert_eq!(other, None, "it does not fit, and there is no room");
    let reserved = bench.pool.reserve(bench.now, &key("ns/a"), &plain());
    assert_eq!(reserved, Some(slot));
    bench.tell(|pool, now, out| pool.initialised(now, slot, out));
    bench.done(slot, true);
    let (ticket, decisions) = bench.request("ns/a");
    assert_eq!(decisions.unwrap(), [run(ticket, slot, false)]);
}

fn class(kind: &str, memory: u32) -> Class {
    let needs = needs(kind, memory);
    Class::clone(&needs.class)
}

impl Bench {
    fn set_stems(&mut self, stems: &[(&str, u32, usize)]) -> Vec<Decision> {
        let stems = stems.iter();
        let stems = stems.map(|(kind, memory, count)| (class(kind, *memory), *count));
        let stems = stems.collect();
        self.tell(|pool, now, out| pool.set_stems(now, stems, out))
    }

    fn grown(&mut self, slot: Slot, is_there: bool) -> Vec<Decision> {
        self.tell(|pool, now, out| pool.grown(now, slot, is_there, out))
    }
}

/// The stem cells that are to be started.
fn growing(decisions: &[Decision]) -> Vec<Slot> {
    let slots = decisions.iter().map(|decision| match decision {
        Decision::Grow { slot, .. } => *slot,
        other => panic!("{other:?}"),
    });
    slots.collect()
}

#[test]
fn a_request_of_its_class_gets_it_and_another_takes_its_place() {
    let mut bench = Bench::new(settings(4));
    let [slot] = growing(&bench.set_stems(&[("nodejs:20", 256, 1)]))[..] else {
        panic!("one is to be started")
    };
    assert_eq!(bench.grown(slot, true), []);
    assert_eq!(bench.pool.counts().stems, 1);
    for other in [needs("nodejs:20", 128), needs("nodejs:18", 256)] {
        let (_, decisions) = bench.request_of(key("ns/other"), other);
        let decisions = decisions.unwrap();
        assert!(
            matches!(decisions[..], [Decision::Start { .. }]),
            "{decisions:?}"
        );
    }
    assert_eq!(bench.pool.outlook(&key("ns/a"), &plain()), Outlook::Place);
    let (ticket, decisions) = bench.request("ns/a");
    let decisions = decisions.unwrap();
    assert_eq!(decisions[0], Decision::Init { ticket, slot });
    let next = growing(&decisions[1..]);
    assert_eq!(next.len(), 1);
    assert_eq!(bench.pool.tally().stems, 1);
    // From now on it is a sandbox as any other.
    bench.done(slot, true);
    let (ticket, decisions) = bench.request("ns/a");
    assert_eq!(decisions.unwrap(), [run(ticket, slot, false)]);
}

#[test]
fn they_take_only_room_that_nobody_else_needs() {
    let mut bench = Bench::new(Settings {
        memory: 600,
        starts: 1,
        ..settings(3)
    });
    let first = growing(&bench.set_stems(&[("nodejs:20", 256, 3)]));
    assert_eq!(first.len(), 1, "one start at a time");
    let second = growing(&bench.grown(first[0], true));
    assert_eq!(second.len(), 1);
    assert_eq!(bench.grown(second[0], true), [], "no memory for a third");
    let (ticket, decisions) = bench.request_of(key("ns/p"), needs("python:3", 256));
    let slot = first[0];
    assert_eq!(decisions.unwrap(), [Decision::Remove { slot }]);
    let started = bench.removed(slot);
    assert!(matches!(started[..], [Decision::Start { ticket: t, .. }] if t == ticket));
    let slot = match started[..] {
        [Decision::Start { slot, .. }] => slot,
        _ => unreachable!(),
    };
    // When there is room again, it is used again.
    bench.tell(|pool, now, out| pool.started(now, slot, out));
    bench.done(slot, false);
    assert_eq!(growing(&bench.removed(slot)).len(), 1);
}

#[test]
fn they_go_before_warm_sandboxes() {
    let mut bench = Bench::new(settings(2));
    let warm = bench.warm_of("ns/a", plain());
    bench.pass(60_000);
    let slot = growing(&bench.set_stems(&[("python:3", 256, 1)]))[0];
    bench.grown(slot, true);
    let (_, decisions) = bench.request("ns/b");
    assert_eq!(
        decisions.unwrap(),
        [Decision::Remove { slot }],
        "not {warm}"
    );
}

#[test]
fn neither_time_nor_watermarks_take_them() {
    // 11.12-312
    let mut bench = Bench::new(Settings {
        watermarks: Some(Watermarks::new(Duration::from_secs(10), 0.25, 0.0)),
        freeze_after: Some(Duration::from_secs(10)),
        ..settings(4)
    });
    for slot in growing(&bench.set_stems(&[("nodejs:20", 256, 2)])) {
        bench.grown(slot, true);
    }
    assert_eq!(bench.pool.next_tick(), None);
    bench.pass(1_000_000);
    assert_eq!(bench.tick(), []);
}

#[test]
fn failures_are_followed_by_pauses_that_grow() {
    let mut bench = Bench::new(settings(4));
    let mut slot = growing(&bench.set_stems(&[("nodejs:20", 256, 1)]))[0];
    let mut pauses = Vec::new();
    for _ in 0..12 {
        assert_eq!(bench.grown(slot, false), [Decision::Remove { slot }]);
        assert_eq!(bench.removed(slot), []);
        let retry = bench.pool.next_tick().expect("it is tried again");
        pauses.push((retry - bench.now).as_secs());
        bench.now = retry - Duration::from_millis(1);
        assert_eq!(bench.tick(), []);
        bench.now = retry;
        slot = growing(&bench.tick())[0];
    }
    assert_eq!(pauses[..4], [2, 4, 8, 16]);
    assert_eq!(pauses[11], 600);
    // One that works and is used ends that.
    bench.grown(slot, true);
    let next = growing(&bench.request("ns/a").1.unwrap()[1..])[0];
    bench.grown(next, false);
    bench.removed(next);
    let pause = bench.pool.next_tick().unwrap() - bench.now;
    assert_eq!(pause.as_secs(), 2);
}

#[test]
fn one_that_dies_is_a_failure() {
    let mut bench = Bench::new(settings(4));
    let slot = growing(&bench.set_stems(&[("nodejs:20", 256, 1)]))[0];
    bench.grown(slot, true);
    let decided = bench.tell(|pool, now, out| pool.died(now, slot, out));
    assert_eq!(decided, [Decision::Remove { slot }]);
    assert_eq!(bench.removed(slot), []);
    assert_eq!(bench.pool.tally().stems_failed, 1);
    bench.now = bench.pool.next_tick().unwrap();
    assert_eq!(growing(&bench.tick()).len(), 1);
}

#[test]
fn what_is_wanted_can_change() {
    let mut bench = Bench::new(settings(4));
    let slots = growing(&bench.set_stems(&[("nodejs:20", 256, 2)]));
    bench.grown(slots[0], true);
    let decided = bench.set_stems(&[("python:3", 256, 1)]);
    assert_eq!(decided[0], Decision::Remove { slot: slots[0] });
    assert_eq!(growing(&decided[1..]).len(), 1);
    // The other one is still being started.
    let decided = bench.grown(slots[1], true);
    assert_eq!(decided, [Decision::Remove { slot: slots[1] }]);
}
