//! What comes back of what a tier has taken: by its id, after a restart, large, or beyond limits.

use serde_json::json;

use super::bursts::{error, place};
use super::play::{named, play};
use super::tiers::*;
use super::*;

/// A tier that takes what it is asked without waiting, and has a record when it is told so.
fn takes(has_record: bool) -> impl Fn(&Seen) -> Reply {
    move |seen| match seen.method {
        hyper::Method::POST => Ok((202, json!({"activationId": THERE}))),
        _ if has_record => Ok((200, record(json!({"from": "there"}), &["its log"]))),
        _ => Ok((
            404,
            json!({"error": "The requested resource does not exist."}),
        )),
    }
}

#[test]
fn what_nobody_waits_for_is_found_by_its_id() {
    let cloud = Cloud::default().tier(takes(true));
    let bench = cloud.gateway(0, true);
    bench.action("a");
    let call = bench.call_of("a", &json!({"n": 1}), None);
    let Ok(Outcome::Accepted(id)) = bench.run(bench.invoker.invoke(call)) else {
        panic!("it is accepted");
    };
    let record = bench.record(id);
    assert_eq!(record["response"]["result"], json!({"from": "there"}));
    assert_eq!(record["logs"], json!(["its log"]));
    assert_eq!(place(&record)["activationId"], THERE);
    let [asked] = &cloud.invocations(0)[..] else {
        panic!("one invocation");
    };
    assert_eq!(asked.target, "/api/v1/namespaces/guest/actions/a");
}

/// What the store has of an activation: the tier that has it, and its id there.
fn sent(bench: &Bench, id: ActivationId) -> Option<Option<ActivationId>> {
    let document = bench.store.pending_document(id).unwrap()?;
    let text = String::from_utf8(document).unwrap();
    match pending::Document::read(&text).unwrap() {
        pending::Document::Invocation(found) => found.tier.map(|tier| {
            assert_eq!(tier.url.as_deref(), Some("http://tier0"));
            assert!(found.payload.is_none(), "it is not run again");
            tier.activation_id
        }),
        _ => panic!("{text}"),
    }
}

#[test]
fn a_restart_asks_the_tier_that_has_it() {
    let waits = Some(Duration::from_millis(20));
    for (wait, before) in [
        (None, takes(false)),
        // A caller who waits no longer is promised a result, too.
        (waits, takes(false)),
    ] {
        let cloud = Cloud::default().tier(before);
        let bench = cloud.gateway(0, true);
        bench.action("a");
        let call = bench.call_of("a", &json!({"n": 1}), wait);
        let Ok(Outcome::Accepted(id)) = bench.run(bench.invoker.invoke(call)) else {
            panic!("it is accepted");
        };
        bench.run(async {
            while sent(&bench, id) != Some(Some(THERE.parse().unwrap())) {
                Timer::after(Duration::from_millis(10)).await;
            }
        });
        assert_eq!(cloud.invocations(0).len(), 1);
        let cloud = Cloud::default().tier(takes(true));
        let bench = cloud.gateway_in(bench.cut_off(), 0, true, |_| {});
        let recovered = bench.run(bench.invoker.recover()).unwrap();
        assert_eq!(recovered, Recovered { run: 1, closed: 0 });
        let record = bench.record(id);
        assert_eq!(record["response"]["result"], json!({"from": "there"}));
        assert_eq!(record["logs"], json!(["its log"]));
        let expected =
            json!({"url": "http://tier0", "reason": "no-capacity", "activationId": THERE});
        assert_eq!(place(&record), &expected);
        assert!(cloud.invocations(0).is_empty(), "it is not run again");
        bench.run(bench.invoker.drain(Duration::from_secs(5)));
        assert!(bench.store.pending().unwrap().is_empty());
    }
}

#[test]
fn a_restart_says_what_is_not_known_of_a_tier() {
    let cut_off = |id: ActivationId, there: Option<&str>| {
        let bench = Cloud::default().tier(takes(false)).gateway(0, true);
        bench.action("a");
        let call = bench.call_of("a", &json!({"n": 1}), None);
        call.sent.to("http://tier0", "wait");
        if let Some(there) = there {
            call.sent.taken_as(there.parse().unwrap());
        }
        bench.run(async {
            let document = pending::running(&call, None);
            bench.store.accept(id, document).await.unwrap();
            bench.store.mark_started(id).await.unwrap();
        });
        bench.cut_off()
    };
    let id = ActivationId::random();
    // It may have come there, or not.
    let cloud = Cloud::default().tier(takes(true));
    let bench = cloud.gateway_in(cut_off(id, None), 0, true, |_| {});
    let recovered = bench.run(bench.invoker.recover()).unwrap();
    assert_eq!(recovered, Recovered { run: 0, closed: 1 });
    let record = bench.record(id);
    let (status, text) = error(&record);
    assert_eq!(status, "whisk internal error");
    assert_eq!(
        text,
        "This activation was sent to http://tier0, and whether it has run there is not known: the \
         gateway stopped before it had an answer. It was not repeated."
    );
    let expected = json!({"url": "http://tier0", "reason": "wait"});
    assert_eq!(place(&record), &expected);
    assert!(cloud.invocations(0).is_empty());

    // It is there, but nobody may be asked any more.
    let bench = Bench::in_folder(cut_off(id, Some(THERE)), play, 1);
    let recovered = bench.run(bench.invoker.recover()).unwrap();
    assert_eq!(recovered, Recovered { run: 0, closed: 1 });
    let record = bench.record(id);
    assert!(
        error(&record)
            .1
            .contains("no tier of this gateway any more")
    );
    assert_eq!(place(&record)["activationId"], THERE);
    assert!(bench.store.pending().unwrap().is_empty());
}

