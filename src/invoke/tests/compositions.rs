//! Checklist 11.10: conductors.

use serde_json::{Value, json};

use super::play::{annotation, named, names, package, parameters, play};
use super::*;

const TOO_MANY: &str = "Too many actions in the composition.";

/// A bench with a conductor and a component.
fn bench() -> Bench {
    let bench = Bench::new(play);
    conductor(&bench, "conductor");
    bench.action("increment");
    bench
}

fn conductor(bench: &Bench, path: &str) {
    bench.put(Action {
        annotations: parameters(&json!({"conductor": true})),
        ..named(path)
    });
}

/// Lets the conductor say these, one after another.
fn played(bench: &Bench, plan: Value) -> Value {
    bench.record_of("conductor", &json!({"plan": plan}))
}

#[test]
fn a_conductor_without_components() {
    // 11.10-236, 11.10-237, 11.10-240
    let bench = bench();
    for (said, status, result) in [
        (json!({"n": 1}), "success", json!({"n": 1})),
        (
            json!({"params": {"n": 1}, "x": 2}),
            "success",
            json!({"n": 1}),
        ),
        (json!({"params": 7}), "success", json!({"value": 7})),
        (
            json!({"error": "no"}),
            "application error",
            json!({"error": "no"}),
        ),
    ] {
        let record = played(&bench, json!([said]));
        assert_eq!(record["response"]["status"], status, "{said}");
        assert_eq!(record["response"]["result"], result, "{said}");
        assert_eq!(names(&bench.children(&record)), ["conductor"]);
    }
}

#[test]
fn a_component_between_two_calls() {
    // 11.10-238, 11.10-244
    let bench = Bench::new(play);
    conductor(&bench, "conductor");
    let mut large = named("increment");
    large.limits.memory = 512;
    bench.put(large);
    let step = json!({"action": "increment", "params": {"n": 1}});
    let record = played(&bench, json!([step, "input"]));
    assert_eq!(record["response"]["status"], "success");
    // The result and the state, which is what the first call has left of the plan.
    let last = json!({"n": 2.0, "plan": ["input"]});
    assert_eq!(record["response"]["result"], last);
    assert_eq!(record["name"], "conductor");
    for (key, value) in [
        ("kind", json!("sequence")),
        ("conductor", json!(true)),
        ("topmost", json!(true)),
        ("path", json!("guest/conductor")),
        ("causedBy", Value::Null),
        (
            "limits",
            json!({"timeout": 1000, "memory": 512, "logs": 10, "concurrency": 1}),
        ),
    ] {
        assert_eq!(annotation(&record, key), &value, "{key}: {record}");
    }
    assert!(annotation(&record, "waitTime").is_u64());
    let children = bench.children(&record);
    assert_eq!(names(&children), ["conductor", "increment", "conductor"]);
    let sum = |record: &Value| record["duration"].as_u64().unwrap();
    assert_eq!(sum(&record), children.iter().map(sum).sum::<u64>());
    for child in &children {
        assert_eq!(child["cause"], record["activationId"]);
        assert_eq!(annotation(child, "causedBy"), "sequence");
        assert_eq!(annotation(child, "conductor"), &Value::Null);
        assert_eq!(annotation(child, "kind"), "quickjs:1");
    }
}

#[test]
fn state_is_told_again_once() {
    // 11.10-239, 11.10-240
    let bench = bench();
    let next = |state: Value| {
        let plan = json!({"action": "increment", "params": {"n": 1}, "state": state});
        let record = played(&bench, json!([plan]));
        record["response"]["result"].clone()
    };
    assert_eq!(next(json!({"s": 1, "n": 9})), json!({"s": 1, "n": 9}));
    assert_eq!(next(json!("text")), json!({"n": 2.0, "state": "text"}));
    // Not returned again, it is gone.
    let second = json!({"action": "increment", "params": {"n": 5}, "state": {}});
    let first = json!({
        "action": "increment",
        "params": {"n": 1},
        "state": {"s": 1, "plan": [second, "input"]},
    });
    let record = played(&bench, json!([first]));
    assert_eq!(record["response"]["result"], json!({"n": 6.0}));
}

