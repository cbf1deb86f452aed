//! The driver with sandboxes that only count.

mod watch;

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use super::super::Class;
use super::*;
use crate::BoxFuture;
use crate::engine::logs::LogSink;
use crate::engine::proxy::Proxy;
use crate::engine::{FreezeError, Sandbox};
use crate::http::client::Wire;

/// A sandbox that knows whether it was removed, frozen and thawed.
#[derive(Default)]
struct Counted {
    logs: LogSink,
    exited: AtomicBool,
    removed: Arc<AtomicUsize>,
    frozen: AtomicBool,
    /// Whether it can be frozen, and thawed.
    unfreezable: bool,
    unthawable: bool,
    /// Whether it goes on without this process.
    outlives: bool,
}

fn failed() -> FreezeError {
    FreezeError::Failed {
        sandbox: "counted".into(),
        reason: "no".into(),
    }
}

impl Sandbox for Counted {
    fn id(&self) -> &str {
        "counted"
    }

    fn connect(&self) -> BoxFuture<'_, io::Result<Box<dyn Wire>>> {
        Box::pin(async { Err(io::ErrorKind::ConnectionRefused.into()) })
    }

    fn logs(&self) -> &LogSink {
        &self.logs
    }

    fn has_exited(&self) -> bool {
        self.exited.load(Ordering::Relaxed)
    }

    fn killed_for_memory(&self) -> BoxFuture<'_, bool> {
        Box::pin(async { false })
    }

    fn freeze(&self) -> BoxFuture<'_, Result<(), FreezeError>> {
        Box::pin(async {
            if self.unfreezable {
                return Err(failed());
            }
            self.frozen.store(true, Ordering::Relaxed);
            Ok(())
        })
    }

    fn thaw(&self) -> BoxFuture<'_, Result<(), FreezeError>> {
        Box::pin(async {
            if self.unthawable {
                return Err(failed());
            }
            self.frozen.store(false, Ordering::Relaxed);
            Ok(())
        })
    }

    fn outlives(&self) -> bool {
        self.outlives
    }

    fn remove(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            self.removed.fetch_add(1, Ordering::Relaxed);
        })
    }
}

struct Bench {
    executor: Executor,
    driver: Driver,
    removed: Arc<AtomicUsize>,
}

impl Bench {
    fn new(capacity: usize) -> Self {
        Self::with(capacity, None)
    }

    fn with(capacity: usize, freeze_after: Option<Duration>) -> Self {
        let executor: Executor = Arc::new(smol::Executor::new());
        let driver = Driver::new(
            executor.clone(),
            Settings {
                capacity,
                queue_length: 10,
                freeze_after,
                ..Settings::default()
            },
        );
        Bench {
            executor,
            driver,
            removed: Arc::default(),
        }
    }

    fn run<T>(&self, future: impl Future<Output = T>) -> T {
        smol::block_on(self.executor.run(future))
    }

    fn warm(&self) -> (Warm, Arc<Counted>) {
        self.warm_of(Counted::default())
    }

    fn warm_of(&self, counted: Counted) -> (Warm, Arc<Counted>) {
        let sandbox = Arc::new(Counted {
            removed: self.removed.clone(),
            ..counted
        });
        let proxy = Proxy::new(self.executor.clone(), sandbox.clone());
        let warm = Warm::new(sandbox.clone(), proxy);
        (warm, sandbox)
    }

    fn cold(&self, action: &str) -> Lease {
        match self.driver.request(key(action), needs) {
            Ok(Wait::Granted(Grant::Cold(lease))) => lease,
            _ => panic!("a place for {action} was due"),
        }
    }

    fn queued(&self, action: &str) -> Queued {
        match self.driver.request(key(action), needs) {
            Ok(Wait::Queued(queued)) => queued,
            _ => panic!("{action} had to wait"),
        }
    }

    fn adopt(&self, action: &str, warm: Warm) -> Result<(), Warm> {
        let (_, held) = Hold::new();
        self.driver.adopt(key(action), &needs(), warm, held)
    }

