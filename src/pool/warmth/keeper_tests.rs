//! What stays warm, on a clock that is made up.

use super::super::gaps::Gaps;
use super::*;

const MINUTE: u64 = 60;
const HOUR: u64 = 3600;

/// A warmth, its clock, and the sandboxes that it knows of.
struct Bench {
    warmth: Warmth,
    zero: Instant,
    now: Instant,
    next: Slot,
}

impl Bench {
    fn new(memory: u64) -> Self {
        let now = Instant::now();
        let settings = Settings {
            idle: Duration::from_secs(600),
            memory,
        };
        Bench {
            warmth: Warmth::new(now, settings),
            zero: now,
            now,
            next: 0,
        }
    }

    fn set(&mut self, seconds: u64) -> Vec<Advice> {
        self.now = self.zero + Duration::from_secs(seconds);
        let mut out = Vec::new();
        self.warmth.tick(self.now, &mut out);
        out
    }

    fn idled(&mut self, whose: &str, memory: u32) -> (Slot, Vec<Advice>) {
        let slot = self.next;
        self.next += 1;
        let mut out = Vec::new();
        let cost = Cost { memory, factor: 1 };
        self.warmth.idled(self.now, slot, whose, cost, &mut out);
        (slot, out)
    }

    /// A call at a time, which ends at once and leaves its sandbox idle.
    fn call(&mut self, seconds: u64, whose: &str) -> Slot {
        self.set(seconds);
        self.warmth.arrived(self.now, whose);
        self.idled(whose, 256).0
    }

    /// [`Bench::call`], with a sandbox that goes at once.
    fn call_and_go(&mut self, seconds: u64, whose: &str) {
        let slot = self.call(seconds, whose);
        self.warmth.gone(slot);
    }

    /// Seconds since the beginning at which there is something to do.
    fn due(&self) -> Option<u64> {
        let due = self.warmth.next_tick()?;
        Some((due - self.zero).as_secs())
    }

    /// Lets time pass until there is something to do: the second, and what.
    fn wait(&mut self) -> Option<(u64, Vec<Advice>)> {
        loop {
            // Not before it: times are rounded down.
            let due = self.due()?;
            let advice = self.set(due + 1);
            if !advice.is_empty() {
                return Some((due, advice));
            }
        }
    }

    /// When the sandboxes that are idle are let go, and which, if nothing else happens.
    fn releases(&mut self) -> Vec<(Slot, u64)> {
        let mut releases = Vec::new();
        while let Some((due, advice)) = self.wait() {
            for advice in advice {
                if let Advice::Release { slot } = advice {
                    releases.push((slot, due));
                }
            }
            if self.warmth.idle.is_empty() {
                break;
            }
        }
        releases
    }
}

#[test]
fn without_evidence_a_sandbox_stays_for_the_fixed_time() {
    let mut bench = Bench::new(1024);
    let slot = bench.call(10, "a");
    assert_eq!(bench.releases(), [(slot, 610)]);
    assert_eq!(bench.due(), None);
}

#[test]
fn what_a_burst_leaves_behind_goes_early() {
    let mut bench = Bench::new(1024);
    let mut now = 0;
    for _ in 0..10 {
        for _ in 0..30 {
            now += 2;
            bench.call_and_go(now, "a");
        }
        now += HOUR + now % 700;
    }
    let slot = bench.call(now, "a");
    let releases = bench.releases();
    assert_eq!(releases.len(), 1);
    assert!(
        releases[0].0 == slot && releases[0].1 <= now + 64,
        "{releases:?}, {now}"
    );
}

#[test]
fn a_second_sandbox_stays_only_if_calls_overlap_often() {
    let mut bench = Bench::new(1 << 20);
    // Pairs once in a while, single calls each minute.
    for minute in 0..240 {
        bench.set(minute * MINUTE);
        bench.warmth.arrived(bench.now, "a");
        if minute % 60 < 7 {
            bench.warmth.arrived(bench.now, "a");
            let second = bench.idled("a", 256).0;
            bench.warmth.gone(second);
        }
        let first = bench.idled("a", 256).0;
        bench.warmth.gone(first);
    }
    // Two calls that meet, long after the last pair.
    let now = 240 * MINUTE;
    bench.set(now);
    let second = bench.idled("a", 256).0;
    let first = bench.idled("a", 256).0;
    let releases = bench.releases();
    let at = |slot| releases.iter().find(|(gone, _)| *gone == slot).unwrap().1;
    assert_eq!(at(first), now + 600, "{releases:?}");
    assert!(at(second) < now + 600, "{releases:?}");
}