#[test]
fn what_a_component_gets() {
    // 11.10-240
    let bench = bench();
    bench.put(Action {
        parameters: parameters(&json!({"default": 1})),
        ..named("wrap")
    });
    bench.action("list");
    let wrapped = |params: Option<Value>| {
        let mut step = json!({"action": "wrap"});
        if let Some(params) = params {
            step["params"] = params;
        }
        let record = played(&bench, json!([step]));
        record["response"]["result"]["wrapped"].clone()
    };
    assert_eq!(wrapped(None), json!({"default": 1}));
    assert_eq!(
        wrapped(Some(json!("v"))),
        json!({"default": 1, "value": "v"})
    );
    let list = json!({"action": "list", "params": {"n": 2}, "state": {"s": 1}});
    let record = played(&bench, json!([list]));
    let boxed = json!({"value": [1, 2], "s": 1});
    assert_eq!(record["response"]["result"], boxed);
}

#[test]
fn a_component_that_fails_is_the_conductors_matter() {
    let bench = bench();
    bench.action("fail");
    let record = played(&bench, json!([{"action": "fail"}, {"handled": true}]));
    assert_eq!(record["response"]["status"], "success");
    assert_eq!(record["response"]["result"], json!({"handled": true}));
    let children = bench.children(&record);
    assert_eq!(names(&children), ["conductor", "fail", "conductor"]);
    let record = played(&bench, json!([{"action": "fail"}, "input"]));
    assert_eq!(record["response"]["result"]["error"], "broken");
}

#[test]
fn names_that_lead_nowhere() {
    // 11.10-241, 11.10-242, 11.10-243
    let bench = bench();
    for (name, error) in [
        (
            json!("invalid#Action"),
            r#"Failed to parse action name from json value "invalid#Action" during composition."#,
        ),
        (
            json!({"a": 1}),
            r#"Failed to parse action name from json value {"a":1} during composition."#,
        ),
        (
            json!("missing"),
            "Failed to resolve action with name 'guest/missing' during composition.",
        ),
        (
            json!("/_/missing"),
            "Failed to resolve action with name 'guest/missing' during composition.",
        ),
        (
            json!("/other/action"),
            "Failed entitlement check for action with name 'other/action' during composition.",
        ),
        (
            json!("package/action"),
            "Failed entitlement check for action with name 'guest/package/action' during composition.",
        ),
    ] {
        let record = played(&bench, json!([{"action": name}, "input"]));
        assert_eq!(record["response"]["status"], "success", "{name}");
        assert_eq!(record["response"]["result"]["error"], error, "{name}");
        let children = bench.children(&record);
        assert_eq!(names(&children), ["conductor", "conductor"], "{name}");
    }
}

#[test]
fn as_many_components_as_a_sequence_may_have() {
    // 11.10-245: the limit of these tests is 4.
    let bench = bench();
    let step = json!({"action": "increment", "params": {"n": 1}});
    let mut plan = vec![step.clone(); 4];
    plan.push(json!({"done": true}));
    let record = played(&bench, json!(plan));
    assert_eq!(record["response"]["result"], json!({"done": true}));
    assert_eq!(record["logs"].as_array().unwrap().len(), 9);

    // The fifth is refused: the conductor is told so, and here gives up.
    let record = played(&bench, json!(vec![step; 5]));
    assert_eq!(record["response"]["status"], "application error");
    assert_eq!(record["response"]["result"]["error"], TOO_MANY);
    assert_eq!(record["logs"].as_array().unwrap().len(), 10);

    // Components that do not come to run cost calls of the conductor alone.
    let record = played(&bench, json!(vec![json!({"action": "missing"}); 20]));
    assert_eq!(record["response"]["result"]["error"], TOO_MANY);
    assert_eq!(names(&bench.children(&record)), ["conductor"; 9]);
}