#[test]
fn results_of_tiers_are_as_large_as_those_from_here() {
    let cloud = Cloud::default().tier(|_| {
        let large = format!("{}é", "x".repeat(100));
        Ok((200, record(json!({ "p": large }), &["a line"])))
    });
    let folder = tempfile::tempdir().unwrap();
    let bench = cloud.gateway_in(folder, 0, true, |settings| settings.max_response = 107);
    bench.action("a");
    let record = bench.record_of("a", &json!({}));
    let (status, text) = error(&record);
    assert_eq!(status, "application error");
    let start = format!(r#"{{"p":"{}"#, "x".repeat(100));
    assert_eq!(
        text,
        format!(
            "The action produced a response that exceeded the allowed length: 110 > 107 bytes. The \
             truncated response was: {start}"
        )
    );
    assert_eq!(record["response"]["size"], 110);
}

#[test]
fn limits_beyond_those_of_the_gateway() {
    let cloud = Cloud::default().tier(runs(0));
    let large = |name: &str, memory, timeout| {
        let mut large = named(name);
        large.limits.memory = memory;
        large.limits.timeout = timeout;
        large
    };
    let bench = cloud.gateway(2, true);
    bench.put(large("memory", 100_000, 1000));
    bench.put(large("time", 256, 100_000_000));
    for name in ["memory", "time"] {
        let record = bench.record_of(name, &json!({}));
        assert_eq!(place(&record)["url"], "http://tier0", "{name}");
        assert_eq!(place(&record)["reason"], "limits", "{name}");
    }
    // Nobody takes it.
    let alone = Cloud::default().tier(refuses(429));
    let bench = alone.gateway(2, true);
    bench.put(large("memory", 100_000, 1000));
    let (record, refusal) = bench.refused_late(bench.call_of("memory", &json!({}), WAIT));
    let told = "memory size 100000 MB exceeds allowed threshold of 512 MB";
    assert!(matches!(refusal, InvokeError::Unavailable(_)));
    assert!(refusal.to_string().contains(told), "{refusal}");
    assert_eq!(error(&record).1, refusal.to_string());
    // It may not leave: what is more than all of the pool is told at once, else OpenWhisk's own
    // answer.
    let bench = cloud.gateway(2, false);
    bench.put(large("memory", 100_000, 1000));
    let refusal = bench.refusal(bench.call_of("memory", &json!({}), WAIT));
    assert!(matches!(refusal, InvokeError::Unavailable(_)));
    assert!(refusal.to_string().contains("100000 MB"), "{refusal}");
    bench.put(large("more", 1000, 1000));
    let told = "memory size 1000 MB exceeds allowed threshold of 512 MB";
    let record = bench.record_of("more", &json!({}));
    assert_eq!(error(&record), ("application error", told));
    assert_eq!(cloud.invocations(0).len(), 2);
}

#[test]
fn large_answers_take_turns() {
    const BYTES: usize = 1 << 20;
    let cloud = Cloud::default().tier(|seen| {
        let logs: &[&str] = match seen.method {
            hyper::Method::POST => &[],
            _ => &["a line"],
        };
        Ok((200, record(json!({ "p": "x".repeat(BYTES - 100) }), logs)))
    });
    let bench = cloud.gateway(0, true);
    bench.action("a");
    let invoke = || {
        let (invoker, call) = (bench.invoker.clone(), bench.call_of("a", &json!({}), WAIT));
        bench.executor.spawn(async move {
            match invoker.invoke(call).await {
                Ok(Outcome::Finished(activation)) => activation.id,
                _ => panic!("it has a result"),
            }
        })
    };
    let burst = bench.invoker.inner.burst.as_ref().unwrap();
    // While others hold everything, nothing more is read.
    let others = burst.answers().take(1 << 40).unwrap();
    let first = invoke();
    bench.run(Timer::after(Duration::from_millis(300)));
    assert!(!first.is_finished());
    drop(others);
    bench.run(first);
    // One at a time.
    let others = burst.answers().take(28 << 20).unwrap();
    let ids = bench.run(async {
        let all: Vec<_> = (0..6).map(|_| invoke()).collect();
        let mut ids = Vec::new();
        for one in all {
            ids.push(one.await);
        }
        ids
    });
    for id in ids {
        let record = bench.record(id);
        assert_eq!(record["logs"], json!(["a line"]));
    }
    drop(others);
    // It is given back when the records are stored.
    bench.run(bench.invoker.drain(Duration::from_secs(5)));
    burst.answers().take(1 << 40).expect("all");
}
