//! Sequences and compositions that nobody waits for, that are stopped, and that are cut off.

use serde_json::{Value, json};

use super::play::{annotation, named, names, package, parameters, play};
use super::*;

#[test]
fn a_component_without_a_result_goes_on_alone() {
    let bench = Bench::with(play, |settings| settings.component_grace = Duration::ZERO);
    let mut quick = named("increment");
    quick.limits.timeout = 100;
    bench.put(quick);
    bench.slow();
    bench.sequence("s", &["guest/increment", "guest/increment"]);
    // The only two places are taken for longer than the component may take.
    bench.run(async {
        for _ in 0..2 {
            let call = bench.call_of("slow", &json!({"sleep": 2000}), None);
            bench.invoker.invoke(call).await.unwrap();
        }
        while bench.engine.started.load(Ordering::SeqCst) < 2 {
            Timer::after(Duration::from_millis(5)).await;
        }
    });
    let record = bench.record_of("s", &json!({"n": 0}));
    let child = record["logs"][0].as_str().unwrap();
    assert_eq!(record["response"]["status"], "whisk internal error");
    assert_eq!(
        record["response"]["result"]["error"],
        format!("Timeout reached when retrieving activation {child} for sequence component.")
    );
    assert_eq!(annotation(&record, "limits"), &Value::Null);
    // Nobody waits for the child any more, but it is not lost.
    let pending = bench.store.pending().unwrap();
    let child: ActivationId = child.parse().unwrap();
    assert!(pending.iter().any(|(id, ..)| *id == child));
    let child = bench.record(child);
    assert_eq!(child["cause"], record["activationId"]);
    assert_eq!(child["response"]["result"]["n"], 1.0);
}

#[test]
fn only_what_runs_counts_as_in_flight() {
    let bench = Bench::new(play);
    bench.action("slow");
    bench.sequence("x", &["guest/slow"]);
    bench.sequence("s", &["guest/x"]);
    let call = bench.call_of("s", &json!({}), None);
    bench.run(async {
        bench.invoker.invoke(call).await.unwrap();
        while bench.invoker.in_flight("guest") != 1 {
            Timer::after(Duration::from_millis(5)).await;
        }
    });
    assert_eq!(bench.invoker.inner.flights.total(), 3);
    bench.run(bench.invoker.inner.flights.none());
    assert_eq!(bench.invoker.in_flight("guest"), 0);
}

#[test]
fn a_caller_who_stops_waiting_gets_the_id_of_the_sequence() {
    // 11.9-235
    let bench = Bench::new(play);
    bench.action("slow");
    bench.sequence("s", &["guest/slow", "guest/slow"]);
    let call = bench.call_of("s", &json!({"sleep": 500}), Some(Duration::from_millis(20)));
    let Ok(Outcome::Accepted(id)) = bench.run(bench.invoker.invoke(call)) else {
        panic!("it is not finished");
    };
    let pending = bench.store.pending().unwrap();
    assert_eq!(pending.len(), 1, "a component has no document of its own");
    assert_eq!(
        (pending[0].0, pending[0].1),
        (id, crate::store::Progress::Started)
    );
    let record = bench.record(id);
    assert_eq!(record["response"]["status"], "success");
    assert_eq!(record["logs"].as_array().unwrap().len(), 2);
}

#[test]
fn a_stop_lets_it_end() {
    let bench = Bench::new(play);
    bench.action("slow");
    bench.sequence("s", &["guest/slow", "guest/slow"]);
    let call = bench.call_of("s", &json!({"sleep": 100}), None);
    let Ok(Outcome::Accepted(id)) = bench.run(bench.invoker.invoke(call)) else {
        panic!("it does not block");
    };
    bench.run(bench.invoker.drain(Duration::from_secs(10)));
    let stored = bench.store.activation("guest", id).unwrap();
    let (head, tail) = stored.expect("its record is stored before the end");
    let record = crate::entity::record(&head, &tail).unwrap();
    let record: Value = serde_json::from_slice(&record).unwrap();
    assert_eq!(record["response"]["status"], "success", "{record}");
}

