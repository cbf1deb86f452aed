//! Sandboxes that end, engines that go away and come back, and what is left of earlier processes.

use super::*;

#[test]
fn one_that_dies_while_idle_is_not_handed_out() {
    let mut bench = Bench::new(settings(2));
    let slot = bench.warm_of("ns/a", plain());
    let decided = bench.tell(|pool, now, out| pool.died(now, slot, out));
    assert_eq!(decided, [Decision::Remove { slot }]);
    let (_, decisions) = bench.request("ns/a");
    let decisions = decisions.unwrap();
    assert!(
        matches!(decisions[..], [Decision::Start { .. }]),
        "{decisions:?}"
    );
    assert_eq!(bench.removals(Cause::Failed), 1);
}

#[test]
fn one_that_dies_while_busy_goes_when_it_is_returned() {
    let mut bench = Bench::new(settings(2));
    let slot = bench.cold("ns/a");
    assert_eq!(bench.tell(|pool, now, out| pool.died(now, slot, out)), []);
    assert_eq!(bench.done(slot, true), [Decision::Remove { slot }]);
}

#[test]
fn requests_wait_for_an_engine_that_is_away() {
    let mut bench = Bench::new(Settings {
        queue_length: 2,
        ..settings(4)
    });
    let slot = bench.warm_of("ns/a", plain());
    let dead = bench.warm_of("ns/b", plain());
    let decided = bench.tell(|pool, now, out| pool.engine_down(now, "docker", out));
    assert_eq!(decided, []);
    assert_eq!(bench.pool.outlook(&key("ns/a"), &plain()), Outlook::Wait(0));
    let (warm, decisions) = bench.request("ns/a");
    assert_eq!(decisions.unwrap(), []);
    let (cold, decisions) = bench.request("ns/c");
    assert_eq!(decisions.unwrap(), []);
    assert_eq!(bench.request("ns/d").1, Err(Refusal::QueueFull(2)));
    // Another engine goes on.
    let quickjs = Needs::new(Class {
        engine: "process",
        ..Class::clone(&needs("quickjs:1", 256).class)
    });
    bench.cold_of(key("ns/js"), quickjs);
    let decided = bench.tell(|pool, now, out| pool.died(now, dead, out));
    assert_eq!(decided, [Decision::Remove { slot: dead }]);
    let decided = bench.tell(|pool, now, out| pool.engine_up(now, "docker", out));
    assert_eq!(decided[0], run(warm, slot, false));
    assert!(matches!(decided[1..], [Decision::Start { ticket, .. }] if ticket == cold));
}

#[test]
fn what_is_kept_for_a_request_is_there_for_others_when_its_engine_goes_away() {
    let mut bench = Bench::new(Settings {
        memory: 512,
        ..settings(4)
    });
    let quickjs = |memory| {
        Needs::new(Class {
            engine: "process",
            ..Class::clone(&needs("quickjs:1", memory).class)
        })
    };
    bench.cold_of(key("ns/busy"), quickjs(256));
    bench.cold_of(key("ns/small"), quickjs(128));
    let (_, decisions) = bench.request_of(key("ns/large"), plain());
    assert_eq!(decisions.unwrap(), []);
    bench.cold_of(key("ns/other"), quickjs(128));
    bench.pass(bench.pool.settings().aging.as_millis() as u64);
    bench.done(1, true);
    let (ticket, decisions) = bench.request_of(key("ns/small"), quickjs(128));
    assert_eq!(
        decisions.unwrap(),
        [],
        "the large one has waited for too long"
    );
    let decided = bench.tell(|pool, now, out| pool.engine_down(now, "docker", out));
    assert_eq!(decided, [run(ticket, 1, false)]);
}

#[test]
fn sandboxes_of_an_earlier_process_are_idle_ones() {
    let mut bench = Bench::new(settings(2));
    let now = bench.now;
    let mut adopt = |action| {
        let mut out = Vec::new();
        let slot = bench.pool.adopt(now, key(action), &plain(), &mut out);
        assert_eq!(out, []);
        slot
    };
    let slot = adopt("ns/a").unwrap();
    assert!(adopt("ns/b").is_some());
    assert_eq!(adopt("ns/c"), None, "no room");
    let (ticket, decisions) = bench.request("ns/a");
    assert_eq!(decisions.unwrap(), [run(ticket, slot, false)]);
    assert_eq!(bench.pool.counts().idle, 1);
    bench.now = bench.pool.next_tick().unwrap();
    assert_eq!(bench.tick().len(), 1, "the other one has its time, too");
}

/// What an action needs that runs as a process.
fn quickjs() -> Needs {
    Needs::new(Class {
        engine: "process",
        ..Class::clone(&needs("quickjs:1", 256).class)
    })
}

#[test]
fn what_an_engine_has_that_is_away_makes_no_room() {
    let mut bench = Bench::new(settings(2));
    bench.warm_of("ns/a", plain());
    let goes = bench.warm_of("ns/b", plain());
    bench.tell(|pool, now, out| pool.engine_down(now, "docker", out));
    // It is not gone before its engine is back, however often it is removed.
    let gone = bench.tell(|pool, now, out| pool.retire(now, "ns/b", out));
    assert_eq!(gone, [Decision::Remove { slot: goes }]);
    let (key, needs) = (key("ns/js"), quickjs());
    assert_eq!(bench.pool.outlook(&key, &needs), Outlook::Wait(0));
    let (ticket, decisions) = bench.request_of(key, needs);
    assert_eq!(decisions.unwrap(), []);
    // Its own removal is what was promised then: nothing else has to go.
    let decided = bench.tell(|pool, now, out| pool.engine_up(now, "docker", out));
    assert_eq!(decided, []);
    let decided = bench.removed(goes);
    assert!(matches!(decided[..], [Decision::Start { ticket: t, .. }] if t == ticket));
}

