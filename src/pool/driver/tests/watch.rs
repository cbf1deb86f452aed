//! The driver on a machine whose memory is what a test says.

use std::sync::Mutex;

use smol::Timer;
use smol::future::{or, poll_once};

use super::*;
use crate::pool::driver::Watch;
use crate::pool::pressure::{Read, Reading};

/// What a sandbox that is removed gives back, in MB.
const GIVEN_BACK: u64 = 450;

/// MB that are available of 4 GB, but for what was given back.
#[derive(Clone)]
struct Gauge {
    megabytes: Arc<Mutex<u64>>,
    removed: Arc<AtomicUsize>,
}

impl Gauge {
    fn set(&self, megabytes: u64) {
        *self.megabytes.lock().unwrap() = megabytes;
    }
}

impl Read for Gauge {
    fn read(&self) -> Reading {
        let given_back = self.removed.load(Ordering::Relaxed) as u64 * GIVEN_BACK;
        let available = *self.megabytes.lock().unwrap() + given_back;
        Reading {
            available: Some(available << 20),
            total: 4 << 30,
            stalled: Some(0.0),
        }
    }
}

/// A pool on a machine with so much memory; 100 MB are to stay.
fn with_memory(megabytes: u64, settings: Settings) -> (Bench, Gauge) {
    let gauge = Gauge {
        megabytes: Arc::new(Mutex::new(megabytes)),
        removed: Arc::default(),
    };
    let executor: Executor = Arc::new(smol::Executor::new());
    let watch = Watch::new(100 << 20, gauge.clone());
    let bench = Bench {
        driver: Driver::watching(executor.clone(), settings, Some(watch)),
        executor,
        removed: gauge.removed.clone(),
    };
    (bench, gauge)
}

/// How old a reading may be at a start, and a little more.
const STALE: Duration = Duration::from_millis(1_100);

#[test]
fn a_start_waits_until_there_is_memory() {
    let (bench, gauge) = with_memory(50, Settings::default());
    let queued = bench.queued("ns/a");
    assert!(bench.driver.is_held());
    let mut granted = Box::pin(queued.granted(LONG));
    let soon = async {
        Timer::after(STALE).await;
        None
    };
    assert!(
        bench
            .run(or(async { Some(granted.as_mut().await) }, soon))
            .is_none()
    );
    gauge.set(500);
    assert!(matches!(bench.run(granted), Some(Grant::Cold(_))));
    assert!(!bench.driver.is_held());
}

#[test]
fn idle_ones_go_first_one_by_one() {
    let (bench, gauge) = with_memory(500, Settings::default());
    for action in ["ns/a", "ns/b", "ns/c"] {
        bench.cold(action).keep(bench.warm().0);
    }
    gauge.set(50);
    bench.run(Timer::after(STALE));
    let queued = bench.queued("ns/d");
    let granted = bench.run(queued.granted(LONG));
    // One was enough.
    assert!(matches!(granted, Some(Grant::Cold(_))));
    assert_eq!(bench.removed(), 1);
    assert_eq!(bench.driver.statistics().counts.idle, 2);
}

#[test]
fn without_anything_idle_or_waiting_nobody_reads() {
    let (bench, gauge) = with_memory(50, Settings::default());
    drop(bench.queued("ns/a"));
    assert!(bench.driver.inner.lock().next_tick().is_none());
    gauge.set(500);
    bench.run(Timer::after(STALE));
    // Who asks finds out.
    assert_eq!(bench.driver.outlook(&key("ns/a"), &needs()), Outlook::Place);
    bench.cold("ns/a").keep(bench.warm().0);
    assert!(bench.driver.inner.lock().next_tick().is_some());
}

#[test]
fn a_call_that_is_announced_finds_what_was_made_ready() {
    let (bench, _) = with_memory(500, Settings::default());
    let expected = bench.driver.expected();
    bench.driver.with_warmth(|warmth, now| {
        let whose = key("ns/a");
        warmth.expect(now, whose.whose(), now + Duration::from_secs(3), 256);
    });
    let whose = bench.run(expected.recv()).unwrap();
    assert_eq!(&*whose, key("ns/a").whose());
    let (lease, stem) = bench.driver.reserve(&key("ns/a"), &needs()).unwrap();
    assert!(stem.is_none());
    lease.started();
    let (warm, _) = bench.warm();
    lease.initialised(&warm);
    lease.keep(warm);
    assert!(matches!(
        bench.driver.request(key("ns/a"), needs),
        Ok(Wait::Granted(Grant::Warm(..)))
    ));
}

#[test]
fn what_is_learnt_is_told_once() {
    let (bench, _) = with_memory(500, Settings::default());
    let learnt = || bench.run(poll_once(Box::pin(bench.driver.has_learnt())));
    assert!(learnt().is_none());
    let mut waiting = Box::pin(bench.driver.has_learnt());
    assert!(bench.run(poll_once(waiting.as_mut())).is_none());
    bench.cold("ns/a").keep(bench.warm().0);
    bench.run(waiting);
    let records = |warmth: &mut crate::pool::warmth::Warmth, now| warmth.records(now, 1).len();
    assert_eq!(bench.driver.with_warmth(records), 1);
    assert!(learnt().is_none());
    let warm = bench.driver.request(key("ns/a"), needs);
    assert!(matches!(warm, Ok(Wait::Granted(Grant::Warm(..)))));
    assert!(learnt().is_some());
}
