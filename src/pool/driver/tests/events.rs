//! What engines tell, stem cells, and sandboxes of an earlier process.

use std::sync::Mutex;

use smol::Timer;

use super::*;
use crate::engine::{Event, StartError};

const SHORT: Duration = Duration::from_millis(5);

impl Bench {
    /// Keeps a stem cell ready that `grow` makes; none: it cannot.
    fn stem(&self, grow: impl Fn() -> Option<Warm> + Send + Sync + 'static) {
        let nursery: Nursery = Arc::new(move |_, _| {
            let grown = grow();
            Box::pin(async move { grown.ok_or(StartError::Missing("no image".into())) })
        });
        let class = Class::clone(&needs().class);
        self.driver.set_stems(nursery, vec![(class, 1)]);
    }

    fn until(&self, what: impl Fn(&Statistics) -> bool) {
        self.run(async {
            while !what(&self.driver.statistics()) {
                Timer::after(SHORT).await;
            }
        });
    }
}

#[test]
fn one_that_ends_while_idle_goes_at_once() {
    let bench = Bench::new(2);
    let (warm, sandbox) = bench.warm();
    bench.cold("ns/a").keep(warm);
    sandbox.exited.store(true, Ordering::Relaxed);
    bench.driver.inner.heard(
        "process",
        Event::Ended {
            id: "counted".into(),
            out_of_memory: false,
        },
    );
    bench.until(|statistics| statistics.removed == 1);
    assert_eq!(bench.removed(), 1);
}

#[test]
fn one_that_has_ended_is_not_taken_back() {
    let bench = Bench::new(2);
    let (warm, sandbox) = bench.warm();
    let lease = bench.cold("ns/a");
    sandbox.exited.store(true, Ordering::Relaxed);
    lease.keep(warm);
    assert_eq!(bench.driver.statistics().counts.idle, 0);
    bench.until(|statistics| statistics.removed == 1);
}

#[test]
fn requests_wait_until_their_engine_is_back() {
    let bench = Bench::new(2);
    bench.driver.inner.heard("process", Event::Down);
    let late = bench.queued("ns/a");
    assert!(bench.run(late.granted(SHORT)).is_none());
    let queued = bench.queued("ns/a");
    bench.driver.inner.heard("process", Event::Up);
    let grant = bench.run(queued.granted(LONG));
    assert!(matches!(grant, Some(Grant::Cold(_))));
}

#[test]
fn a_stem_cell_is_given_to_who_comes_first() {
    let bench = Bench::new(1);
    let stem = Mutex::new(Some(bench.warm().0));
    bench.stem(move || stem.lock().unwrap().take());
    bench.until(|statistics| statistics.counts.stems == 1);
    bench.run(async {
        Timer::after(SHORT).await;
    });
    let Ok(Wait::Granted(Grant::Stem(lease, warm))) = bench.driver.request(key("ns/a"), needs)
    else {
        panic!("a stem cell was due")
    };
    lease.keep(warm);
    assert!(matches!(
        bench.driver.request(key("ns/a"), needs),
        Ok(Wait::Granted(Grant::Warm(..)))
    ));
    assert_eq!(bench.driver.statistics().tally.stems, 1);
}

#[test]
fn stem_cells_that_cannot_be_started_are_not_tried_all_the_time() {
    let bench = Bench::new(1);
    let tries = Arc::new(AtomicUsize::new(0));
    let counted = tries.clone();
    bench.stem(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        None
    });
    bench.until(|statistics| statistics.tally.stems_failed > 0);
    bench.run(async {
        Timer::after(SHORT * 20).await;
    });
    assert_eq!(tries.load(Ordering::Relaxed), 1);
    // And nobody has to wait for them.
    bench.cold("ns/a");
}

#[test]
fn sandboxes_of_an_earlier_process_are_taken_in() {
    let bench = Bench::new(1);
    let (warm, _) = bench.warm();
    assert!(bench.adopt("ns/a", warm).is_ok());
    let (warm, _) = bench.warm();
    assert!(bench.adopt("ns/b", warm).is_err());
    assert!(matches!(
        bench.driver.request(key("ns/a"), needs),
        Ok(Wait::Granted(Grant::Warm(..)))
    ));
}
