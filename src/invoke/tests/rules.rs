//! Fired triggers: what becomes of their rules, and what a restart makes of them.

use serde_json::{Value, json};

use super::super::fired::Fired;
use super::tiers::{Cloud, placed, runs};
use super::*;
use crate::clock::now;
use crate::entity::{NamespaceLimits, NewTrigger, ReducedRule, RuleStatus, Trigger};

/// A trigger of the guest with these rules and their actions.
fn trigger(rules: &[(&str, &str, RuleStatus)]) -> Trigger {
    let body = br#"{"parameters":[{"key":"place","value":"Rome"},{"key":"n","value":0}]}"#;
    let new = NewTrigger::parse(body).unwrap();
    let mut trigger = new.create("guest", "t", 1).unwrap();
    for (rule, action, status) in rules {
        let action = format!("guest/{action}").parse().unwrap();
        let status = *status;
        trigger.attach(format!("guest/{rule}"), ReducedRule { action, status }, 1);
    }
    trigger
}

const ACTIVE: RuleStatus = RuleStatus::Active;
const INACTIVE: RuleStatus = RuleStatus::Inactive;

impl Bench {
    fn fire_of(&self, trigger: Trigger) -> Fire {
        let guest = self.store.key_of_namespace("guest").unwrap().unwrap();
        let limits = Arc::new(NamespaceLimits {
            invocations_per_minute: Some(1000),
            concurrent_invocations: Some(1000),
            ..NamespaceLimits::default()
        });
        let identity = Identity {
            limits,
            ..(*guest).clone()
        };
        Fire {
            identity: Arc::new(identity),
            trigger,
            payload: Some(RawValue::from_string(r#"{"n":1.50}"#.into()).unwrap()),
            headers: vec![("host".into(), "here".into())],
            transaction_id: "tid".into(),
            id: None,
            via: None,
        }
    }

    fn fire(&self, fire: Fire) -> ActivationId {
        let fired = self.run(self.invoker.fire(fire)).unwrap();
        fired.expect("a rule is active")
    }

    fn all_records(&self) -> usize {
        let filter = ActivationFilter::default();
        self.store
            .activations("guest", &filter, 0, 1000, false)
            .unwrap()
            .len()
    }
}

/// The entries of a trigger's log.
fn entries(record: &Value) -> Vec<Value> {
    let logs = record["logs"].as_array().unwrap();
    let parsed = |entry: &Value| serde_json::from_str(entry.as_str().unwrap()).unwrap();
    logs.iter().map(parsed).collect()
}

fn id_of(entry: &Value) -> ActivationId {
    assert_eq!(entry["success"], true, "{entry}");
    entry["activationId"].as_str().unwrap().parse().unwrap()
}

#[test]
fn rules_are_followed_and_told_of() {
    let bench = Bench::new(echo);
    bench.code("a");
    let rules = [
        ("r1", "a", ACTIVE),
        ("r2", "a", INACTIVE),
        ("r3", "missing", ACTIVE),
        ("r4", "a", ACTIVE),
    ];
    let id = bench.fire(bench.fire_of(trigger(&rules)));
    let record = bench.record(id);
    // 11.5-134
    assert_eq!(record["name"], "t");
    assert_eq!(record["response"]["result"].to_string(), r#"{"n":1.5}"#);
    assert_eq!(record["response"]["success"], true);
    assert_eq!(record["annotations"], json!([]));
    assert!(record.get("end").is_none() && record.get("duration").is_none());
    let entries = entries(&record);
    // 11.5-135, 11.5-136, 11.5-137
    let entry = |rule: &str, action: &str, status: u8, result: Value| {
        let mut entry = json!({"rule": format!("guest/{rule}"),
            "action": format!("guest/{action}"), "statusCode": status, "success": status == 0});
        let key = if status == 0 { "activationId" } else { "error" };
        entry[key] = result;
        entry
    };
    let of = |at: usize| entries[at]["activationId"].clone();
    let inactive = "Rule 'guest/r2' is inactive, action 'guest/a' was not activated.";
    let missing = "The requested resource does not exist.";
    assert_eq!(
        entries,
        [
            entry("r1", "a", 0, of(0)),
            entry("r2", "a", 1, json!(inactive)),
            entry("r3", "missing", 1, json!(missing)),
            entry("r4", "a", 0, of(3)),
        ]
    );
    // 11.5-138
    for at in [0, 3] {
        let record = bench.record(id_of(&entries[at]));
        assert_eq!(
            record["response"]["result"],
            json!({"place": "Rome", "__ow_headers": {"host": "here"}, "n": 1.5})
        );
        assert!(record.get("cause").is_none());
    }
    assert_eq!(bench.all_records(), 3);
    assert!(bench.store.pending().unwrap().is_empty());
}

#[test]
fn without_an_active_rule_nothing_happens() {
    let bench = Bench::new(echo);
    for rules in [&[][..], &[("r", "a", INACTIVE)]] {
        let fired = bench.run(bench.invoker.fire(bench.fire_of(trigger(rules))));
        // 11.5-131, 11.5-132
        assert_eq!(fired.unwrap(), None);
    }
    assert!(bench.store.pending().unwrap().is_empty());
    assert_eq!(bench.all_records(), 0);
}

#[test]
fn actions_of_rules_count_for_the_caller() {
    let bench = Bench::new(echo);
    bench.code("a");
    let mut fire = bench.fire_of(trigger(&[("r1", "a", ACTIVE), ("r2", "a", ACTIVE)]));
    let mut identity = (*fire.identity).clone();
    identity.limits = Arc::new(NamespaceLimits {
        concurrent_invocations: Some(1),
        ..NamespaceLimits::default()
    });
    fire.identity = Arc::new(identity);
    let entries = entries(&bench.record(bench.fire(fire)));
    assert_eq!(entries[0]["success"], true);
    assert_eq!(entries[1]["statusCode"], 1);
    assert_eq!(
        entries[1]["error"],
        "Too many concurrent requests in flight (count: 1, allowed: 1)."
    );
}

#[test]
fn many_rules_take_turns() {
    let slow: Script = |body| {
        let (status, answer, _) = echo(body);
        (status, answer, Duration::from_millis(5))
    };
    let bench = Bench::in_folder(tempfile::tempdir().unwrap(), slow, 8);
    bench.code("a");
    let names: Vec<String> = (0..200).map(|i| format!("r{i}")).collect();
    let rules: Vec<_> = names.iter().map(|name| (&**name, "a", ACTIVE)).collect();
    let mut trigger = trigger(&rules);
    // Half a megabyte: seven at a time are more than four megabytes.
    let large = format!(r#"[{{"key":"x","value":"{}"}}]"#, "y".repeat(500_000));
    trigger.parameters = serde_json::from_str(&large).unwrap();
    let id = bench.run(bench.invoker.fire(bench.fire_of(trigger)));
    let id = id.unwrap().unwrap();
    let most = bench.run(async {
        let mut most = 0;
        while bench.store.activation("guest", id).unwrap().is_none() {
            most = most.max(bench.invoker.in_flight("guest"));
            smol::future::yield_now().await;
        }
        most
    });
    assert!((1..=8).contains(&most), "{most} at a time");
    let entries = entries(&bench.record(id));
    assert_eq!(entries.len(), 200);
    for entry in &entries {
        id_of(entry);
    }
}

#[test]
fn memory_of_fired_triggers_is_bounded() {
    let bench = Bench::new(echo);
    let others = bench.invoker.inner.fired.take(1 << 30);
    let fired = bench.run(
        bench
            .invoker
            .fire(bench.fire_of(trigger(&[("r", "a", ACTIVE)]))),
    );
    let Err(InvokeError::Overloaded(text)) = fired else {
        panic!("it was fired");
    };
    assert_eq!(text, "System is overloaded, try again later.");
    drop(others);
    bench.record(bench.fire(bench.fire_of(trigger(&[("r", "a", ACTIVE)]))));
    bench.run(bench.invoker.drain(Duration::from_secs(5)));
    bench.invoker.inner.fired.take(1 << 30).expect("all of it");
}

#[test]
fn a_stop_waits_for_fired_triggers() {
    let slow: Script = |body| {
        let (status, answer, _) = echo(body);
        (status, answer, Duration::from_millis(20))
    };
    let bench = Bench::in_folder(tempfile::tempdir().unwrap(), slow, 8);
    bench.code("a");
    let names: Vec<String> = (0..40).map(|i| format!("r{i}")).collect();
    let rules: Vec<_> = names.iter().map(|name| (&**name, "a", ACTIVE)).collect();
    let id = bench.fire(bench.fire_of(trigger(&rules)));
    bench.run(bench.invoker.drain(Duration::from_secs(30)));
    assert!(bench.store.pending().unwrap().is_empty());
    let entries = entries(&bench.record(id));
    assert_eq!(entries.len(), 40);
    let (invoked, refused): (Vec<_>, Vec<_>) =
        entries.iter().partition(|entry| entry["success"] == true);
    assert_eq!(bench.all_records(), 1 + invoked.len());
    for entry in &refused {
        assert_eq!(entry["statusCode"], 3, "{entry}");
    }
    assert!(!refused.is_empty(), "more rules than may be under way");
    let late = bench.fire_of(trigger(&[("r", "a", ACTIVE)]));
    assert!(matches!(
        bench.run(bench.invoker.fire(late)),
        Err(InvokeError::Unavailable(_))
    ));
}

/// Keeps a fired trigger as a daemon would have left it that was ended.
fn leave(bench: &Bench, id: ActivationId, fired: &Fired, started: bool) {
    bench.run(async {
        let document = pending::fired(fired);
        bench.store.accept(id, document).await.unwrap();
        if started {
            bench.store.mark_started(id).await.unwrap();
        }
    });
}

#[test]
fn a_restart_follows_rules_that_were_not_followed() {
    let bench = Bench::new(echo);
    bench.code("a");
    let fire = bench.fire_of(trigger(&[("r1", "a", ACTIVE), ("r2", "a", INACTIVE)]));
    let start = now() - 60_000;
    let fired = Fired::new(fire, start);
    let id = ActivationId::random();
    leave(&bench, id, &fired, false);
    let recovered = bench.run(bench.invoker.recover()).unwrap();
    assert_eq!(recovered, Recovered { run: 1, closed: 0 });
    let record = bench.record(id);
    assert_eq!(record["start"], start);
    let entries = entries(&record);
    assert_eq!(Some(id_of(&entries[0])), fired.rules[0].activation);
    assert_eq!(entries[1]["success"], false);
    let child = bench.record(id_of(&entries[0]));
    assert_eq!(child["response"]["result"]["n"], 1.5);
    assert_eq!(bench.all_records(), 2);
}

#[test]
fn a_restart_follows_no_rule_twice() {
    let bench = Bench::new(echo);
    bench.code("a");
    let rules = [
        ("r1", "a", ACTIVE),
        ("r2", "a", ACTIVE),
        ("r3", "a", ACTIVE),
    ];
    let fired = Fired::new(bench.fire_of(trigger(&rules)), now());
    let [ended, promised, lost] = [0, 1, 2].map(|at| fired.rules[at].activation.unwrap());
    // The first has run, the second was accepted; of the third, nothing is known.
    let invoked = bench.invoker.invoke_as(ended, bench.call("a", None));
    bench.run(invoked).unwrap();
    bench.record(ended);
    let document = pending::invocation(&bench.call("a", None), None);
    bench.run(bench.store.accept(promised, document)).unwrap();
    let id = ActivationId::random();
    leave(&bench, id, &fired, true);

    let recovered = bench.run(bench.invoker.recover()).unwrap();
    assert_eq!(recovered, Recovered { run: 1, closed: 1 });
    let entries = entries(&bench.record(id));
    assert_eq!(id_of(&entries[0]), ended);
    assert_eq!(id_of(&entries[1]), promised);
    assert_eq!(entries[2]["statusCode"], 3);
    assert!(
        entries[2]["error"]
            .as_str()
            .unwrap()
            .contains("not invoked again")
    );
    bench.record(promised);
    bench.run(bench.invoker.drain(Duration::from_secs(5)));
    assert_eq!(bench.store.activation("guest", lost).unwrap(), None);
    assert_eq!(bench.all_records(), 3);
    assert!(bench.store.pending().unwrap().is_empty());
}

#[test]
fn under_a_given_id_once() {
    let bench = Bench::new(echo);
    bench.code("a");
    let id = ActivationId::random();
    let fire = |name: &str| {
        let mut trigger = trigger(&[("r", "a", ACTIVE)]);
        trigger.name = name.into();
        Fire {
            id: Some(id),
            ..bench.fire_of(trigger)
        }
    };
    // At the same time, and again when it has ended.
    let both = smol::future::zip(bench.invoker.fire(fire("t")), bench.invoker.fire(fire("t")));
    let (first, second) = bench.run(both);
    assert_eq!((first.unwrap(), second.unwrap()), (Some(id), Some(id)));
    bench.record(id);
    assert_eq!(bench.fire(fire("t")), id);
    bench.run(bench.invoker.drain(Duration::from_secs(5)));
    assert_eq!(bench.all_records(), 2);
    // It is not another trigger's.
    let other = bench.run(bench.invoker.fire(fire("u")));
    assert!(matches!(other, Err(InvokeError::Taken(_))));
    let call = bench.run(bench.invoker.fire(Fire {
        identity: Arc::new(Identity {
            namespace: "other".into(),
            ..(*fire("t").identity).clone()
        }),
        ..fire("t")
    }));
    assert!(matches!(call, Err(InvokeError::Taken(_))));
}

#[test]
fn what_a_restart_follows_is_not_fired_again() {
    let bench = Bench::new(echo);
    bench.code("a");
    let fire = bench.fire_of(trigger(&[("r", "a", ACTIVE)]));
    let id = ActivationId::random();
    leave(&bench, id, &Fired::new(fire, now()), false);
    let again = || Fire {
        id: Some(id),
        ..bench.fire_of(trigger(&[("r", "a", ACTIVE)]))
    };
    // Before it is followed, and after.
    assert_eq!(bench.fire(again()), id);
    bench.run(bench.invoker.recover()).unwrap();
    bench.record(id);
    assert_eq!(bench.fire(again()), id);
    bench.run(bench.invoker.drain(Duration::from_secs(5)));
    assert_eq!(bench.all_records(), 2);
}

#[test]
fn the_actions_of_rules_come_from_where_the_trigger_was_fired() {
    let cloud = Cloud::default().tier(runs(0));
    let bench = cloud.gateway(1, false);
    bench.put(placed("far", "cloud"));
    let fire = |via: &str| {
        let trigger = trigger(&[("r", "far", ACTIVE)]);
        let id = bench.run(bench.invoker.fire(Fire {
            via: Some(via.into()),
            ..bench.fire_of(trigger)
        }));
        let record = bench.record(id.unwrap().expect("a rule is active"));
        let log = record["logs"][0].as_str().unwrap();
        let entry: Value = serde_json::from_str(log).unwrap();
        assert_eq!(entry["success"], !via.contains("here"), "{entry}");
    };
    fire("before");
    fire("before, here");
    bench.run(bench.invoker.drain(Duration::from_secs(5)));
    let seen = cloud.invocations(0);
    let seen: Vec<&str> = seen.iter().map(|seen| &*seen.via).collect();
    assert_eq!(seen, ["before, here"]);
}
