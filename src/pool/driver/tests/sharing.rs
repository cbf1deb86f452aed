//! Sandboxes that several runs share.

use smol::Timer;

use super::*;

fn several() -> Needs {
    needs().with_concurrency(2)
}

impl Bench {
    /// A run that goes to a sandbox which is there.
    fn joined(&self) -> (Lease, Warm) {
        match self.driver.request(key("ns/a"), several) {
            Ok(Wait::Granted(Grant::Warm(lease, warm))) => (lease, warm),
            _ => panic!("there is a sandbox with room"),
        }
    }

    /// Two runs in one sandbox.
    fn pair(&self) -> [(Lease, Warm); 2] {
        let Ok(Wait::Granted(Grant::Cold(lease))) = self.driver.request(key("ns/a"), several)
        else {
            panic!("a place was due")
        };
        lease.started();
        let (warm, _) = self.warm();
        assert_eq!(self.driver.crews(), 0);
        lease.initialised(&warm);
        [(lease, warm), self.joined()]
    }
}

#[test]
fn two_runs_have_the_same_sandbox_and_it_is_idle_when_both_are_over() {
    let bench = Bench::new(1);
    let [first, second] = bench.pair();
    assert!(Arc::ptr_eq(&first.1.sandbox, &second.1.sandbox));
    let queued = match bench.driver.request(key("ns/a"), several) {
        Ok(Wait::Queued(queued)) => queued,
        _ => panic!("there is room for two"),
    };
    first.0.keep(first.1);
    let Some(Grant::Warm(lease, warm)) = bench.run(queued.granted(LONG)) else {
        panic!("one is over")
    };
    lease.keep(warm);
    assert_eq!(bench.driver.statistics().counts.busy, 1);
    second.0.keep(second.1);
    assert_eq!(bench.driver.statistics().counts.idle, 1);
    // It is shared again when it is used again.
    let again = [bench.joined(), bench.joined()];
    assert!(Arc::ptr_eq(&again[0].1.sandbox, &again[1].1.sandbox));
    assert_eq!(bench.removed(), 0);
}

#[test]
fn one_that_fails_is_removed_once_when_the_others_are_over() {
    for first_fails in [true, false] {
        let bench = Bench::new(1);
        let [first, second] = bench.pair();
        match first_fails {
            true => first.0.discard(Some(first.1)),
            false => drop(first),
        }
        let queued = bench.queued("ns/b");
        assert_eq!((bench.removed(), bench.driver.crews()), (0, 1));
        second.0.keep(second.1);
        let grant = bench.run(queued.granted(LONG));
        assert!(matches!(grant, Some(Grant::Cold(_))));
        assert_eq!((bench.removed(), bench.driver.crews()), (1, 0));
    }
}

#[test]
fn frozen_ones_take_a_second_run_when_they_are_thawed() {
    let bench = Bench::with(1, Some(Duration::from_millis(1)));
    let [first, second] = bench.pair();
    first.0.keep(first.1);
    second.0.keep(second.1);
    bench.run(async {
        while bench.driver.statistics().counts.frozen == 0 {
            Timer::after(Duration::from_millis(1)).await;
        }
    });
    let Ok(Wait::Granted(Grant::Frozen(lease, warm))) = bench.driver.request(key("ns/a"), several)
    else {
        panic!("it is frozen")
    };
    let queued = match bench.driver.request(key("ns/a"), several) {
        Ok(Wait::Queued(queued)) => queued,
        _ => panic!("it is not awake"),
    };
    let (lease, warm) = bench.run(lease.thaw(warm)).expect("it can be thawed");
    let Some(Grant::Warm(other, _)) = bench.run(queued.granted(LONG)) else {
        panic!("it is awake")
    };
    drop(other);
    lease.keep(warm);
}
