//! Watermarks, and which idle sandbox goes first.

use super::*;

const PERIOD: u64 = 10_000;

fn marked(capacity: usize, high: f64, low: f64) -> Settings {
    Settings {
        watermarks: Some(Watermarks::new(Duration::from_millis(PERIOD), high, low)),
        ..settings(capacity)
    }
}

/// So many warm sandboxes, the first idle for longest.
fn warm(bench: &mut Bench, count: usize) -> Vec<Slot> {
    let slots: Vec<Slot> = (0..count).map(|n| bench.cold(&format!("ns/{n}"))).collect();
    for slot in &slots {
        bench.pass(1);
        assert_eq!(bench.done(*slot, true), []);
    }
    slots
}

pub(super) fn removals(slots: &[Slot]) -> Vec<Decision> {
    slots
        .iter()
        .map(|slot| Decision::Remove { slot: *slot })
        .collect()
}

#[test]
fn of_8_at_70_and_40_percent_it_starts_at_6_and_stops_at_3() {
    let mut bench = Bench::new(marked(8, 0.7, 0.4));
    let mut slots = warm(&mut bench, 5);
    bench.pass(PERIOD);
    assert_eq!(bench.tick(), [], "5 are not above 70 % of 8");
    let sixth = bench.cold("ns/sixth");
    bench.done(sixth, true);
    slots.push(sixth);
    assert_eq!(bench.tick(), [], "only with the period");
    bench.now = bench.pool.next_tick().unwrap();
    assert_eq!(bench.tick(), removals(&slots[..3]));
    assert_eq!(bench.pool.counts().idle, 3);
    assert_eq!(bench.removals(Cause::Watermark), 3);
    bench.pass(PERIOD);
    assert_eq!(bench.tick(), [], "those that go do not count");
}

#[test]
fn checks_are_whole_periods_apart_and_only_where_they_could_find_something() {
    let mut bench = Bench::new(marked(4, 0.5, 0.25));
    let made = bench.now;
    let idle = Duration::from_secs(600);
    bench.pass(PERIOD * 7 / 2);
    let slots: Vec<Slot> = (0..3).map(|n| bench.cold(&format!("ns/{n}"))).collect();
    assert_eq!(bench.pool.next_tick(), None, "nothing may go");
    bench.done(slots[0], true);
    let check = made + Duration::from_millis(PERIOD * 4);
    assert_eq!(bench.pool.next_tick(), Some(check));
    bench.now = check;
    assert_eq!(bench.tick(), removals(&slots[..1]));
    bench.removed(slots[0]);
    assert_eq!(bench.pool.next_tick(), None);
    bench.done(slots[1], true);
    let expires = bench.now + idle;
    assert_eq!(bench.pool.next_tick(), Some(expires), "2 are not above 2");
}

#[test]
fn busy_ones_stay() {
    let mut bench = Bench::new(marked(4, 0.5, 0.0));
    let slots: Vec<Slot> = (0..4).map(|n| bench.cold(&format!("ns/{n}"))).collect();
    bench.done(slots[2], true);
    bench.pass(PERIOD);
    assert_eq!(bench.tick(), removals(&[slots[2]]));
    bench.pass(10 * PERIOD);
    assert_eq!(bench.tick(), []);
}

#[test]
fn without_watermarks_only_the_idle_time_counts() {
    // 11.12-310
    let mut bench = Bench::new(settings(2));
    let slots = warm(&mut bench, 2);
    let due = bench.pool.next_tick().unwrap();
    assert_eq!(
        due,
        bench.now - Duration::from_millis(1) + Duration::from_secs(600)
    );
    bench.now = due - Duration::from_millis(1);
    assert_eq!(bench.tick(), []);
    bench.now = due;
    assert_eq!(bench.tick(), removals(&slots[..1]));
    bench.pass(1);
    assert_eq!(bench.tick(), removals(&slots[1..]));
    assert_eq!(bench.pool.next_tick(), None);
    assert_eq!(bench.removals(Cause::Idle), 2);
}

#[test]
fn costly_kinds_count_as_idle_for_a_fraction_of_their_time() {
    let mut bench = Bench::new(settings(4));
    let blackbox = bench.warm_of("ns/blackbox", needs("blackbox", 256));
    bench.pass(250);
    let java = bench.warm_of("ns/java", needs("java:8", 256));
    bench.pass(50);
    let python = bench.warm_of("ns/python", needs("python:3", 256));
    bench.pass(50);
    let node = bench.warm_of("ns/node", needs("nodejs:20", 256));
    bench.pass(10);
    // Idle for 360 / 5, 110 / 3, 60 and 10 ms.
    for (n, expected) in [blackbox, python, java, node].into_iter().enumerate() {
        let (_, decisions) = bench.request(&format!("ns/new/{n}"));
        assert_eq!(decisions.unwrap(), removals(&[expected]));
    }
    assert_eq!(bench.removals(Cause::Room), 4);
}

#[test]
fn a_sandbox_that_is_used_again_is_not_idle() {
    let mut bench = Bench::new(settings(2));
    let (a, b) = (
        bench.warm_of("ns/a", plain()),
        bench.warm_of("ns/b", plain()),
    );
    bench.pass(600_000 - 1);
    assert!(bench.pool.take(bench.now, &key("ns/a")).is_some());
    bench.pass(1);
    assert_eq!(bench.tick(), removals(&[b]));
    bench.done(a, true);
    assert_eq!(bench.tick(), []);
    assert_eq!(
        bench.pool.next_tick(),
        Some(bench.now + Duration::from_secs(600))
    );
}