    fn removed(&self) -> usize {
        self.removed.load(Ordering::Relaxed)
    }
}

fn key(action: &str) -> Key {
    Key::new("guest", action, "0.0.1", 1)
}

fn needs() -> Needs {
    Needs::new(Class {
        engine: "process",
        kind: "quickjs:1".into(),
        image: None,
        memory: 256,
    })
}

const LONG: Duration = Duration::from_secs(20);

#[test]
fn a_kept_sandbox_is_handed_out_again() {
    let bench = Bench::new(1);
    let lease = bench.cold("ns/a");
    assert_eq!(bench.driver.statistics().counts.starting, 1);
    lease.started();
    assert_eq!(bench.driver.statistics().counts.starting, 0);
    lease.keep(bench.warm().0);
    assert!(matches!(
        bench.driver.request(key("ns/a"), needs),
        Ok(Wait::Granted(Grant::Warm(..)))
    ));
    let statistics = bench.driver.statistics();
    assert_eq!((statistics.tally.hits, statistics.tally.colds), (1, 1));
}

#[test]
fn one_that_died_while_idle_is_replaced() {
    let bench = Bench::new(1);
    let (warm, sandbox) = bench.warm();
    bench.cold("ns/a").keep(warm);
    sandbox.exited.store(true, Ordering::Relaxed);
    let queued = bench.queued("ns/a");
    let grant = bench.run(queued.granted(LONG));
    assert!(matches!(grant, Some(Grant::Cold(_))));
    assert_eq!(bench.removed(), 1);
}

#[test]
fn a_place_that_is_given_up_goes_to_the_next() {
    let bench = Bench::new(1);
    let lease = bench.cold("ns/a");
    let queued = bench.queued("ns/b");
    drop(lease);
    assert_eq!(
        bench.driver.statistics().counts.starting,
        1,
        "the next one's"
    );
    assert!(matches!(
        bench.run(queued.granted(LONG)),
        Some(Grant::Cold(_))
    ));
}

#[test]
fn eviction_removes_before_it_starts() {
    let bench = Bench::new(1);
    bench.cold("ns/a").keep(bench.warm().0);
    let queued = bench.queued("ns/b");
    assert_eq!(bench.removed(), 0);
    let grant = bench.run(queued.granted(LONG));
    assert!(matches!(grant, Some(Grant::Cold(_))));
    assert_eq!(bench.removed(), 1);
    let statistics = bench.driver.statistics();
    assert_eq!((statistics.removed, statistics.capacity), (1, 1));
}

#[test]
fn waiting_has_an_end_and_a_withdrawn_request_costs_nothing() {
    let bench = Bench::new(1);
    let lease = bench.cold("ns/a");
    let late = bench.queued("ns/a");
    assert!(bench.run(late.granted(Duration::from_millis(1))).is_none());
    let withdrawn = bench.queued("ns/a");
    let (warm, _) = bench.warm();
    lease.keep(warm);
    // The grant was already on its way: the sandbox goes back to the pool.
    drop(withdrawn);
    assert!(matches!(
        bench.driver.request(key("ns/a"), needs),
        Ok(Wait::Granted(Grant::Warm(..)))
    ));
    assert_eq!(bench.removed(), 0);
}

#[test]
fn stopping_removes_everything_and_tells_who_waits() {
    let bench = Bench::new(2);
    let (first, second) = (bench.cold("ns/a"), bench.cold("ns/b"));
    let waits = bench.queued("ns/c");
    let mut stop = Box::pin(bench.driver.stop());
    assert!(
        bench.run(smol::future::poll_once(&mut stop)).is_none(),
        "two are busy"
    );
    assert!(bench.run(waits.granted(LONG)).is_none());
    first.keep(bench.warm().0);
    second.keep(bench.warm().0);
    bench.run(stop);
    assert_eq!(bench.removed(), 2);
    assert!(matches!(
        bench.driver.request(key("ns/a"), needs),
        Err(Refusal::Stopping)
    ));
}

mod events;
mod freezing;
mod places;
mod sharing;