#[test]
fn what_can_be_removed_makes_room_while_another_engine_is_away() {
    let mut bench = Bench::new(settings(2));
    let stays = bench.warm_of("ns/a", plain());
    bench.pass(1000);
    let goes = bench.warm_of("ns/js", quickjs());
    bench.tell(|pool, now, out| pool.engine_down(now, "docker", out));
    let (_, decisions) = bench.request_of(key("ns/other"), quickjs());
    assert_eq!(decisions.unwrap(), [Decision::Remove { slot: goes }]);
    assert!(bench.pool.idle().contains(&stays));
}

#[test]
fn calls_wait_for_what_an_earlier_process_has_left() {
    let mut bench = Bench::new(settings(1));
    bench.tell(|pool, now, out| pool.settle(now, "docker", out));
    assert!(!bench.pool.is_down("docker") && bench.pool.down() == 0);
    let (ticket, decisions) = bench.request("ns/a");
    assert_eq!(decisions.unwrap(), []);
    let (other, decisions) = bench.request("ns/b");
    assert_eq!(decisions.unwrap(), []);
    let now = bench.now;
    let mut out = Vec::new();
    let slot = bench.pool.adopt(now, key("ns/a"), &plain(), &mut out);
    let slot = slot.expect("there is room");
    assert_eq!(out, [], "not before all is known");
    let none = bench.pool.adopt(now, key("ns/b"), &plain(), &mut out);
    assert_eq!(none, None, "there is room for one");
    // It goes away and comes back meanwhile.
    bench.tell(|pool, now, out| pool.engine_down(now, "docker", out));
    let decided = bench.tell(|pool, now, out| pool.settled(now, "docker", out));
    assert_eq!(decided, []);
    bench.tell(|pool, now, out| pool.settle(now, "docker", out));
    let decided = bench.tell(|pool, now, out| pool.engine_up(now, "docker", out));
    assert_eq!(decided, []);
    let decided = bench.tell(|pool, now, out| pool.settled(now, "docker", out));
    assert_eq!(decided, [run(ticket, slot, false)]);
    // The other's turn comes when that one is done.
    bench.pass(bench.pool.settings().patience.as_millis() as u64 + 1);
    assert_eq!(bench.done(slot, true), [Decision::Remove { slot }]);
    let decided = bench.removed(slot);
    assert!(matches!(decided[..], [Decision::Start { ticket, .. }] if ticket == other));
}

#[test]
fn what_goes_of_an_engine_that_is_away_is_promised_to_nobody() {
    let mut bench = Bench::new(settings(2));
    let docker = bench.warm_of("ns/a", plain());
    bench.pass(1000);
    let process = bench.warm_of("ns/js", quickjs());
    bench.tell(|pool, now, out| pool.engine_down(now, "docker", out));
    bench.tell(|pool, now, out| pool.retire(now, "ns/a", out));
    let (_, decisions) = bench.request_of(key("ns/other"), quickjs());
    assert_eq!(decisions.unwrap(), [Decision::Remove { slot: process }]);
    assert_eq!(bench.removed(docker).len(), 1, "another place is as good");
}

#[test]
fn what_is_left_of_room_that_was_made_is_there_for_the_next() {
    let mut bench = Bench::new(Settings {
        memory: 768,
        ..settings(4)
    });
    let large = bench.warm_of("ns/large", needs("nodejs:20", 512));
    bench.pass(1000);
    bench.warm_of("ns/small", plain());
    bench.tell(|pool, now, out| pool.engine_down(now, "docker", out));
    for action in ["ns/b", "ns/c"] {
        assert_eq!(bench.request(action).1.unwrap(), []);
    }
    let decided = bench.tell(|pool, now, out| pool.engine_up(now, "docker", out));
    assert_eq!(decided, [Decision::Remove { slot: large }]);
}

#[test]
fn who_was_promised_the_room_of_one_that_is_taken_over_is_promised_other_room() {
    let mut bench = Bench::new(Settings {
        starts: 1,
        ..settings(3)
    });
    let idle = bench.cold_of(key("ns/js"), quickjs());
    bench.done(idle, true);
    bench.tell(|pool, now, out| pool.settle(now, "docker", out));
    let (_, decisions) = bench.request_of(key("ns/first"), quickjs());
    assert!(matches!(decisions.unwrap()[..], [Decision::Start { .. }]));
    let (_, decisions) = bench.request_of(key("ns/second"), quickjs());
    assert_eq!(decisions.unwrap(), [], "there is a place for it");
    let mut out = Vec::new();
    let now = bench.now;
    let adopted = bench.pool.adopt(now, key("ns/a"), &plain(), &mut out);
    assert!(adopted.is_some());
    assert_eq!(out, [Decision::Remove { slot: idle }]);
}

#[test]
fn a_pool_that_stops_takes_nothing_over() {
    let mut bench = Bench::new(settings(2));
    bench.tell(|pool, now, out| drop(pool.stop(now, out)));
    let mut out = Vec::new();
    let now = bench.now;
    let adopted = bench.pool.adopt(now, key("ns/a"), &plain(), &mut out);
    assert_eq!((adopted, out), (None, vec![]));
}
