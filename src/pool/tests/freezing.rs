//! Freezing idle sandboxes, and thawing them for their next run.

use super::*;

const GRACE: Duration = Duration::from_secs(10);

fn freezing() -> Bench {
    Bench::new(Settings {
        freeze_after: Some(GRACE),
        ..settings(2)
    })
}

impl Bench {
    fn frozen(&mut self, slot: Slot, is_frozen: bool, again: bool) -> Vec<Decision> {
        self.tell(|pool, now, out| pool.frozen(now, slot, is_frozen, again, out))
    }

    /// An idle sandbox whose freezing was decided.
    fn freezes(&mut self, action: &str) -> Slot {
        let slot = self.warm_of(action, plain());
        assert_eq!(self.pool.next_tick(), Some(self.now + GRACE));
        self.now += GRACE;
        assert_eq!(self.tick(), [Decision::Freeze { slot }]);
        slot
    }
}

#[test]
fn an_idle_sandbox_is_frozen_after_the_grace_and_thawed_for_its_run() {
    // 11.12-309
    let mut bench = freezing();
    let slot = bench.freezes("ns/a");
    assert_eq!(bench.frozen(slot, true, true), []);
    assert_eq!(bench.pool.counts().frozen, 1);
    let expires = bench.now - GRACE + Duration::from_secs(600);
    assert_eq!(bench.pool.next_tick(), Some(expires), "nothing else to do");
    let (ticket, decisions) = bench.request("ns/a");
    assert_eq!(decisions.unwrap(), [run(ticket, slot, true)]);
    // After its run it is not frozen any more.
    bench.done(slot, true);
    let (ticket, decisions) = bench.request("ns/a");
    assert_eq!(decisions.unwrap(), [run(ticket, slot, false)]);
}

#[test]
fn a_request_waits_for_the_freezing_rather_than_for_a_start() {
    let mut bench = freezing();
    let slot = bench.freezes("ns/a");
    let (first, decisions) = bench.request("ns/a");
    assert_eq!(decisions.unwrap(), []);
    // One is enough for one; and who comes first gets what is there first.
    let (second, decisions) = bench.request("ns/a");
    let decisions = decisions.unwrap();
    assert!(
        matches!(decisions[..], [Decision::Start { ticket, .. }] if ticket == first),
        "{decisions:?}"
    );
    assert_eq!(bench.frozen(slot, true, true), [run(second, slot, true)]);
}

#[test]
fn one_that_cannot_be_frozen_stays_warm() {
    let mut bench = freezing();
    let slot = bench.freezes("ns/a");
    assert_eq!(bench.frozen(slot, false, true), []);
    bench.now += GRACE;
    assert_eq!(bench.tick(), [], "not again before its next run");
    let (ticket, decisions) = bench.request("ns/a");
    assert_eq!(decisions.unwrap(), [run(ticket, slot, false)]);
    bench.done(slot, true);
    bench.now += GRACE;
    assert_eq!(bench.tick(), [Decision::Freeze { slot }]);
    bench.frozen(slot, false, false);
    let (ticket, decisions) = bench.request("ns/a");
    assert_eq!(decisions.unwrap(), [run(ticket, slot, false)]);
    bench.done(slot, true);
    bench.now += GRACE;
    assert_eq!(bench.tick(), [], "never again");
}

#[test]
fn what_is_being_frozen_goes_when_that_has_ended() {
    let mut bench = freezing();
    let slot = bench.freezes("ns/a");
    assert_eq!(
        bench.tell(|pool, now, out| pool.retire(now, "ns/a", out)),
        []
    );
    assert_eq!(bench.frozen(slot, true, true), [Decision::Remove { slot }]);
    bench.removed(slot);
    assert!(bench.pool.is_empty());
}

#[test]
fn frozen_ones_make_room_and_count_as_idle_since_their_run() {
    let mut bench = freezing();
    let slot = bench.freezes("ns/a");
    bench.frozen(slot, true, true);
    let fresh = bench.warm_of("ns/b", plain());
    let (_, decisions) = bench.request("ns/c");
    assert_eq!(
        decisions.unwrap(),
        [Decision::Remove { slot }],
        "not {fresh}"
    );
    let mut bench = freezing();
    let slot = bench.freezes("ns/a");
    bench.frozen(slot, true, true);
    bench.now += Duration::from_secs(590) - Duration::from_millis(1);
    assert_eq!(bench.tick(), []);
    bench.pass(1);
    assert_eq!(bench.tick(), [Decision::Remove { slot }]);
}

#[test]
fn the_unfrozen_goes_first() {
    let mut bench = freezing();
    let (a, b) = (bench.cold("ns/a"), bench.cold("ns/a"));
    bench.done(a, true);
    bench.now += GRACE;
    assert_eq!(bench.tick(), [Decision::Freeze { slot: a }]);
    bench.frozen(a, true, true);
    bench.done(b, true);
    let (ticket, decisions) = bench.request("ns/a");
    assert_eq!(decisions.unwrap(), [run(ticket, b, false)]);
}

#[test]
fn nothing_is_frozen_while_its_engine_is_away() {
    let mut bench = freezing();
    let frozen = bench.freezes("ns/frozen");
    bench.frozen(frozen, true, true);
    let idle = bench.warm_of("ns/idle", plain());
    bench.tell(|pool, now, out| pool.engine_down(now, "docker", out));
    bench.now += GRACE;
    assert_eq!(bench.tick(), [], "an engine that ends could not end it");
    let expires = bench.now - GRACE * 2 + Duration::from_secs(600);
    assert_eq!(bench.pool.next_tick(), Some(expires), "it rests");
    // The first one was let go when the engine went.
    let decided = bench.tell(|pool, now, out| pool.engine_up(now, "docker", out));
    assert_eq!(decided, [Decision::Freeze { slot: frozen }]);
    assert_eq!(bench.tick(), [Decision::Freeze { slot: idle }]);
}

#[test]
fn one_that_is_awake_comes_before_one_that_is_frozen() {
    let mut bench = Bench::new(Settings {
        freeze_after: Some(Duration::from_secs(1)),
        ..settings(2)
    });
    let (awake, frozen) = (bench.cold("ns/a"), bench.cold("ns/a"));
    bench.done(awake, true);
    bench.pass(1000);
    assert_eq!(bench.tick(), [Decision::Freeze { slot: awake }]);
    // It cannot be.
    bench.tell(|pool, now, out| pool.frozen(now, awake, false, false, out));
    bench.done(frozen, true);
    bench.pass(1000);
    assert_eq!(bench.tick(), [Decision::Freeze { slot: frozen }]);
    bench.tell(|pool, now, out| pool.frozen(now, frozen, true, true, out));
    let (ticket, decisions) = bench.request("ns/a");
    assert_eq!(decisions.unwrap(), [run(ticket, awake, false)]);
}