#[test]
fn a_restart_closes_what_ran_with_what_ran_in_it() {
    let bench = Bench::new(play);
    bench.action("increment");
    bench.slow();
    bench.sequence("x", &["guest/increment", "guest/slow"]);
    bench.sequence("s", &["guest/increment", "guest/x"]);
    let running = bench.call_of("s", &json!({"n": 0, "sleep": 30_000}), None);
    let waiting = bench.call_of("s", &json!({"n": 0}), None);
    let waited = ActivationId::random();
    let id = bench.run(async {
        let Ok(Outcome::Accepted(id)) = bench.invoker.invoke(running).await else {
            panic!("it does not block");
        };
        let document = pending::invocation(&waiting, None);
        bench.store.accept(waited, document).await.unwrap();
        bench.noted_alone("guest/slow", 4).await;
        id
    });
    drop(waiting);
    let bench = bench.restarted(play);
    let recovered = bench.run(bench.invoker.recover()).unwrap();
    // The sequence, the one in it, and what ran in that.
    assert_eq!(recovered, Recovered { run: 1, closed: 3 });
    let outer = bench.record(id);
    let children = bench.children(&outer);
    assert_eq!(names(&children), ["increment", "x"]);
    assert_eq!(children[0]["response"]["status"], "success");
    let innermost = bench.children(&children[1]);
    assert_eq!(names(&innermost), ["increment", "slow"]);
    assert_eq!(innermost[0]["response"]["status"], "success");
    for closed in [&outer, &children[1], &innermost[1]] {
        assert_eq!(closed["response"]["status"], "whisk internal error");
        let error = closed["response"]["result"]["error"].as_str().unwrap();
        assert!(
            error.contains("stopped while this activation was running"),
            "{error}"
        );
    }
    assert_eq!(annotation(&outer, "kind"), "sequence");
    assert_eq!(annotation(&outer, "topmost"), &json!(true));
    assert_eq!(children[1]["cause"], outer["activationId"]);
    assert_eq!(innermost[1]["cause"], children[1]["activationId"]);
    assert_eq!(outer["duration"], children[0]["duration"]);

    let again = bench.record(waited);
    assert_eq!(again["response"]["status"], "success", "{again}");
    assert_eq!(again["logs"].as_array().unwrap().len(), 2);
    assert!(bench.store.pending().unwrap().is_empty());
}

