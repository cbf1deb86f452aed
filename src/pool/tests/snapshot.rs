//! What is told of the pool.

use super::*;

fn told(bench: &Bench) -> Vec<(Slot, Doing, u64, u64)> {
    let snapshot = bench.pool.snapshot(bench.now);
    let sandboxes = snapshot.sandboxes.iter();
    sandboxes
        .map(|sandbox| {
            let lasts = sandbox.lasts.as_millis() as u64;
            (sandbox.slot, sandbox.doing, lasts, sandbox.runs)
        })
        .collect()
}

#[test]
fn sandboxes_by_what_they_do() {
    let mut bench = Bench::new(Settings {
        freeze_after: Some(Duration::from_secs(1)),
        ..settings(5)
    });
    let busy = bench.cold("a");
    let frozen = bench.warm_of("b", plain());
    bench.pass(1_000);
    assert_eq!(bench.tick(), [Decision::Freeze { slot: frozen }]);
    bench.tell(|pool, now, out| pool.frozen(now, frozen, true, true, out));
    bench.pass(500);
    let (_, starting) = bench.request("c");
    assert_eq!(starting.unwrap().len(), 1);
    let stems = vec![(Class::clone(&needs("nodejs:20", 128).class), 1)];
    bench.tell(|pool, now, out| pool.set_stems(now, stems, out));
    bench.tell(|pool, now, out| pool.grown(now, 3, true, out));
    bench.pass(100);
    let expected = [
        (busy, Doing::Busy, 1_600, 1),
        (frozen, Doing::Frozen, 1_600, 1),
        (2, Doing::Starting, 100, 0),
        (3, Doing::Stem, 100, 0),
    ];
    assert_eq!(told(&bench), expected);
    let snapshot = bench.pool.snapshot(bench.now);
    let actions: Vec<Option<&str>> = snapshot
        .sandboxes
        .iter()
        .map(|sandbox| sandbox.key.as_ref().map(Key::action))
        .collect();
    assert_eq!(actions, [Some("a"), Some("b"), Some("c"), None]);
    assert_eq!(snapshot.sandboxes[3].memory, 128);
}

#[test]
fn runs_are_counted_but_not_what_is_made_ready() {
    let mut bench = Bench::new(settings(5));
    let slot = bench.warm_of("a", plain());
    for _ in 0..2 {
        let (_, again) = bench.request("a");
        assert_eq!(again.unwrap().len(), 1);
        bench.done(slot, true);
    }
    let now = bench.now;
    let ahead = bench.pool.reserve(now, &key("b"), &plain()).unwrap();
    bench.tell(|pool, now, out| pool.started(now, ahead, out));
    bench.done(ahead, true);
    let expected = [(slot, Doing::Idle, 0, 3), (ahead, Doing::Idle, 0, 0)];
    assert_eq!(told(&bench), expected);
    assert!(bench.pool.take(now, &key("b")).is_some());
    assert_eq!(told(&bench)[1], (ahead, Doing::Busy, 0, 1));
}

#[test]
fn who_waits_longest_comes_first() {
    let mut bench = Bench::new(settings(1));
    bench.cold("a");
    for action in ["b", "b", "c"] {
        bench.pass(10);
        let (_, waits) = bench.request(action);
        assert_eq!(waits.unwrap(), []);
    }
    bench.pass(10);
    let snapshot = bench.pool.snapshot(bench.now);
    let lines: Vec<(&str, usize, u128)> = snapshot
        .lines
        .iter()
        .map(|line| (line.key.action(), line.waiting, line.longest.as_millis()))
        .collect();
    assert_eq!(lines, [("b", 2, 30), ("c", 1, 10)]);
    assert_eq!(bench.pool.tally().waited, 3);
}

#[test]
fn so_many_lines_and_no_more() {
    let mut bench = Bench::new(Settings {
        queue_length: 1_000,
        ..settings(1)
    });
    bench.cold("a");
    for n in 0..130 {
        bench.pass(1);
        bench.request(&format!("b{n}")).1.unwrap();
    }
    let snapshot = bench.pool.snapshot(bench.now);
    assert_eq!((snapshot.lines.len(), snapshot.more_lines), (100, 30));
    assert_eq!(snapshot.lines[0].key.action(), "b0");
}

#[test]
fn what_is_wrong_is_told() {
    let mut bench = Bench::new(settings(2));
    let slot = bench.cold("a");
    bench.tell(|pool, now, out| pool.hold(now, true, out));
    bench.tell(|pool, now, out| pool.engine_down(now, "docker", out));
    bench.tell(|pool, now, out| pool.retire(now, "a", out));
    let snapshot = bench.pool.snapshot(bench.now);
    assert!(snapshot.held);
    assert_eq!(snapshot.down, ["docker"]);
    let sandbox = &snapshot.sandboxes[0];
    assert_eq!(
        (sandbox.slot, sandbox.retired),
        (slot, Some(Cause::Changed))
    );
}
