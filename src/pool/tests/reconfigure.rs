//! Other bounds and other kinds, while the pool is at work.

use super::*;

impl Bench {
    fn reconfigure(&mut self, change: impl FnOnce(&mut Settings)) -> (Vec<Ticket>, Vec<Decision>) {
        let mut settings = self.pool.settings().clone();
        change(&mut settings);
        let mut withdrawn = Vec::new();
        let out = self.tell(|pool, now, out| withdrawn = pool.reconfigure(now, settings, out));
        (withdrawn, out)
    }

    fn gone(&self, decisions: &[Decision]) -> Vec<Slot> {
        let removed = decisions.iter().map(|decision| match decision {
            Decision::Remove { slot } => *slot,
            other => panic!("only removals were due: {other:?}"),
        });
        removed.collect()
    }
}

#[test]
fn more_room_is_for_those_who_wait() {
    let mut bench = Bench::new(settings(1));
    bench.cold("a");
    let (waits, answer) = bench.request("b");
    assert_eq!(answer.unwrap(), []);
    let (withdrawn, out) = bench.reconfigure(|settings| settings.capacity = 2);
    assert!(withdrawn.is_empty(), "{withdrawn:?}");
    assert!(matches!(out[..], [Decision::Start { ticket, .. }] if ticket == waits));
}

#[test]
fn less_room_takes_idle_ones_at_once_and_busy_ones_when_they_have_finished() {
    let mut bench = Bench::new(settings(5));
    let busy: Vec<Slot> = ["a", "b", "c"].map(|action| bench.cold(action)).to_vec();
    let idle = bench.warm_of("d", plain());
    let (withdrawn, out) = bench.reconfigure(|settings| settings.capacity = 2);
    assert_eq!((withdrawn, bench.gone(&out)), (vec![], vec![idle]));
    assert_eq!(bench.removals(Cause::Stopped), 1);
    bench.removed(idle);
    // One of the three goes when it has finished, whatever waits for it.
    let snapshot = bench.pool.snapshot(bench.now);
    let retired: Vec<Slot> = snapshot
        .sandboxes
        .iter()
        .filter(|sandbox| sandbox.retired == Some(Cause::Stopped))
        .map(|sandbox| sandbox.slot)
        .collect();
    assert_eq!(retired.len(), 1, "{snapshot:?}");
    for slot in busy {
        let (_, own) = bench.request(["a", "b", "c"][slot as usize]);
        assert_eq!(own.unwrap(), [], "nothing is started beyond the bound");
        let out = bench.done(slot, true);
        match retired.contains(&slot) {
            true => assert!(out.contains(&Decision::Remove { slot }), "{out:?}"),
            false => assert!(
                matches!(out[..], [Decision::Run { slot: again, .. }] if again == slot),
                "{out:?}"
            ),
        }
    }
}

#[test]
fn the_least_worth_goes_first_and_no_more_than_is_needed() {
    let mut bench = Bench::new(settings(5));
    let old = bench.warm_of("old", plain());
    bench.pass(1_000);
    let new = bench.warm_of("new", plain());
    let stems = vec![(Class::clone(&needs("nodejs:20", 128).class), 1)];
    let out = bench.tell(|pool, now, out| pool.set_stems(now, stems, out));
    let [Decision::Grow { slot: stem, .. }] = out[..] else {
        panic!("a stem cell was due: {out:?}");
    };
    bench.tell(|pool, now, out| pool.grown(now, stem, true, out));
    let (_, out) = bench.reconfigure(|settings| settings.memory = 512);
    assert_eq!(bench.gone(&out), [stem]);
    bench.removed(stem);
    let (_, out) = bench.reconfigure(|settings| settings.memory = 300);
    assert_eq!(bench.gone(&out), [old]);
    bench.removed(old);
    let (_, out) = bench.reconfigure(|settings| settings.capacity = 0);
    assert_eq!(bench.gone(&out), [new]);
}

