//! Places of which engines may still have something.

use super::*;
use crate::engine::Event;

const SHORT: Duration = Duration::from_millis(20);

impl Bench {
    /// Expects that a request still waits, though there was time for it to be served.
    fn still_waits(&self, queued: Queued) -> Queued {
        self.run(async {
            smol::Timer::after(SHORT).await;
        });
        match queued.now() {
            Wait::Queued(queued) => queued,
            Wait::Granted(_) => panic!("the place is not free"),
        }
    }

    fn expect_place(&self, queued: Queued) {
        let grant = self.run(queued.granted(LONG));
        assert!(matches!(grant, Some(Grant::Cold(_))));
    }
}

#[test]
fn a_start_that_came_to_nothing_frees_its_place_when_nothing_can_come_of_it() {
    let bench = Bench::new(1);
    let lease = bench.cold("ns/a");
    let hold = lease.hold();
    let queued = bench.queued("ns/b");
    drop(lease);
    let queued = bench.still_waits(queued);
    assert_eq!(bench.driver.statistics().counts.removing, 1);
    drop(hold);
    bench.expect_place(queued);
}

#[test]
fn a_sandbox_that_is_not_gone_keeps_its_place() {
    let bench = Bench::new(1);
    let lease = bench.cold("ns/a");
    let (first, second) = (lease.hold(), lease.hold());
    lease.keep(bench.warm().0);
    // It has to go, and its engine does not answer.
    let queued = bench.queued("ns/b");
    let queued = bench.still_waits(queued);
    assert_eq!(bench.removed(), 1);
    drop(first);
    let queued = bench.still_waits(queued);
    drop(second);
    bench.expect_place(queued);
}

#[test]
fn one_that_was_taken_in_keeps_its_place_until_it_is_gone() {
    let bench = Bench::new(1);
    let (hold, held) = Hold::new();
    let (warm, _) = bench.warm();
    let adopted = bench.driver.adopt(key("ns/a"), &needs(), warm, held);
    assert!(adopted.is_ok());
    let queued = bench.queued("ns/b");
    let queued = bench.still_waits(queued);
    drop(hold);
    bench.expect_place(queued);
}

#[test]
fn a_stem_cell_that_could_not_be_started_keeps_its_place_until_it_is_known_not_to_come() {
    let bench = Bench::new(1);
    let holds = Arc::new(Mutex::new(Vec::new()));
    let taken = holds.clone();
    let nursery: Nursery = Arc::new(move |_, hold| {
        taken.lock().unwrap().push(hold);
        Box::pin(async { Err(crate::engine::StartError::Unavailable("cut off".into())) })
    });
    let class = Class::clone(&needs().class);
    bench.driver.set_stems(nursery, vec![(class, 1)]);
    while bench.driver.statistics().tally.stems_failed == 0 {
        bench.run(async {
            smol::Timer::after(SHORT).await;
        });
    }
    let queued = bench.queued("ns/a");
    let queued = bench.still_waits(queued);
    holds.lock().unwrap().clear();
    bench.expect_place(queued);
}

#[test]
fn another_sandbox_is_started_in_a_place_when_that_is_empty() {
    let bench = Bench::new(1);
    let lease = bench.cold("ns/a");
    let hold = lease.hold();
    let mut emptied = Box::pin(lease.emptied());
    assert!(bench.run(smol::future::poll_once(&mut emptied)).is_none());
    drop(hold);
    bench.run(emptied);
}

#[test]
fn nothing_is_waited_for_when_the_pool_ends() {
    let bench = Bench::new(3);
    let (before, after) = (bench.cold("ns/a"), bench.cold("ns/b"));
    let _holds = [before.hold(), after.hold()];
    drop(before);
    let mut stop = Box::pin(bench.driver.stop());
    assert!(
        bench.run(smol::future::poll_once(&mut stop)).is_none(),
        "one is busy"
    );
    drop(after);
    bench.run(stop);
    assert_eq!(bench.driver.statistics().counts.removing, 0);
}

#[test]
fn what_is_left_to_the_next_process_is_not_waited_for() {
    let bench = Bench::new(1);
    let lease = bench.cold("ns/a");
    let _hold = lease.hold();
    let outlives = Counted {
        outlives: true,
        ..Counted::default()
    };
    lease.keep(bench.warm_of(outlives).0);
    assert_eq!(bench.run(bench.driver.give_way()), 1);
}

#[test]
fn calls_wait_while_it_is_looked_for_what_there_is() {
    let bench = Bench::new(1);
    let settling = bench.driver.settle("process");
    let queued = bench.queued("ns/a");
    let other = bench.queued("ns/b");
    assert!(bench.adopt("ns/a", bench.warm().0).is_ok());
    // An engine that goes and comes back meanwhile changes nothing.
    bench.driver.inner.heard("process", Event::Down);
    bench.driver.inner.heard("process", Event::Up);
    let queued = bench.still_waits(queued);
    assert_eq!(bench.driver.statistics().down, 0);
    drop(settling);
    let grant = bench.run(queued.granted(LONG));
    let Some(Grant::Warm(lease, warm)) = grant else {
        panic!("it is warm");
    };
    lease.keep(warm);
    bench.expect_place(other);
}
