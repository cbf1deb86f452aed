//! Invocations against sandboxes that play a script.

mod answers;
mod bench;
mod builtins;
mod bursts;
mod compositions;
mod lifetimes;
mod memory;
mod namespaces;
mod play;
mod prepared;
mod rules;
mod sequences;
mod taken_over;
mod tiers;

use bench::*;
use serde_json::value::RawValue;

use super::*;
use crate::entity::{Action, Activation, Exec, Parameters, Status};
use crate::store::ActivationFilter;

// 11.7-166, 11.7-190
#[test]
fn cold_then_warm() {
    let bench = Bench::new(echo);
    bench.code("a");
    let first = bench.finished(bench.call("a", WAIT));
    assert_eq!(first.response.status, Status::Success);
    assert_eq!(
        first.response.result.as_ref().unwrap().get(),
        r#"{"n":1.5}"#
    );
    let second = bench.finished(bench.call("a", WAIT));
    assert_eq!(bench.engine.started.load(Ordering::SeqCst), 1);

    let names = |activation: &Activation| -> Vec<&str> {
        activation
            .annotations
            .iter()
            .map(|(name, _)| *name)
            .collect()
    };
    assert_eq!(
        names(&first),
        ["path", "kind", "limits", "timeout", "waitTime", "initTime"]
    );
    assert_eq!(
        names(&second),
        ["path", "kind", "limits", "timeout", "waitTime"]
    );
    let record = bench.record(second.id);
    assert_eq!(record["logs"].as_array().unwrap().len(), 1, "{record}");
    assert_eq!(record["response"]["success"], true);
    assert_eq!(bench.invoker.in_flight("guest"), 0);
}

#[test]
fn logs_that_are_late_do_not_keep_the_sandbox_from_the_next_call() {
    let bench = Bench::new(echo);
    bench.code("a");
    let mut ids = Vec::new();
    for _ in 0..3 {
        let mut call = bench.call("a", WAIT);
        call.transaction_id = "tid-late".into();
        ids.push(bench.finished(call).id);
        assert_eq!(bench.invoker.in_flight("guest"), 0);
    }
    assert_eq!(bench.engine.started.load(Ordering::SeqCst), 1);
    for id in ids {
        let record = bench.record(id);
        assert_eq!(record["logs"].as_array().unwrap().len(), 1, "{record}");
    }
}

// 11.7-164
#[test]
fn a_non_blocking_call_is_durable_before_it_is_accepted() {
    let bench = Bench::new(|_| (200, "{}".into(), Duration::from_millis(200)));
    bench.code("a");
    let call = bench.call("a", None);
    let id = match bench.run(bench.invoker.invoke(call)) {
        Ok(Outcome::Accepted(id)) => id,
        _ => panic!("it should be accepted"),
    };
    let pending = bench.store.pending().unwrap();
    assert_eq!(pending.len(), 1);
    assert_eq!(pending[0].0, id);
    assert_eq!(bench.invoker.in_flight("guest"), 1);
    assert_eq!(bench.record(id)["response"]["status"], "success");
    assert!(bench.store.pending().unwrap().is_empty());
}

// 11.7-172, 11.7-173
#[test]
fn a_caller_who_stops_waiting_gets_an_id_that_is_kept() {
    let bench = Bench::new(|_| (200, "{}".into(), Duration::from_millis(300)));
    bench.code("a");
    let call = bench.call("a", Some(Duration::from_millis(20)));
    let id = match bench.run(bench.invoker.invoke(call)) {
        Ok(Outcome::Accepted(id)) => id,
        _ => panic!("it is not finished"),
    };
    let pending = bench.store.pending().unwrap();
    assert_eq!(pending[0].1, crate::store::Progress::Started);
    assert_eq!(bench.record(id)["response"]["status"], "success");
    assert!(bench.store.pending().unwrap().is_empty());
}

// 11.7-185, 11.12-307
#[test]
fn a_failed_sandbox_is_removed_and_the_next_call_works() {
    let bench = Bench::new(|body| {
        let slow = body.contains("tid-slow");
        (
            200,
            "{}".into(),
            Duration::from_millis(if slow { 1500 } else { 0 }),
        )
    });
    bench.code("a");
    let mut call = bench.call("a", WAIT);
    call.transaction_id = "tid-slow".into();
    let late = bench.finished(call);
    assert_eq!(late.response.status, Status::DeveloperError);
    assert_eq!(
        late.response.result.as_ref().unwrap().get(),
        r#"{"error":"The action exceeded its time limits of 1000 milliseconds."}"#
    );
    let logs = bench.record(late.id)["logs"].clone();
    assert!(
        logs.as_array().unwrap().last().unwrap().as_str().unwrap().ends_with(
            "stderr: The action did not initialize or run as expected. Log data might be missing."
        ),
        "{logs}"
    );
    assert_eq!(
        bench.finished(bench.call("a", WAIT)).response.status,
        Status::Success
    );
    assert_eq!(bench.engine.removed.load(Ordering::SeqCst), 1);
}