#[test]
fn who_can_never_be_served_does_not_wait_and_holds_up_nobody() {
    let mut bench = Bench::new(Settings {
        memory: 1_024,
        ..settings(5)
    });
    let slot = bench.cold_of(key("a"), needs("nodejs:20", 1_024));
    let (large, answer) = bench.request_of(key("b"), needs("nodejs:20", 768));
    assert_eq!(answer.unwrap(), []);
    let (small, answer) = bench.request_of(key("c"), needs("nodejs:20", 256));
    assert_eq!(answer.unwrap(), []);
    let (withdrawn, out) = bench.reconfigure(|settings| settings.memory = 512);
    assert_eq!((withdrawn, out), (vec![large], vec![]));
    assert_eq!(bench.done(slot, true), [Decision::Remove { slot }]);
    let out = bench.removed(slot);
    assert!(matches!(out[..], [Decision::Start { ticket, .. }] if ticket == small));
    let mut none = Bench::new(settings(1));
    none.cold("a");
    let (waits, _) = none.request("b");
    let (withdrawn, out) = none.reconfigure(|settings| settings.capacity = 0);
    assert_eq!((withdrawn, out), (vec![waits], vec![]));
    assert_eq!(none.request("a").1, Err(Refusal::NoCapacity));
}

#[test]
fn a_shorter_queue_drops_nobody() {
    let mut bench = Bench::new(settings(1));
    let slot = bench.cold("a");
    let waiting: Vec<Ticket> = (0..3).map(|_| bench.request("a").0).collect();
    let (withdrawn, out) = bench.reconfigure(|settings| settings.queue_length = 1);
    assert_eq!((withdrawn, out), (vec![], vec![]));
    assert_eq!(bench.request("a").1, Err(Refusal::QueueFull(3)));
    for ticket in waiting {
        assert_eq!(bench.done(slot, true), [run(ticket, slot, false)]);
    }
}

#[test]
fn times_hold_for_those_that_are_idle_already() {
    let mut bench = Bench::new(settings(5));
    let slot = bench.warm_of("a", plain());
    bench.pass(5_000);
    bench.reconfigure(|settings| settings.freeze_after = Some(Duration::from_secs(4)));
    assert_eq!(bench.pool.next_tick(), Some(bench.now));
    assert_eq!(bench.tick(), [Decision::Freeze { slot }]);
    bench.tell(|pool, now, out| pool.frozen(now, slot, true, true, out));
    bench.reconfigure(|settings| settings.idle = Duration::from_secs(5));
    assert_eq!(bench.tick(), [Decision::Remove { slot }]);
    bench.removed(slot);
    // And it is not frozen any more where that was switched off.
    bench.reconfigure(|settings| settings.idle = Duration::from_secs(100));
    let slot = bench.warm_of("b", plain());
    bench.reconfigure(|settings| settings.freeze_after = None);
    bench.pass(10_000);
    assert_eq!(bench.tick(), []);
    let marks = Watermarks::new(Duration::from_secs(1), 0.1, 0.1);
    bench.reconfigure(|settings| settings.watermarks = Some(marks));
    bench.pass(1_000);
    assert_eq!(bench.tick(), [Decision::Remove { slot }]);
}

#[test]
fn one_that_is_being_frozen_or_started_goes_when_that_is_over() {
    let mut bench = Bench::new(Settings {
        freeze_after: Some(Duration::from_secs(1)),
        ..settings(2)
    });
    let freezing = bench.warm_of("a", plain());
    bench.pass(1_000);
    assert_eq!(bench.tick(), [Decision::Freeze { slot: freezing }]);
    let stems = vec![(Class::clone(&needs("nodejs:20", 128).class), 1)];
    let out = bench.tell(|pool, now, out| pool.set_stems(now, stems, out));
    let [Decision::Grow { slot: growing, .. }] = out[..] else {
        panic!("a stem cell was due: {out:?}");
    };
    let (_, out) = bench.reconfigure(|settings| settings.capacity = 0);
    assert_eq!(out, []);
    let out = bench.tell(|pool, now, out| pool.frozen(now, freezing, true, true, out));
    assert_eq!(bench.gone(&out), [freezing]);
    let out = bench.tell(|pool, now, out| pool.grown(now, growing, true, out));
    assert_eq!(bench.gone(&out), [growing]);
}

