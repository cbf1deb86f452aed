//! Checklist 11.9: sequences at run time.

use serde_json::{Value, json};

use super::play::{annotation, named, names, package, parameters, play, sequence};
use super::*;

#[test]
fn each_component_gets_the_result_of_the_one_before() {
    // 11.9-223, 11.9-224, 11.9-225
    let bench = Bench::new(play);
    let mut large = named("increment");
    large.limits.memory = 512;
    bench.put(large);
    bench.action("wrap");
    bench.sequence("s", &["guest/increment", "guest/increment", "guest/wrap"]);
    let record = bench.record_of("s", &json!({"n": 1}));
    assert_eq!(record["response"]["status"], "success");
    assert_eq!(record["response"]["result"], json!({"wrapped": {"n": 3.0}}));
    assert_eq!(record["cause"], Value::Null);
    for (key, value) in [
        ("kind", json!("sequence")),
        ("topmost", json!(true)),
        ("path", json!("guest/s")),
        ("causedBy", Value::Null),
        ("initTime", Value::Null),
        ("timeout", Value::Null),
        ("conductor", Value::Null),
        (
            "limits",
            json!({"timeout": 1000, "memory": 512, "logs": 10, "concurrency": 1}),
        ),
    ] {
        assert_eq!(annotation(&record, key), &value, "{key}: {record}");
    }
    assert!(annotation(&record, "waitTime").is_u64(), "{record}");

    let children = bench.children(&record);
    assert_eq!(names(&children), ["increment", "increment", "wrap"]);
    let sum = |record: &Value| record["duration"].as_u64().unwrap();
    assert_eq!(sum(&record), children.iter().map(sum).sum::<u64>());
    for child in &children {
        assert_eq!(child["cause"], record["activationId"]);
        assert_eq!(annotation(child, "causedBy"), "sequence");
        assert_eq!(annotation(child, "topmost"), &Value::Null);
        assert_eq!(
            child["logs"].as_array().unwrap().len(),
            1,
            "its own: {child}"
        );
    }
    assert!(bench.store.pending().unwrap().is_empty());
}

#[test]
fn nested() {
    // 11.9-226
    let bench = Bench::new(play);
    bench.action("increment");
    bench.sequence("x", &["guest/increment"]);
    bench.sequence("s", &["guest/increment", "guest/x", "guest/increment"]);
    let outer = bench.record_of("s", &json!({"n": 0}));
    assert_eq!(outer["response"]["result"]["n"], 3.0);
    let children = bench.children(&outer);
    assert_eq!(names(&children), ["increment", "x", "increment"]);
    let inner = &children[1];
    assert_eq!(inner["cause"], outer["activationId"]);
    assert_eq!(annotation(inner, "topmost"), &json!(false));
    assert_eq!(annotation(inner, "causedBy"), "sequence");
    let innermost = bench.children(inner);
    assert_eq!(names(&innermost), ["increment"]);
    assert_eq!(innermost[0]["cause"], inner["activationId"]);
}

#[test]
fn an_error_stops_it() {
    // 11.9-227
    let bench = Bench::new(play);
    for name in ["increment", "fail"] {
        bench.action(name);
    }
    bench.sequence("x", &["guest/fail", "guest/increment"]);
    bench.sequence("s", &["guest/increment", "guest/x", "guest/increment"]);
    let record = bench.record_of("s", &json!({"n": 0}));
    assert_eq!(record["response"]["status"], "application error");
    assert_eq!(record["response"]["result"], json!({"error": "broken"}));
    let children = bench.children(&record);
    assert_eq!(names(&children), ["increment", "x"]);
    assert_eq!(names(&bench.children(&children[1])), ["fail"]);
}

#[test]
fn an_error_in_the_payload_does_not() {
    // 11.9-228
    let bench = Bench::new(play);
    bench.action("wrap");
    bench.sequence("s", &["guest/wrap"]);
    let record = bench.record_of("s", &json!({"error": "mine"}));
    assert_eq!(record["response"]["success"], true);
    let result = json!({"wrapped": {"error": "mine"}});
    assert_eq!(record["response"]["result"], result);
}

#[test]
fn a_component_that_takes_too_long() {
    // 11.9-229
    let bench = Bench::new(play);
    bench.action("slow");
    bench.action("increment");
    bench.sequence("s", &["guest/slow", "guest/increment"]);
    // Its result must come before its sequence gives it up.
    let mut call = bench.call_of("s", &json!({"sleep": 1500}), WAIT);
    call.transaction_id = "tid".into();
    let record = bench.finished(call);
    let text = record.response.result.as_ref().unwrap().get();
    assert_eq!(record.response.status, Status::DeveloperError, "{text}");
    assert_eq!(
        text,
        r#"{"error":"The action exceeded its time limits of 1000 milliseconds."}"#
    );
}