#[test]
fn an_action_that_was_changed_keeps_what_it_inherits() {
    let bench = Bench::new(play);
    let catalog = bench.invoker.inner.catalog.clone();
    bench
        .run(catalog.create(package("guest/p", None, &json!({"a": 1}))))
        .unwrap();
    let first = bench.action("guest/p/wrap");
    let call = bench.call_of("p/wrap", &json!({}), WAIT);
    let changed = Action {
        version: "0.0.2".into(),
        ..first
    };
    let code = crate::store::CodeChange::Set(b"newer".to_vec());
    bench.run(catalog.update_action(changed, code)).unwrap();
    let activation = bench.finished(call);
    let result = activation.response.result.as_ref().unwrap().get();
    assert_eq!(result, r#"{"wrapped":{"a":1}}"#);
}

#[test]
fn a_restart_closes_a_composition() {
    let bench = Bench::new(play);
    bench.put(Action {
        annotations: parameters(&json!({"conductor": true})),
        ..named("conductor")
    });
    bench.action("increment");
    bench.slow();
    let plan = json!([
        {"action": "increment", "params": {"n": 1}},
        {"action": "slow", "params": {"sleep": 30_000}},
    ]);
    let call = bench.call_of("conductor", &json!({"plan": plan}), None);
    let id = bench.run(async {
        let Ok(Outcome::Accepted(id)) = bench.invoker.invoke(call).await else {
            panic!("it does not block");
        };
        bench.noted_alone("guest/slow", 2).await;
        id
    });
    let bench = bench.restarted(play);
    let recovered = bench.run(bench.invoker.recover()).unwrap();
    assert_eq!(recovered, Recovered { run: 0, closed: 2 });
    let record = bench.record(id);
    assert_eq!(record["response"]["status"], "whisk internal error");
    assert_eq!(annotation(&record, "conductor"), &json!(true));
    let children = bench.children(&record);
    assert_eq!(
        names(&children),
        ["conductor", "increment", "conductor", "slow"]
    );
    assert_eq!(children[3]["response"]["status"], "whisk internal error");
    let limits = annotation(&record, "limits");
    assert_eq!(limits["memory"], 256);
}

#[test]
fn a_caller_who_goes_away_leaves_nothing_half_done() {
    let bench = Bench::new(play);
    bench.action("increment");
    let call = bench.call_of("increment", &json!({"n": 1}), None);
    let mut invoking = Box::pin(bench.invoker.invoke(call));
    let first = bench.run(smol::future::poll_once(&mut invoking));
    assert!(first.is_none(), "it waits for the disk");
    drop(invoking);
    let filter = crate::store::ActivationFilter::default();
    bench.run(async {
        for _ in 0..1000 {
            if bench.store.count_activations("guest", &filter).unwrap() == 1 {
                assert!(bench.store.pending().unwrap().is_empty());
                return;
            }
            Timer::after(Duration::from_millis(10)).await;
        }
        panic!("it would be run at the next start, whenever that is");
    });
}

#[test]
fn what_is_not_run_again_is_kept_without_its_payload() {
    let bench = Bench::new(play);
    bench.slow();
    let payload = json!({"sleep": 500, "__ow_headers": {"authorization": "Basic secret"}});
    let call = bench.call_of("slow", &payload, Some(Duration::from_millis(20)));
    let outcome = bench.run(bench.invoker.invoke(call)).unwrap();
    assert!(matches!(outcome, Outcome::Accepted(_)));
    let (_, progress, document) = bench.store.pending().unwrap().remove(0);
    assert_eq!(progress, crate::store::Progress::Started);
    let document = String::from_utf8(document).unwrap();
    assert!(
        document.contains("guest/slow") && !document.contains("secret"),
        "{document}"
    );
}

#[test]
fn a_restart_settles_what_it_can() {
    let bench = Bench::new(play);
    bench.action("increment");
    let call = bench.call_of("increment", &json!({"n": 1}), None);
    let (newer, unsettled, good) = (
        ActivationId::random(),
        ActivationId::random(),
        ActivationId::random(),
    );
    let document = String::from_utf8(pending::invocation(&call, None)).unwrap();
    let of_other = document.replace(r#""namespace":"guest""#, r#""namespace":"other""#);
    assert_ne!(document, of_other);
    bench.run(async {
        let store = &bench.store;
        let uuid = "00000000-0000-4000-8000-000000000000";
        let key = crate::entity::Secret::new("k".repeat(64));
        store.put_key("other", uuid, &key).await.unwrap();
        store.set_raw_limits("other", b"[").await.unwrap();
        let of_later = br#"{"of a later version":{}}"#.to_vec();
        store.accept(newer, of_later).await.unwrap();
        store.accept(unsettled, of_other.into()).await.unwrap();
        store.accept(good, document.into()).await.unwrap();
    });
    drop(call);
    let bench = bench.restarted(play);
    let recovered = bench.run(bench.invoker.recover()).unwrap();
    assert_eq!(recovered, Recovered { run: 1, closed: 0 });
    assert_eq!(bench.record(good)["response"]["status"], "success");
    // They are kept for a start that can make something of them.
    let left = bench.store.pending().unwrap();
    let mut left: Vec<ActivationId> = left.into_iter().map(|(id, ..)| id).collect();
    let mut expected = [newer, unsettled];
    left.sort_unstable();
    expected.sort_unstable();
    assert_eq!(left, expected);
}
