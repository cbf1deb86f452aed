//! Sandboxes that are started ahead of calls.

use serde_json::value::RawValue;

use super::bench::{Bench, action};
use super::*;
use crate::engine::logs::Stream;
use crate::entity::Parameters;

fn quick(_: &str) -> (u16, String, Duration) {
    (200, r#"{"ok":true}"#.into(), Duration::ZERO)
}

/// Announces a call of an action, and waits until nothing more comes of it.
fn announce(bench: &Bench, name: &str) {
    let whose = format!("guest/{name}\0guest");
    bench.invoker.inner.pool.with_warmth(|warmth, now| {
        warmth.expect(now, &whose, now + Duration::from_secs(3), 256);
    });
    let preparing = bench.invoker.clone().prepare_expected();
    let _preparing = bench.executor.spawn(preparing);
    bench.run(Timer::after(Duration::from_secs(2)));
}

#[test]
fn a_call_that_was_expected_starts_nothing() {
    let bench = Bench::new(quick);
    bench.code("a");
    announce(&bench, "a");
    assert_eq!(bench.engine.started.load(Ordering::SeqCst), 1);
    let revision = bench.store.entity("guest/a").unwrap().unwrap().revision;
    // What its initialisation has printed belongs to the first run.
    let sink = bench.engine.sinks.lock().unwrap()[0].clone();
    sink.push(
        Stream::Stdout,
        b"made ready\n",
        std::time::SystemTime::now(),
    );
    let mut call = bench.call("a", Some(Duration::from_secs(10)));
    call.action = Arc::new(Action {
        revision,
        ..action("a")
    });
    let activation = bench.finished(call);
    assert_eq!(bench.engine.started.load(Ordering::SeqCst), 1);
    let names: Vec<_> = activation
        .annotations
        .iter()
        .map(|(name, _)| *name)
        .collect();
    assert!(!names.contains(&"initTime"), "{names:?}");
    let record = bench.record(activation.id);
    let logs = record["logs"].to_string();
    assert!(logs.contains("stdout: made ready"), "{logs}");
}

#[test]
fn what_is_gone_or_needs_more_than_its_code_is_left_alone() {
    let bench = Bench::new(quick);
    announce(&bench, "none");
    let mut open = action("open");
    let parameters = r#"[{"key":"a","value":1,"init":true}]"#.to_string();
    let parameters = RawValue::from_string(parameters).unwrap();
    open.parameters = Parameters::parse(&parameters).unwrap();
    let write = crate::store::EntityWrite {
        path: "guest/open".into(),
        collection: crate::store::Collection::Actions,
        document: open.document(),
        code: crate::store::CodeChange::Set(b"code".to_vec()),
        updated: 1,
        expect: crate::store::Expect::Absent,
    };
    bench.run(bench.store.put_entity(write)).unwrap();
    announce(&bench, "open");
    assert_eq!(bench.engine.started.load(Ordering::SeqCst), 0);
}