#[test]
fn a_regular_call_finds_a_sandbox_though_none_may_stay_so_long() {
    let mut bench = Bench::new(1024);
    for hour in 1..=12 {
        bench.call(hour * HOUR, "a");
        bench.releases();
    }
    // All evidence says that nothing comes soon.
    let slot = bench.call(13 * HOUR, "a");
    let (due, advice) = bench.wait().unwrap();
    assert_eq!(advice, [Advice::Release { slot }]);
    assert!(due < 13 * HOUR + 300, "{due}");
    let (due, advice) = bench.wait().unwrap();
    assert!((14 * HOUR - 5..14 * HOUR).contains(&due), "{due}");
    let prepare = Advice::Prepare {
        whose: "a".into(),
        memory: 256,
    };
    assert_eq!(advice, std::slice::from_ref(&prepare));
    assert_eq!(bench.set(due + 2), [], "only once");
    let mut out = Vec::new();
    let cost = Cost {
        memory: 256,
        factor: 1,
    };
    bench.warmth.prepared(bench.now, 1000, "a", cost, &mut out);
    assert_eq!(out, []);
    // It waits for its call and no longer; the next is expected all the same.
    assert_eq!(bench.set(14 * HOUR + 59), []);
    assert_eq!(bench.set(14 * HOUR + 61), [Advice::Release { slot: 1000 }]);
    assert_eq!(bench.set(15 * HOUR), [prepare]);
}

#[test]
fn a_regular_call_keeps_its_sandbox_if_it_comes_in_time() {
    let mut bench = Bench::new(1024);
    for n in 1..=12 {
        bench.call_and_go(n * 5 * MINUTE, "a");
    }
    let slot = bench.call(65 * MINUTE, "a");
    let releases = bench.releases();
    assert_eq!(releases.len(), 1);
    assert!(
        releases[0].0 == slot && releases[0].1 >= 70 * MINUTE,
        "{releases:?}"
    );
}

#[test]
fn what_is_announced_is_made_ready() {
    let mut bench = Bench::new(512);
    let at = bench.zero + Duration::from_secs(100);
    bench.warmth.expect(bench.now, "a", at, 512);
    let due = bench.due().unwrap();
    assert!((95..100).contains(&due), "{due}");
    let prepare = |whose: &str, memory| Advice::Prepare {
        whose: whose.into(),
        memory,
    };
    assert_eq!(bench.set(due + 1), [prepare("a", 512)]);
    // What is larger than all that may be idle is not.
    bench.warmth.expect(bench.now, "b", at, 513);
    assert_eq!(bench.set(due + 2), []);
    // One that is idle is enough, and stays for it.
    let slot = bench.call(99, "c");
    let later = bench.zero + Duration::from_secs(99 + 590);
    bench.warmth.expect(bench.now, "c", later, 256);
    let releases = bench.releases();
    // It waits for a late one, but no longer than any may.
    assert_eq!(releases, [(slot, 99 + 600)]);
}

#[test]
fn nothing_is_made_ready_while_a_run_is_under_way() {
    let mut bench = Bench::new(1024);
    bench.call_and_go(10, "a");
    bench.set(95);
    bench.warmth.arrived(bench.now, "a");
    let at = bench.zero + Duration::from_secs(100);
    bench.warmth.expect(bench.now, "a", at, 256);
    assert_eq!(bench.set(99), []);
}

