//! What was set for a namespace, where it takes effect at a run: blocks, limits, and records that
//! are not kept.

use super::*;
use crate::entity::NamespaceLimits;

impl Bench {
    fn limit(&self, limits: &NamespaceLimits) {
        self.run(self.store.set_limits("guest", limits)).unwrap();
    }

    /// Waits until everything that was let in has ended, records included.
    fn settle(&self) {
        self.run(self.invoker.drain(Duration::from_secs(10)));
        assert!(self.store.pending().unwrap().is_empty());
    }

    fn records(&self) -> usize {
        let filter = ActivationFilter::default();
        let rows = self.store.activations("guest", &filter, 0, 10, false);
        rows.unwrap().len()
    }

    fn started(&self) -> usize {
        self.engine.started.load(Ordering::SeqCst)
    }
}

#[test]
fn records_that_are_not_to_be_kept() {
    let bench = Bench::new(|_| (200, "{}".into(), Duration::from_millis(100)));
    bench.code("a");
    bench.limit(&NamespaceLimits {
        store_activations: Some(false),
        ..NamespaceLimits::default()
    });
    let blocking = bench.finished(bench.call("a", Some(Duration::from_secs(9))));
    assert_eq!(blocking.response.status, Status::Success);
    for wait in [None, Some(Duration::from_millis(10))] {
        let outcome = bench.run(bench.invoker.invoke(bench.call("a", wait)));
        assert!(matches!(outcome, Ok(Outcome::Accepted(_))));
    }
    bench.settle();
    assert_eq!((bench.started(), bench.records()), (2, 0));
}

#[test]
fn a_namespace_that_is_blocked_meanwhile() {
    let bench = Bench::new(echo);
    bench.code("a");
    let call = bench.call("a", None);
    bench.run(bench.store.block_key("guest", true)).unwrap();
    let accepted = bench.run(bench.invoker.invoke(call));
    assert!(matches!(accepted, Ok(Outcome::Accepted(_))));
    bench.settle();
    assert_eq!((bench.started(), bench.records()), (0, 0));
}

#[test]
fn a_restart_does_not_run_what_a_blocked_namespace_has_left() {
    let bench = Bench::new(echo);
    bench.code("a");
    let document = pending::invocation(&bench.call("a", None), None);
    bench
        .run(bench.store.accept(ActivationId::random(), document))
        .unwrap();
    bench.run(bench.store.block_key("guest", true)).unwrap();
    bench.run(bench.invoker.recover()).unwrap();
    bench.settle();
    assert_eq!((bench.started(), bench.records()), (0, 0));
}

#[test]
fn limits_that_were_lowered_since() {
    let bench = Bench::new(echo);
    bench.code("a");
    let accepted = bench.call("a", None);
    bench.limit(&NamespaceLimits {
        max_action_memory: Some(128),
        ..NamespaceLimits::default()
    });
    let text = "memory size 256 MB exceeds allowed threshold of 128 MB";
    // Whoever calls now, and who was let in before.
    let now = bench.finished(bench.call("a", Some(Duration::from_secs(9))));
    assert_eq!(now.response.status, Status::ApplicationError);
    let result = now.response.result.as_deref().map(RawValue::get);
    assert_eq!(result, Some(&*format!("{{\"error\":\"{text}\"}}")));
    let Ok(Outcome::Accepted(id)) = bench.run(bench.invoker.invoke(accepted)) else {
        panic!("it should be accepted");
    };
    let record = bench.record(id);
    assert_eq!(record["response"]["result"]["error"], text);
    assert_eq!(record["duration"], 0);
    bench.settle();
    assert_eq!((bench.started(), bench.records()), (0, 2));
}

#[test]
fn results_are_bounded_by_the_namespace() {
    let bench = Bench::new(|_| (200, format!("\"{}\"", "x".repeat(99)), Duration::ZERO));
    bench.code("a");
    bench.limit(&NamespaceLimits {
        max_payload_size: Some(50),
        truncation_size: Some(4),
        ..NamespaceLimits::default()
    });
    let activation = bench.finished(bench.call("a", Some(Duration::from_secs(9))));
    assert_eq!(activation.response.status, Status::ApplicationError);
    let result = activation.response.result.as_deref().unwrap().get();
    assert!(
        result.contains("length: 101 > 50 bytes. The truncated response was: \\\"xxx\"}"),
        "{result}"
    );
}