#[test]
fn calls_are_refused_while_the_disk_does_not_keep_up() {
    let bench = Bench::new(echo);
    bench.code("a");
    let unstored = &bench.invoker.inner.unstored;
    unstored.store(MOST_UNSTORED + 1, Ordering::Relaxed);
    assert!(matches!(
        bench.run(bench.invoker.invoke(bench.call("a", WAIT))),
        Err(InvokeError::Unavailable(_))
    ));
    unstored.store(0, Ordering::Relaxed);
    let id = bench.finished(bench.call("a", WAIT)).id;
    bench.record(id);
    bench.run(bench.invoker.inner.flights.none());
    assert_eq!(unstored.load(Ordering::Relaxed), 0);
}

#[test]
fn what_cannot_be_started_is_told_in_the_record() {
    let bench = Bench::new(echo);
    bench.code("unstartable");
    let failed = bench.finished(bench.call("unstartable", WAIT));
    assert_eq!(failed.response.status, Status::InternalError);
    assert_eq!(
        failed.response.result.as_ref().unwrap().get(),
        r#"{"error":"Failed to provision resources to run the action."}"#
    );
    // The place is free again, and code that is gone is told apart.
    let gone = bench.finished(bench.call("gone", WAIT));
    assert_eq!(gone.response.status, Status::ApplicationError);
    assert!(
        gone.response
            .result
            .as_ref()
            .unwrap()
            .get()
            .contains("could not be found"),
    );
    bench.run(bench.invoker.drain(Duration::from_secs(5)));
    assert!(matches!(
        bench.run(bench.invoker.invoke(bench.call("a", WAIT))),
        Err(InvokeError::Unavailable(_))
    ));
}

#[test]
fn a_restart_runs_more_than_may_wait() {
    let bench = Bench::in_folder(tempfile::tempdir().unwrap(), echo, 1);
    bench.code("a");
    let call = bench.call("a", None);
    let ids: Vec<ActivationId> = (0..30).map(|_| ActivationId::random()).collect();
    bench.run(async {
        for id in &ids {
            let document = pending::invocation(&call, None);
            bench.store.accept(*id, document).await.unwrap();
        }
    });
    let recovered = bench.run(bench.invoker.recover()).unwrap();
    assert_eq!(recovered, Recovered { run: 30, closed: 0 });
    for id in ids {
        assert_eq!(bench.record(id)["response"]["status"], "success");
    }
}

#[test]
fn a_restart_closes_many_in_few_commits() {
    let bench = Bench::new(echo);
    bench.code("a");
    let call = bench.call("a", None);
    let ids: Vec<ActivationId> = (0..100).map(|_| ActivationId::random()).collect();
    bench.run(async {
        for id in &ids {
            let document = pending::invocation(&call, None);
            bench.store.accept(*id, document).await.unwrap();
            bench.store.mark_started(*id).await.unwrap();
        }
    });
    let before = bench.store.figures().unwrap().commits;
    let recovered = bench.run(bench.invoker.recover()).unwrap();
    assert_eq!(
        recovered,
        Recovered {
            run: 0,
            closed: 100
        }
    );
    let commits = bench.store.figures().unwrap().commits - before;
    assert!(commits < 20, "{commits} commits");
    for id in ids {
        assert_eq!(
            bench.record(id)["response"]["status"],
            "whisk internal error"
        );
    }
}

#[test]
fn a_restart_runs_what_waited_and_closes_what_ran() {
    let bench = Bench::new(echo);
    bench.code("a");
    let call = bench.call("a", None);
    let (waited, ran, orphan) = (
        ActivationId::random(),
        ActivationId::random(),
        ActivationId::random(),
    );
    bench.run(async {
        bench
            .store
            .accept(waited, pending::invocation(&call, None))
            .await
            .unwrap();
        bench
            .store
            .accept(ran, pending::invocation(&call, None))
            .await
            .unwrap();
        bench.store.mark_started(ran).await.unwrap();
        let gone = bench.call("gone", None);
        bench
            .store
            .accept(orphan, pending::invocation(&gone, None))
            .await
            .unwrap();
    });
    let bench = bench.restarted(echo);
    let recovered = bench.run(bench.invoker.recover()).unwrap();
    assert_eq!(recovered, Recovered { run: 1, closed: 2 });
    assert_eq!(bench.record(waited)["response"]["result"]["n"], 1.5);
    let closed = bench.record(ran);
    assert_eq!(closed["response"]["status"], "whisk internal error");
    assert_eq!(closed["name"], "a");
    let closed = bench.record(orphan);
    assert_eq!(closed["response"]["status"], "application error");
    assert!(bench.store.pending().unwrap().is_empty());
    let listed = bench
        .store
        .activations("guest", &ActivationFilter::default(), 0, 10, false)
        .unwrap();
    assert_eq!(listed.len(), 3);
}