#[test]
fn what_a_kind_was_made_of_before_finishes_and_goes() {
    let mut bench = Bench::new(settings(3));
    let busy = bench.cold_of(key("a"), needs("nodejs:20", 256));
    let idle = bench.warm_of("b", needs("nodejs:20", 128));
    let other = bench.warm_of("c", needs("python:3", 128));
    bench.tell(|pool, now, out| pool.engine_down(now, "docker", out));
    let (waits, _) = bench.request_of(key("d"), needs("nodejs:20", 128));
    let new = |class: &Class| {
        (class.kind == "nodejs:20").then(|| Class {
            image: Some("newer".into()),
            ..class.clone()
        })
    };
    let out = bench.tell(|pool, now, out| pool.remake(now, new, out));
    assert_eq!(bench.gone(&out), [idle]);
    assert_eq!(bench.removals(Cause::Changed), 1);
    bench.removed(idle);
    // Who waits gets what is made now: a stem cell of that, too.
    let stems = vec![(new(&needs("nodejs:20", 128).class).unwrap(), 1)];
    bench.tell(|pool, now, out| pool.set_stems(now, stems, out));
    let out = bench.tell(|pool, now, out| pool.engine_up(now, "docker", out));
    let [Decision::Start { ticket, slot }] = out[..] else {
        panic!("a start was due: {out:?}");
    };
    assert_eq!(ticket, waits);
    let snapshot = bench.pool.snapshot(bench.now);
    let made = snapshot
        .sandboxes
        .iter()
        .find(|sandbox| sandbox.slot == slot);
    assert_eq!(made.unwrap().image.as_deref(), Some("newer"));
    let out = bench.done(busy, true);
    assert!(out.contains(&Decision::Remove { slot: busy }), "{out:?}");
    let there = bench.pool.snapshot(bench.now).sandboxes;
    let kept = there.iter().find(|sandbox| sandbox.slot == other).unwrap();
    assert_eq!((kept.doing, kept.retired), (Doing::Idle, None));
}

#[test]
fn nothing_goes_for_who_would_have_to_wait_for_busy_ones_all_the_same() {
    let mut bench = Bench::new(settings(3));
    let busy: Vec<Slot> = ["ns/a", "ns/b", "ns/c"].map(|name| bench.cold(name)).into();
    let smaller = settings(2);
    bench.tell(|pool, now, out| pool.reconfigure(now, smaller, out));
    let snapshot = bench.pool.snapshot(bench.now);
    let retired = |slot: &Slot| {
        let mut all = snapshot.sandboxes.iter();
        all.any(|sandbox| sandbox.slot == *slot && sandbox.retired.is_some())
    };
    let (goes, stay): (Vec<Slot>, Vec<Slot>) = busy.iter().partition(|slot| retired(slot));
    assert_eq!((goes.len(), stay.len()), (1, 2));
    assert_eq!(bench.done(stay[0], true), []);
    // There is one too many: that it went would make no room.
    assert_eq!(bench.request("ns/new").1.unwrap(), []);
    let decided = bench.done(goes[0], true);
    let remove = |slot| Decision::Remove { slot };
    assert_eq!(decided, [remove(goes[0]), remove(stay[0])]);
}

#[test]
fn of_those_that_are_too_many_what_nobody_uses_goes_before_what_runs() {
    let mut bench = Bench::new(settings(2));
    let busy = bench.cold("a");
    let class = Class::clone(&plain().class);
    let grown = bench.tell(|pool, now, out| pool.set_stems(now, vec![(class, 1)], out));
    let [Decision::Grow { slot: stem, .. }] = grown[..] else {
        panic!("{grown:?}")
    };
    let (_, out) = bench.reconfigure(|settings| settings.capacity = 1);
    assert_eq!(out, []);
    let snapshot = bench.pool.snapshot(bench.now);
    let mut retired = snapshot.sandboxes.iter();
    assert!(
        retired.all(|sandbox| sandbox.retired.is_some() == (sandbox.slot == stem)),
        "{busy}, {stem}: {snapshot:?}"
    );
}
