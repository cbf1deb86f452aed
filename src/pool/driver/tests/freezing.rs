//! Sandboxes are frozen while nobody uses them, and thawed before anybody does.

use smol::Timer;

use super::*;

const GRACE: Duration = Duration::from_millis(5);

impl Bench {
    /// Puts a sandbox of an action into the pool, and waits until something becomes of it.
    fn rests(&self, action: &str, counted: Counted) -> Arc<Counted> {
        let (warm, sandbox) = self.warm_of(counted);
        self.cold(action).keep(warm);
        self.run(async {
            // It is idle, then nobody's while it is frozen, then one or the other.
            while !(sandbox.frozen.load(Ordering::Relaxed) || sandbox.unfreezable) {
                Timer::after(GRACE).await;
            }
            Timer::after(GRACE * 10).await;
        });
        sandbox
    }
}

#[test]
fn a_frozen_sandbox_is_thawed_for_its_run() {
    let bench = Bench::with(1, Some(GRACE));
    let sandbox = bench.rests("ns/a", Counted::default());
    assert_eq!(bench.driver.statistics().counts.frozen, 1);
    let Ok(Wait::Granted(Grant::Frozen(lease, warm))) = bench.driver.request(key("ns/a"), needs)
    else {
        panic!("a frozen sandbox was due")
    };
    let (lease, warm) = bench.run(lease.thaw(warm)).expect("it can be thawed");
    assert!(!sandbox.frozen.load(Ordering::Relaxed));
    lease.keep(warm);
    assert_eq!(bench.removed(), 0);
}

#[test]
fn one_that_nobody_wants_after_all_is_not_left_frozen() {
    let bench = Bench::with(1, Some(GRACE));
    let sandbox = bench.rests("ns/a", Counted::default());
    match bench.driver.request(key("ns/a"), needs) {
        Ok(Wait::Granted(grant @ Grant::Frozen(..))) => grant.give_back(),
        _ => panic!("a frozen sandbox was due"),
    }
    bench.run(async {
        while bench.driver.statistics().counts.idle == 0 {
            Timer::after(GRACE).await;
        }
    });
    assert_eq!(
        (bench.removed(), bench.driver.statistics().counts.busy),
        (0, 0)
    );
    drop(sandbox);
}

#[test]
fn one_that_cannot_be_frozen_stays() {
    let bench = Bench::with(1, Some(GRACE));
    bench.rests(
        "ns/a",
        Counted {
            unfreezable: true,
            ..Counted::default()
        },
    );
    assert!(matches!(
        bench.driver.request(key("ns/a"), needs),
        Ok(Wait::Granted(Grant::Warm(..)))
    ));
    assert_eq!(bench.removed(), 0);
}

#[test]
fn one_that_cannot_be_thawed_goes() {
    let bench = Bench::with(1, Some(GRACE));
    bench.rests(
        "ns/a",
        Counted {
            unthawable: true,
            ..Counted::default()
        },
    );
    let Ok(Wait::Granted(Grant::Frozen(lease, warm))) = bench.driver.request(key("ns/a"), needs)
    else {
        panic!("a frozen sandbox was due")
    };
    assert!(bench.run(lease.thaw(warm)).is_none());
    let queued = bench.queued("ns/a");
    let grant = bench.run(queued.granted(LONG));
    assert!(matches!(grant, Some(Grant::Cold(_))));
    assert_eq!(bench.removed(), 1);
}