#[test]
fn beyond_the_memory_for_idle_ones_the_least_worth_goes() {
    let mut bench = Bench::new(1024);
    // One that is called often, one seldom, one that starts slowly.
    for n in 0..60 {
        bench.call_and_go(n * MINUTE, "often");
        if n % 20 == 0 {
            bench.call_and_go(n * MINUTE + 1, "seldom");
            bench.call_and_go(n * MINUTE + 2, "slow");
        }
    }
    bench.warmth.started_cold("slow", Duration::from_secs(8));
    let now = 61 * MINUTE;
    let often = bench.call(now, "often");
    let seldom = bench.call(now + 1, "seldom");
    let slow = bench.call(now + 2, "slow");
    assert_eq!(bench.warmth.least_worth(bench.now), Some(seldom));
    let (_, out) = bench.idled("new", 512);
    assert_eq!(out, [Advice::Release { slot: seldom }]);
    // Less memory is less worth.
    let mut out = Vec::new();
    let settings = Settings {
        idle: Duration::from_secs(600),
        memory: 600,
    };
    bench.warmth.set(bench.now, settings, &mut out);
    assert_eq!(out.len(), 1);
    let kept: Vec<Slot> = bench.warmth.idle.iter().map(|idle| idle.slot).collect();
    assert_eq!(kept, [often, slow]);
    // Nothing may be idle.
    let settings = Settings {
        memory: 0,
        ..settings
    };
    bench.warmth.set(bench.now, settings, &mut out);
    assert!(bench.warmth.idle.is_empty());
    assert_eq!(bench.idled("often", 256).1.len(), 1);
}

#[test]
fn kept_restored_and_forgotten() {
    let day = crate::clock::EARLIEST + 1_000_000;
    let mut bench = Bench::new(1024);
    assert!(!bench.warmth.has_changed());
    for hour in 1..=8 {
        bench.call_and_go(hour * HOUR, "guest/a\0guest");
    }
    bench.call_and_go(8 * HOUR + 1, "guest/b\0guest");
    assert!(bench.warmth.has_changed());
    let records = bench.warmth.records(bench.now, day);
    assert_eq!(records.len(), 2);
    assert!(!bench.warmth.has_changed());
    assert_eq!(bench.warmth.records(bench.now, day), []);

    // Half an hour later, in another daemon.
    let mut other = Bench::new(1024);
    let later = day + 1_800_000;
    for (whose, record) in &records {
        assert!(other.warmth.restore(other.now, later, whose, record));
    }
    assert!(!other.warmth.restore(other.now, later, "x", b"damaged"));
    assert!(!other.warmth.has_changed());
    let due = other.due().unwrap();
    assert!((1790..1800).contains(&due), "{due}");
    assert_eq!(other.set(due + 1).len(), 1);

    other.warmth.look_again("guest/b");
    let again = other.warmth.records(other.now, later);
    assert_eq!(again.len(), 1);
    assert_eq!(&*again[0].0, "guest/b\0guest");
    other.warmth.forget("guest/b\0guest");
    assert_eq!(other.warmth.forgotten().len(), 1);
    assert_eq!(other.warmth.forgotten().len(), 0);
}

/// An action rests from its last run, not from what was made ready for it.
#[test]
fn what_is_made_ready_is_no_run() {
    let mut bench = Bench::new(1024);
    bench.call_and_go(10, "a");
    bench.set(1000);
    let cost = Cost {
        memory: 256,
        factor: 1,
    };
    let mut out = Vec::new();
    bench.warmth.prepared(bench.now, 7, "a", cost, &mut out);
    bench.call_and_go(1002, "a");
    let mut once = Gaps::default();
    once.add(1_002_000, 992_000);
    assert_eq!(bench.warmth.book.find("a").unwrap().1.gaps, once);
}

/// The sandbox that is there would not live to see the call.
#[test]
fn one_that_goes_before_the_call_is_replaced() {
    let mut bench = Bench::new(1024);
    for n in 1..=12 {
        bench.call_and_go(n * 601, "a");
    }
    let slot = bench.call(13 * 601, "a");
    // What is ready two seconds before the call has to wait for the end of the one before.
    assert_eq!(bench.set(13 * 601 + 599), []);
    let (due, advice) = bench.wait().unwrap();
    assert!((13 * 601 + 599..=13 * 601 + 600).contains(&due), "{due}");
    assert!(advice.contains(&Advice::Release { slot }), "{advice:?}");
    let whose = "a".into();
    let memory = 256;
    assert!(
        advice.contains(&Advice::Prepare { whose, memory }),
        "{advice:?}"
    );
}
