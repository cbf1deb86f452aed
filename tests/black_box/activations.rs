//! Activation records: read, list, filter (reference sections 3.7 and 11.8).

use std::time::Duration;

use serde_json::{Value, json};

use crate::daemon::Setup;

const MALFORMED: &str = "The query parameter";

#[test]
fn a_record_is_read_whole_and_in_parts() {
    let owl = Setup::new().start();
    let client = owl.client();
    client.action(
        "echo",
        "quickjs:1",
        "function main(a) { return a }",
        json!({}),
    );
    let id = client.fire("echo", &json!({"x": 1}));
    let record = client.activation(&id);
    assert_eq!(record["activationId"], id);
    assert_eq!(record["namespace"], "guest");
    assert_eq!(record["subject"], "guest");
    assert_eq!(record["name"], "echo");
    assert_eq!(record["version"], "0.0.1");
    assert_eq!(record["publish"], false);
    let time = |key: &str| {
        record[key]
            .as_u64()
            .unwrap_or_else(|| panic!("{key} in {record}"))
    };
    assert!(time("start") <= time("end"));
    assert!(time("duration") <= 60_000);
    assert!(record.get("cause").is_none() && record.get("statusCode").is_none());
    let response = &record["response"];
    assert_eq!(response["size"], json!({"x": 1}).to_string().len());
    assert!(response.get("statusCode").is_none());

    assert_eq!(client.get(&format!("activations/{id}/")).json(), record);
    assert_eq!(
        &client.get(&format!("activations/{id}/result")).json(),
        response
    );
    assert_eq!(
        client.get(&format!("activations/{id}/logs")).json(),
        json!({"logs": []})
    );
}

#[test]
fn ids_are_checked() {
    let owl = Setup::new().start();
    let client = owl.client();
    for length in [1, 31, 33, 35] {
        client
            .get(&format!("activations/{}", "a".repeat(length)))
            .expect_error(
                400,
                &format!("Activation id length is {length} but must be 32."),
            );
    }
    for id in [format!("{}z", "a".repeat(31)), "A".repeat(32)] {
        client
            .get(&format!("activations/{id}"))
            .expect_error(400, "The activation id is not valid.");
    }
    for part in ["", "/result", "/logs"] {
        client
            .get(&format!("activations/{}{part}", "0".repeat(32)))
            .expect_error(404, "The requested resource does not exist.");
    }
}

#[test]
fn lists_are_filtered_by_name_and_time() {
    let owl = Setup::new().start();
    let client = owl.client();
    let mut records = Vec::new();
    for name in ["first", "second", "second"] {
        client.action(
            name,
            "quickjs:1",
            "function main(a) { return a }",
            json!({}),
        );
        records.push(client.activation(&client.fire(name, &json!({"for": name}))));
        // The order is by milliseconds.
        std::thread::sleep(Duration::from_millis(20));
    }
    let start = |number: usize| records[number]["start"].as_u64().expect("a start");
    let ids = |query: &str| -> Vec<Value> {
        let answer = client.get(&format!("activations?{query}"));
        assert_eq!(answer.status, 200, "{query}: {answer}");
        let list = answer.json();
        list.as_array()
            .expect("an array")
            .iter()
            .map(|row| row["activationId"].clone())
            .collect()
    };
    let expected = |numbers: &[usize]| -> Vec<Value> {
        numbers
            .iter()
            .map(|number| records[*number]["activationId"].clone())
            .collect()
    };
    assert_eq!(ids(""), expected(&[2, 1, 0]));
    assert_eq!(ids("name="), expected(&[2, 1, 0]));
    assert_eq!(ids("name=second"), expected(&[2, 1]));
    assert_eq!(ids("name=first&limit=1"), expected(&[0]));
    assert_eq!(ids("name=package/first"), expected(&[]));
    assert_eq!(ids("name=fir"), expected(&[]));
    assert_eq!(ids("skip=1&limit=1"), expected(&[1]));
    assert_eq!(ids(&format!("since={}", start(1))), expected(&[2, 1]));
    assert_eq!(ids(&format!("upto={}", start(1))), expected(&[1, 0]));
    assert_eq!(
        ids(&format!("since={0}&upto={0}", start(1))),
        expected(&[1])
    );
    assert_eq!(
        ids(&format!("name=second&since={}", start(2))),
        expected(&[2])
    );
    let count = client.get(&format!(
        "activations?count=true&name=second&since={}",
        start(1)
    ));
    assert_eq!(count.json(), json!({"activations": 2}));

    let summary = &client.get("activations?limit=1").json()[0];
    assert_eq!(summary["statusCode"], 0);
    for key in ["response", "logs", "subject"] {
        assert!(summary.get(key).is_none(), "{key} in {summary}");
    }
    assert_eq!(
        client.get("activations?limit=1&docs=true").json()[0],
        records[2]
    );
}

#[test]
fn bad_filters_are_refused() {
    let owl = Setup::new().start();
    let client = owl.client();
    for (query, message) in [
        (
            "name=a/b/c",
            format!(
                "{MALFORMED} 'name' was malformed:\nParameter may be a 'simple' name or 'package-name/simple' name: a/b/c"
            ),
        ),
        (
            "since=abc",
            format!(
                "{MALFORMED} 'since' was malformed:\nParameter is not a valid value for epoch seconds: abc"
            ),
        ),
        (
            "upto=1.5",
            format!(
                "{MALFORMED} 'upto' was malformed:\nParameter is not a valid value for epoch seconds: 1.5"
            ),
        ),
        (
            "count=true&docs=true",
            "The parameter 'docs' is not permitted with 'count'.".to_string(),
        ),
    ] {
        client
            .get(&format!("activations?{query}"))
            .expect_error(400, &message);
    }
}