#[test]
fn compositions_inside_one_another() {
    // 11.10-246
    let bench = bench();
    conductor(&bench, "conductor2");
    let step = json!({"action": "increment", "params": {"n": 1}});
    let inner = |plan: Value| json!({"action": "conductor2", "params": {"plan": plan}});
    let two = inner(json!([step, step, {"inner": "done"}]));
    let record = played(&bench, json!([step, two, {"done": true}]));
    assert_eq!(record["response"]["result"], json!({"done": true}));
    let children = bench.children(&record);
    assert_eq!(
        names(&children),
        [
            "conductor",
            "increment",
            "conductor",
            "conductor2",
            "conductor"
        ]
    );
    let nested = &children[3];
    assert_eq!(annotation(nested, "topmost"), &json!(false));
    assert_eq!(annotation(nested, "conductor"), &json!(true));
    assert_eq!(annotation(nested, "causedBy"), "sequence");
    assert_eq!(nested["cause"], record["activationId"]);
    let innermost = bench.children(nested);
    assert_eq!(innermost.len(), 5);
    assert_eq!(innermost[0]["cause"], nested["activationId"]);

    // Two components outside and three inside are one too many.
    let three = inner(json!([step, step, step]));
    let record = played(&bench, json!([step, step, three, "input"]));
    assert_eq!(record["response"]["result"]["error"], TOO_MANY);
    let nested = &bench.children(&record)[5];
    assert_eq!(nested["name"], "conductor2");
    assert_eq!(nested["response"]["status"], "application error");
    assert_eq!(nested["response"]["result"]["error"], TOO_MANY);
}

#[test]
fn a_sequence_counts_as_one_component() {
    // 11.10-246
    let bench = bench();
    bench.sequence("s", &["guest/increment"; 4]);
    let step = json!({"action": "s", "params": {"n": 0}});
    let mut plan = vec![step; 4];
    plan.push(json!("input"));
    let record = played(&bench, json!(plan));
    assert_eq!(record["response"]["result"]["n"], 4.0);
    let children = bench.children(&record);
    assert_eq!(children.len(), 9);
    assert_eq!(annotation(&children[1], "kind"), "sequence");
    assert_eq!(children[1]["logs"].as_array().unwrap().len(), 4);
}

#[test]
fn a_conductor_as_a_component_of_a_sequence() {
    let bench = bench();
    conductor(&bench, "conductor2");
    bench.sequence("s", &["guest/conductor", "guest/increment"]);
    let plan = json!([{"action": "increment", "params": {"n": 1}}, {"n": 5}]);
    let record = bench.record_of("s", &json!({"plan": plan}));
    assert_eq!(record["response"]["result"]["n"], 6.0);
    let children = bench.children(&record);
    assert_eq!(names(&children), ["conductor", "increment"]);
    assert_eq!(annotation(&children[0], "conductor"), &json!(true));
    assert_eq!(annotation(&children[0], "topmost"), &json!(false));

    // One that calls its own sequence again and again comes to an end.
    conductor(&bench, "forever");
    bench.sequence("f", &["guest/forever"]);
    let record = bench.record_of("f", &json!({}));
    assert_eq!(record["response"]["status"], "application error");
    assert_eq!(record["response"]["result"]["error"], TOO_MANY);
}

#[test]
fn through_a_binding() {
    // 11.10-247
    let bench = bench();
    let catalog = &bench.invoker.inner.catalog;
    for package in [
        package("guest/p", None, &json!({"a": 1})),
        package("guest/b", Some("guest/p"), &json!({"b": 2})),
    ] {
        bench.run(catalog.create(package)).unwrap();
    }
    conductor(&bench, "guest/p/conductor");
    let record = bench.record_of("b/conductor", &json!({"plan": ["input"]}));
    assert_eq!(annotation(&record, "binding"), "guest/b");
    assert_eq!(annotation(&record, "path"), "guest/p/conductor");
    let child = &bench.children(&record)[0];
    assert_eq!(annotation(child, "binding"), "guest/b");
    let given = json!({"a": 1, "b": 2, "plan": ["input"]});
    assert_eq!(record["response"]["result"], given);
}

#[test]
fn conductor_on_a_sequence_or_falsy_means_nothing() {
    let bench = bench();
    bench.put(Action {
        annotations: parameters(&json!({"conductor": true})),
        ..super::play::sequence("s", &["guest/increment"])
    });
    let record = bench.record_of("s", &json!({"n": 1}));
    assert_eq!(annotation(&record, "conductor"), &Value::Null);
    assert_eq!(names(&bench.children(&record)), ["increment"]);
    bench.put(Action {
        annotations: parameters(&json!({"conductor": 0})),
        ..named("conductor3")
    });
    let record = bench.record_of("conductor3", &json!({"plan": [{"action": "x"}]}));
    assert_eq!(record["response"]["result"]["action"], "x");
    assert_eq!(annotation(&record, "kind"), "quickjs:1");
}
