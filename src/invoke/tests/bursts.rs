//! What runs elsewhere, and when.

use serde_json::{Value, json};

use super::play::{annotation, named, package, parameters, play, sequence};
use super::tiers::*;
use super::*;

/// The annotation that tells where a record's activation has run.
pub(super) fn place(record: &Value) -> &Value {
    annotation(record, "owl-tier")
}

pub(super) fn error(record: &Value) -> (&str, &str) {
    let response = &record["response"];
    let error = response["result"]["error"].as_str();
    (response["status"].as_str().unwrap(), error.unwrap())
}

#[test]
fn what_a_tier_is_asked_and_what_is_recorded() {
    let cloud = Cloud::default().tier(runs(0));
    let bench = cloud.gateway(0, true);
    let mut action = named("guest/p/a b");
    action.parameters = parameters(&json!({"own": 1}));
    bench.put(action);
    let catalog = &bench.invoker.inner.catalog;
    bench.run(async {
        for package in [
            package("guest/p", None, &json!({"inherited": 1})),
            package("guest/b", Some("guest/p"), &json!({})),
        ] {
            catalog.create(package).await.unwrap();
        }
    });
    let mut call = bench.call_of("b/a b", &json!({"n": 1}), WAIT);
    call.via = Some("before".into());
    let answered = bench.finished(call);
    let record = bench.record(answered.id);

    let [seen] = &cloud.invocations(0)[..] else {
        panic!("one invocation");
    };
    assert_eq!(
        seen.target,
        "/api/v1/namespaces/guest/actions/b/a%20b?blocking=true"
    );
    assert_eq!(seen.body, r#"{"n":1}"#, "nothing is merged here");
    assert_eq!(seen.via, "before, here");
    assert!(seen.authorization.starts_with("Basic "));

    assert_ne!(record["activationId"], THERE);
    let result = json!({"tier": 0, "given": {"n": 1}});
    assert_eq!(record["response"]["result"], result);
    assert_eq!(record["logs"], json!(["a line there"]));
    assert_eq!(record["duration"], 17);
    assert_eq!(annotation(&record, "initTime"), 12);
    assert_eq!(annotation(&record, "path"), "guest/p/a b");
    assert_eq!(
        place(&record),
        &json!({"url": "http://tier0", "reason": "no-capacity", "activationId": THERE})
    );
    let mut text = crate::metrics::Text::default();
    bench.invoker.metrics().write(&mut text);
    let counted = r#"owl_delegated_total{tier="http://tier0",reason="no-capacity"} 1"#;
    assert!(text.finish().contains(counted));
}

#[test]
fn only_what_may_leave_leaves() {
    let cloud = Cloud::default().tier(runs(0));
    let bench = cloud.gateway(0, false);
    bench.put(named("plain"));
    bench.put(placed("cloud", "cloud"));
    let text = "This gateway does not run actions (its host capacity is 0).";
    let refusal = bench.refusal(bench.call_of("plain", &json!({}), WAIT));
    assert_eq!(refusal.to_string(), text);
    let record = bench.record_of("cloud", &json!({}));
    assert_eq!(place(&record)["reason"], "cloud");

    let bench = cloud.gateway(0, true);
    bench.put(placed("edge", "edge-only"));
    bench.put(placed("odd", "moon"));
    let refusal = bench.refusal(bench.call_of("edge", &json!({}), WAIT));
    assert_eq!(refusal.to_string(), text);
    let record = bench.record_of("odd", &json!({}));
    assert_eq!(place(&record)["reason"], "no-capacity");
    assert_eq!(cloud.invocations(0).len(), 2);
}

#[test]
fn what_runs_here_is_recorded_as_ever() {
    let cloud = Cloud::default().tier(runs(0));
    let bench = cloud.gateway(2, true);
    bench.action("a");
    let record = bench.record_of("a", &json!({"n": 1}));
    assert_eq!(record["response"]["result"], json!({"n": 1}));
    assert_eq!(place(&record), &Value::Null);
    assert!(cloud.invocations(0).is_empty());
}

#[test]
fn a_tier_that_does_not_take_it_is_followed_by_the_next() {
    for (first, told) in [
        (
            Box::new(unsent) as Box<dyn Fn(&Seen) -> Reply + Send + Sync>,
            "no route",
        ),
        (
            Box::new(|_: &Seen| Err(crate::upstream::UpstreamError::Busy)),
            "OWL_FORWARDS",
        ),
        (Box::new(refuses(429)), "it answers 429: No"),
        (Box::new(refuses(503)), "it answers 503: No"),
        (Box::new(refuses(500)), "it answers 500: No"),
        (Box::new(refuses(401)), "it answers 401: No"),
        (Box::new(refuses(403)), "it answers 403: No"),
        (Box::new(refuses(404)), "it answers 404: No"),
        (Box::new(refuses(508)), "it answers 508: No"),
    ] {
        let first: Arc<dyn Fn(&Seen) -> Reply + Send + Sync> = first.into();
        let again = first.clone();
        let cloud = Cloud::default().tier(move |seen| first(seen)).tier(runs(1));
        let bench = cloud.gateway(0, true);
        bench.action("a");
        let record = bench.record_of("a", &json!({}));
        assert_eq!(place(&record)["url"], "http://tier1", "{told}");

        let alone = Cloud::default().tier(move |seen| again(seen));
        let bench = alone.gateway(0, true);
        bench.action("a");
        let (record, refusal) = bench.refused_late(bench.call_of("a", &json!({}), WAIT));
        let (status, text) = error(&record);
        assert_eq!(status, "whisk internal error");
        assert!(matches!(refusal, InvokeError::Unavailable(_)));
        assert_eq!(refusal.to_string(), text);
        // Which limit it was, and what came of the tier.
        assert!(
            text.starts_with("This gateway does not run actions"),
            "{text}"
        );
        assert!(
            text.contains("http://tier0 does not take it over: "),
            "{text}"
        );
        assert!(text.contains(told), "{text}");
        assert_eq!(place(&record), &json!({"reason": "nowhere"}));
    }
}

#[test]
fn what_may_have_run_is_not_repeated() {
    let plans: [fn(&Seen) -> Reply; 3] = [
        broken,
        |_| Ok((502, json!({"error": "the backend is gone"}))),
        |_| Ok((504, json!({}))),
    ];
    for plan in plans {
        let cloud = Cloud::default().tier(plan).tier(runs(1));
        let bench = cloud.gateway(0, true);
        bench.action("a");
        let record = bench.record_of("a", &json!({}));
        let (status, text) = error(&record);
        assert_eq!(status, "whisk internal error");
        assert!(
            text.contains("http://tier0") && text.contains("not repeated"),
            "{text}"
        );
        let expected = json!({"url": "http://tier0", "reason": "no-capacity"});
        assert_eq!(place(&record), &expected);
        assert!(cloud.invocations(1).is_empty());
    }
}

#[test]
fn a_failure_of_the_action_is_a_result() {
    let cloud = Cloud::default()
        .tier(|_| {
            let mut failed = record(json!({"error": "mine"}), &["x"]);
            failed["response"]["status"] = json!("application error");
            Ok((502, failed))
        })
        .tier(runs(1));
    let bench = cloud.gateway(0, true);
    bench.action("a");
    let record = bench.record_of("a", &json!({}));
    assert_eq!(error(&record), ("application error", "mine"));
    assert!(cloud.invocations(1).is_empty());
}

#[test]
fn what_takes_longer_than_a_tier_waits_is_asked_for() {
    let asked = AtomicU64::new(0);
    let cloud = Cloud::default().tier(move |seen| {
        if seen.method == hyper::Method::POST {
            return Ok((202, json!({"activationId": THERE})));
        }
        if seen.target == "/api/v1" {
            // The question whether it is there.
            return Ok((200, json!({})));
        }
        assert_eq!(
            seen.target,
            format!("/api/v1/namespaces/_/activations/{THERE}")
        );
        match asked.fetch_add(1, Ordering::Relaxed) {
            0 => Ok((404, json!({"error": "not there"}))),
            1 => unsent(seen),
            _ => Ok((200, record(json!({"late": true}), &["its log"]))),
        }
    });
    let bench = cloud.gateway(0, true);
    bench.action("a");
    // The circuit is open for a moment after the failure: somebody has to close it.
    let watch = bench.executor.spawn(cloud.upstream(0).clone().watch());
    let record = bench.record_of("a", &json!({}));
    drop(watch);
    assert_eq!(record["response"]["result"], json!({"late": true}));
    assert_eq!(record["logs"], json!(["its log"]));
    assert_eq!(cloud.invocations(0).len(), 1);
}

#[test]
fn what_is_known_beforehand_is_told_at_once() {
    let cloud = Cloud::default().tier(unsent);
    let bench = cloud.gateway(0, true);
    bench.action("a");
    bench.put(placed("cloud", "cloud"));
    // The first one finds out.
    bench.refused_late(bench.call_of("a", &json!({}), WAIT));
    assert!(cloud.upstream(0).is_down());
    for wait in [WAIT, None] {
        let refusal = bench.refusal(bench.call_of("a", &json!({}), wait));
        assert!(matches!(refusal, InvokeError::Unavailable(_)));
        assert_eq!(
            refusal.to_string(),
            "This gateway does not run actions (its host capacity is 0). \
             http://tier0 does not take it over: it is out of reach."
        );
        let refusal = bench.refusal(bench.call_of("cloud", &json!({}), wait));
        assert!(refusal.to_string().contains("owl-placement"), "{refusal}");
    }
    assert_eq!(cloud.invocations(0).len(), 1);
}

#[test]
fn a_request_that_was_here_before_goes_nowhere() {
    let cloud = Cloud::default().tier(runs(0));
    let bench = cloud.gateway(0, true);
    bench.action("a");
    bench.put(placed("cloud", "cloud"));
    for name in ["a", "cloud"] {
        let mut call = bench.call_of(name, &json!({}), WAIT);
        call.via = Some("other, here".into());
        let refusal = bench.refusal(call);
        assert!(refusal.to_string().contains("circle"), "{refusal}");
    }
    let mut call = bench.call_of("a", &json!({}), WAIT);
    call.via = Some("1,2,3,4,5,6,7,8".into());
    let refusal = bench.refusal(call);
    assert!(refusal.to_string().contains("8 gateways"), "{refusal}");
    assert!(cloud.invocations(0).is_empty());
}

#[test]
fn the_cloud_is_the_farthest_tier_and_never_here() {
    let cloud = Cloud::default().tier(runs(0)).tier(runs(1));
    let bench = cloud.gateway(2, false);
    bench.put(placed("a", "cloud"));
    let record = bench.record_of("a", &json!({}));
    assert_eq!(place(&record)["url"], "http://tier1");

    let away = Cloud::default().tier(refuses(429)).tier(refuses(503));
    let bench = away.gateway(2, true);
    bench.put(placed("a", "cloud"));
    let (record, refusal) = bench.refused_late(bench.call_of("a", &json!({}), WAIT));
    assert_eq!(error(&record).0, "whisk internal error");
    assert!(matches!(refusal, InvokeError::Unavailable(_)));
    assert_eq!(away.invocations(0).len() + away.invocations(1).len(), 2);
    assert_eq!(bench.engine.started.load(Ordering::SeqCst), 0);
}

#[test]
fn any_goes_where_it_is_done_first() {
    let cloud = Cloud::default().tier(runs(0)).tier(unsent);
    let bench = cloud.gateway(2, false);
    bench.put(placed("a", "any"));
    // A tier is thought to be warm, and nearer than a cold start.
    let record = bench.record_of("a", &json!({}));
    assert_eq!(place(&record)["url"], "http://tier0");
    assert_eq!(place(&record)["reason"], "earliest");

    let none = Cloud::default().tier(unsent);
    let bench = none.gateway(2, false);
    bench.put(placed("a", "any"));
    let record = bench.record_of("a", &json!({"n": 1}));
    assert_eq!(record["response"]["result"], json!({"n": 1}));
    assert_eq!(place(&record), &json!({"reason": "others-failed"}));
    // It is warm here now, and nobody is asked any more.
    let record = bench.record_of("a", &json!({"n": 2}));
    assert_eq!(place(&record), &json!({"reason": "earliest"}));
    assert_eq!(none.invocations(0).len(), 1);
}

#[test]
fn what_the_gateway_has_no_runtime_for() {
    let cloud = Cloud::default().tier(runs(0));
    let bench = cloud.gateway(2, true);
    for (name, kind) in [("unknown", "cobol:1"), ("docker", "nodejs:20")] {
        let mut action = named(name);
        action.exec = Exec::Code {
            kind: kind.into(),
            binary: false,
            main: None,
        };
        bench.put(action);
        let record = bench.record_of(name, &json!({}));
        assert_eq!(place(&record)["reason"], "kind", "{kind}");
    }
    // What cannot be started has taken its place in the pool by then, and gives it back.
    bench.put(named("unstartable"));
    let record = bench.record_of("unstartable", &json!({}));
    assert_eq!(place(&record)["reason"], "start");
    bench.put(named("foreign"));
    let record = bench.record_of("foreign", &json!({}));
    assert_eq!(place(&record)["reason"], "architecture");
    assert_eq!(bench.invoker.figures().pool.counts.busy, 0);
    assert_eq!(cloud.invocations(0).len(), 4);
}

#[test]
fn a_kind_that_is_not_here_and_may_not_leave() {
    let cloud = Cloud::default().tier(runs(0));
    let bench = cloud.gateway(2, false);
    for (name, kind, told) in [
        (
            "unknown",
            "cobol:1",
            "'cobol:1' is not in this gateway's runtimes manifest",
        ),
        (
            "docker",
            "nodejs:20",
            "'nodejs:20' needs a Docker Engine, and none answers",
        ),
    ] {
        let mut action = named(name);
        action.exec = Exec::Code {
            kind: kind.into(),
            binary: false,
            main: None,
        };
        bench.put(action);
        let refusal = bench.refusal(bench.call_of(name, &json!({}), WAIT));
        assert!(matches!(refusal, InvokeError::Unavailable(_)));
        assert!(refusal.to_string().contains(told), "{refusal}");
    }
    // Without tiers it is found out when it is to be started.
    let bench = Bench::new(echo);
    let mut action = named("docker");
    action.exec = Exec::Code {
        kind: "nodejs:20".into(),
        binary: false,
        main: None,
    };
    bench.put(action);
    let call = bench.call_of("docker", &json!({}), WAIT);
    let (record, refusal) = bench.refused_late(call);
    assert!(matches!(refusal, InvokeError::Unavailable(_)));
    assert_eq!(refusal.to_string(), error(&record).1);
    assert!(refusal.to_string().contains("none answers"), "{refusal}");
    assert!(cloud.invocations(0).is_empty());
}

#[test]
fn a_wait_in_vain_is_told_as_what_it_is() {
    let bench = Bench::made(tempfile::tempdir().unwrap(), play, 1, |settings| {
        settings.live.set(Live {
            longest_wait: Duration::from_millis(50),
            ..settings.live.get()
        });
    });
    bench.slow();
    bench.action("a");
    bench.run(fill(&bench, 1));
    let (record, refusal) = bench.refused_late(bench.call_of("a", &json!({}), WAIT));
    assert!(matches!(refusal, InvokeError::Overloaded(_)));
    assert_eq!(
        refusal.to_string(),
        "No sandbox came free on this gateway within 0.05 seconds \
         (OWL_RETRIES_NUMBER × OWL_RETRIES_TIMEOUT)."
    );
    assert_eq!(
        error(&record),
        ("whisk internal error", &*refusal.to_string())
    );
}

#[test]
fn who_does_not_wait_gets_the_place_of_an_idle_sandbox_all_the_same() {
    let bench = Bench::made(tempfile::tempdir().unwrap(), play, 1, |settings| {
        settings.live.set(Live {
            longest_wait: Duration::ZERO,
            ..settings.live.get()
        });
    });
    bench.action("late");
    bench.action("b");
    for name in ["late", "b", "late"] {
        let record = bench.record_of(name, &json!({"n": 1}));
        assert_eq!(record["response"]["result"], json!({"n": 1}), "{name}");
    }
}

/// Takes every sandbox for some seconds.
async fn fill(bench: &Bench, places: usize) {
    for _ in 0..places {
        let call = bench.call_of("slow", &json!({"sleep": 3000}), None);
        bench.invoker.invoke(call).await.unwrap();
    }
}

#[test]
fn a_full_gateway() {
    let cloud = Cloud::default().tier(runs(0));
    let folder = tempfile::tempdir().unwrap();
    let bench = cloud.gateway_in(folder, 1, true, |settings| {
        settings.live.set(Live {
            longest_wait: Duration::from_millis(50),
            ..settings.live.get()
        });
    });
    bench.slow();
    bench.action("a");
    bench.run(fill(&bench, 1));
    let record = bench.record_of("a", &json!({}));
    assert_eq!(place(&record)["reason"], "wait");
    // One runs, and ten may wait.
    let last = bench.run(async {
        let invoked = (0..11).map(|_| {
            let (invoker, call) = (bench.invoker.clone(), bench.call_of("a", &json!({}), None));
            bench
                .executor
                .spawn(async move { invoker.invoke(call).await })
        });
        let mut last = None;
        for invoked in invoked.collect::<Vec<_>>() {
            match invoked.await.unwrap() {
                Outcome::Accepted(id) => last = Some(id),
                Outcome::Finished(_) | Outcome::Refused(..) => panic!("nobody waits"),
            }
        }
        last.unwrap()
    });
    let last = bench.record(last);
    assert_eq!(place(&last)["reason"], "queue-full");
}

#[test]
fn parts_of_sequences_and_compositions() {
    let cloud = Cloud::default().tier(runs(0));
    let bench = cloud.gateway(2, false);
    bench.put(placed("far", "cloud"));
    bench.action("increment");
    bench.put(sequence("guest/s", &["guest/increment", "guest/far"]));
    let mut call = bench.call_of("s", &json!({"n": 1}), WAIT);
    call.via = Some("before".into());
    let record = bench.finished(call);
    let record = bench.record(record.id);
    assert_eq!(
        record["response"]["result"],
        json!({"tier": 0, "given": {"n": 2.0}})
    );
    let children = bench.children(&record);
    assert_eq!(place(&children[0]), &Value::Null);
    assert_eq!(place(&children[1])["url"], "http://tier0");
    assert_eq!(children[1]["cause"], record["activationId"]);
    assert_eq!(cloud.invocations(0)[0].via, "before, here");

    // The conductor itself runs here, whatever it says.
    let mut conductor = placed("conductor", "cloud");
    conductor
        .annotations
        .0
        .extend(parameters(&json!({"conductor": true})).0);
    bench.put(conductor);
    let plan = json!({"plan": [{"action": "far", "params": {"n": 3}}]});
    let record = bench.record_of("conductor", &plan);
    let places: Vec<Value> = bench.children(&record).iter().map(place).cloned().collect();
    assert_eq!(places.len(), 3);
    assert_eq!((&places[0], &places[2]), (&Value::Null, &Value::Null));
    assert_eq!(places[1]["url"], "http://tier0");
}

#[test]
fn promised_ones_run_at_most_once() {
    // The store of a gateway that was cut off with one accepted and one started.
    let bench = Bench::in_folder(tempfile::tempdir().unwrap(), play, 0);
    bench.put(placed("a", "cloud"));
    let ids = [ActivationId::random(), ActivationId::random()];
    for id in ids {
        let call = bench.call_of("a", &json!({"n": 1}), None);
        let document = pending::invocation(&call, None);
        bench.run(bench.store.accept(id, document)).unwrap();
    }
    bench.run(bench.store.mark_started(ids[1])).unwrap();
    let cloud = Cloud::default().tier(runs(0));
    let bench = cloud.gateway_in(bench.cut_off(), 0, false, |_| {});
    let recovered = bench.run(bench.invoker.recover()).unwrap();
    assert_eq!((recovered.run, recovered.closed), (1, 1));
    let record = bench.record(ids[0]);
    assert_eq!(place(&record)["reason"], "cloud");
    assert!(error(&bench.record(ids[1])).1.contains("not repeated"));
    assert_eq!(cloud.invocations(0).len(), 1);
    assert_eq!(bench.store.pending().unwrap().len(), 0);
}

#[test]
fn what_can_run_here() {
    let bench = Bench::in_folder(tempfile::tempdir().unwrap(), echo, 2);
    let mut strange = named("guest/strange");
    strange.exec = Exec::Code {
        kind: "none:1".into(),
        binary: false,
        main: None,
    };
    for action in [
        action("a"),
        placed("any", "any"),
        placed("cloud", "cloud"),
        strange,
        sequence("guest/both", &["guest/a", "guest/any"]),
        sequence("guest/partly", &["guest/a", "guest/cloud"]),
        sequence("guest/deep", &["guest/both", "guest/partly"]),
    ] {
        bench.put(action);
    }
    let guest = bench.store.key_of_namespace("guest").unwrap().unwrap();
    let can_run = |bench: &Bench, name: &str| {
        let name = format!("guest/{name}").parse().unwrap();
        bench.invoker.can_run(&guest, &name)
    };
    for (name, expected) in [
        ("a", true),
        ("any", true),
        ("both", true),
        ("cloud", false),
        ("strange", false),
        ("partly", false),
        ("deep", false),
        ("missing", false),
    ] {
        assert_eq!(can_run(&bench, name), expected, "{name}");
    }
    let bench = Bench::in_folder(tempfile::tempdir().unwrap(), echo, 0);
    bench.put(action("a"));
    assert!(!can_run(&bench, "a"), "there is no place for a sandbox");
}

#[test]
fn what_is_run_after_a_restart_is_known_to_have_come_from_elsewhere() {
    let cloud = Cloud::default().tier(runs(0));
    let bench = cloud.gateway(1, false);
    bench.put(placed("far", "cloud"));
    // With what stands in no JSON text as it is.
    for via in ["before", "a\"b\\c"] {
        let mut call = bench.call_of("far", &json!({"n": 1}), None);
        call.via = Some(via.into());
        let document = pending::invocation(&call, None);
        let id = ActivationId::random();
        bench.run(bench.store.accept(id, document)).unwrap();
        bench.run(bench.invoker.recover()).unwrap();
        bench.record(id);
    }
    let seen = cloud.invocations(0);
    let seen: Vec<&str> = seen.iter().map(|seen| &*seen.via).collect();
    assert_eq!(seen, ["before, here", "a\"b\\c, here"]);
}