#[test]
fn a_component_that_is_gone() {
    // 11.9-230
    let bench = Bench::new(play);
    bench.action("increment");
    bench.sequence("s", &["guest/increment", "guest/gone", "guest/increment"]);
    bench.sequence("t", &["guest/p/gone"]);
    bench.sequence("u", &["other/gone"]);
    let record = bench.record_of("s", &json!({"n": 0}));
    assert_eq!(names(&bench.children(&record)), ["increment"]);
    for record in [
        record,
        bench.record_of("t", &json!({})),
        bench.record_of("u", &json!({})),
    ] {
        assert_eq!(record["response"]["status"], "application error");
        assert_eq!(
            record["response"]["result"]["error"],
            "Sequence component does not exist."
        );
    }
}

#[test]
fn an_inner_sequence_that_has_grown() {
    // 11.9-231: the limit of these tests is 4.
    let bench = Bench::new(play);
    bench.action("echo");
    let x = bench.sequence("x", &["guest/echo"]);
    bench.sequence("s", &["guest/echo", "guest/x", "guest/echo"]);
    let record = bench.record_of("s", &json!({}));
    assert_eq!(record["response"]["status"], "success");

    let exec = sequence("x", &["guest/echo"; 4]).exec;
    let catalog = &bench.invoker.inner.catalog;
    let grown = Action { exec, ..x };
    let written = catalog.update_action(grown, crate::store::CodeChange::Keep);
    bench.run(written).unwrap();
    let record = bench.record_of("s", &json!({}));
    let children = bench.children(&record);
    assert_eq!(names(&children), ["echo", "x"]);
    assert_eq!(names(&bench.children(&children[1])), ["echo"; 3]);
    for record in [&record, &children[1]] {
        assert_eq!(record["response"]["status"], "application error");
        assert_eq!(
            record["response"]["result"]["error"],
            "Too many actions in the sequence."
        );
    }
}

#[test]
fn a_sequence_that_has_come_to_contain_itself_ends() {
    let bench = Bench::new(play);
    bench.action("echo");
    bench.sequence("s", &["guest/s"]);
    bench.sequence("t", &["guest/echo", "guest/t", "guest/t"]);
    for (name, most) in [("s", within::MOST_NESTED), ("t", 3)] {
        let record = bench.record_of(name, &json!({}));
        assert_eq!(
            record["response"]["result"]["error"],
            "Too many actions in the sequence."
        );
        let mut depth = 0;
        let mut deepest = record;
        loop {
            let mut children = bench.children(&deepest);
            let Some(child) = children.pop_if(|child| child["name"] == name) else {
                break;
            };
            deepest = child;
            depth += 1;
        }
        assert_eq!(depth, most, "{name}");
    }
    bench.run(bench.invoker.inner.flights.none());
}

#[test]
fn parameters_of_packages_and_bindings() {
    // 11.9-232, 11.7-179, 11.7-193
    let bench = Bench::new(play);
    let catalog = &bench.invoker.inner.catalog;
    for package in [
        package(
            "guest/p",
            None,
            &json!({"a": "package", "b": "package", "c": "package"}),
        ),
        package(
            "guest/b",
            Some("guest/p"),
            &json!({"b": "binding", "c": "binding"}),
        ),
    ] {
        bench.run(catalog.create(package)).unwrap();
    }
    bench.put(Action {
        parameters: parameters(&json!({"c": "action", "d": "action"})),
        ..named("guest/p/wrap")
    });
    bench.sequence("guest/p/s", &["guest/b/wrap"]);
    bench.action("wrap");
    bench.sequence("guest/p/t", &["guest/wrap"]);

    let record = bench.record_of("p/s", &json!({"d": "payload"}));
    let merged = json!({"a": "package", "b": "binding", "c": "action", "d": "payload"});
    assert_eq!(record["response"]["result"]["wrapped"], merged);
    assert_eq!(annotation(&record, "path"), "guest/p/s");
    let child = &bench.children(&record)[0];
    assert_eq!(annotation(child, "path"), "guest/p/wrap");
    assert_eq!(annotation(child, "binding"), "guest/b");

    // Neither the sequence's own package nor `_actions` reach a component.
    let record = bench.record_of("b/t", &json!({}));
    assert_eq!(record["response"]["result"], json!({"wrapped": {}}));
    assert_eq!(annotation(&record, "binding"), "guest/b");
    assert_eq!(annotation(&record, "path"), "guest/p/t");
}

#[test]
fn an_array_is_the_whole_argument_of_the_next() {
    // 11.9-233
    let bench = Bench::new(play);
    bench.action("list");
    bench.put(Action {
        parameters: parameters(&json!({"default": 1})),
        ..named("wrap")
    });
    bench.sequence("s", &["guest/list", "guest/wrap"]);
    bench.sequence("t", &["guest/list"]);
    let record = bench.record_of("s", &json!({"n": 2}));
    assert_eq!(record["response"]["result"], json!({"wrapped": [1, 2]}));
    let record = bench.record_of("t", &json!({"n": 2}));
    assert_eq!(record["response"]["result"], json!([1, 2]));
}
