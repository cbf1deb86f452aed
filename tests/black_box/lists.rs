//! Lists: paging, counting, order and bad queries (reference sections 1.10 and 11.2).

use std::time::Duration;

use serde_json::{Value, json};

use crate::daemon::Setup;

const COLLECTIONS: [&str; 5] = ["actions", "triggers", "rules", "packages", "activations"];

#[test]
fn an_empty_list_is_an_array() {
    // 11.2-27
    let owl = Setup::new().start();
    for collection in COLLECTIONS {
        for path in [collection.to_string(), format!("{collection}/")] {
            let answer = owl.client().get(&path);
            assert_eq!((answer.status, answer.json()), (200, json!([])), "{path}");
        }
        let count = owl.client().get(&format!("{collection}?count=true")).json();
        assert_eq!(count, json!({ collection: 0 }));
    }
}

#[test]
fn bad_pages_are_refused_with_the_value() {
    // 11.2-28, 11.2-29, 11.2-30, 11.2-31
    let owl = Setup::new().start();
    for collection in COLLECTIONS {
        for (query, name, detail) in [
            (
                "limit=201",
                "limit",
                "The value '201' is not in the range of 0 to 200 for",
            ),
            (
                "limit=-1",
                "limit",
                "The value '-1' is not in the range of 0 to 200 for",
            ),
            (
                "limit=string",
                "limit",
                "The value 'string' is not an integer for",
            ),
            (
                "skip=-1",
                "skip",
                "The value '-1' is not greater than or equal to 0 for",
            ),
            (
                "skip=string",
                "skip",
                "The value 'string' is not an integer for",
            ),
        ] {
            owl.client()
                .get(&format!("{collection}?{query}"))
                .expect_error(
                    400,
                    &format!("The query parameter '{name}' was malformed:\n{detail} {collection}."),
                );
        }
        let answer = owl.client().get(&format!("{collection}?count=maybe"));
        answer.expect_error(
            400,
            "The query parameter 'count' was malformed:\n'maybe' is not a valid Boolean value",
        );
    }
}

#[test]
fn entities_come_newest_first_in_pages() {
    // 11.2-32, 11.2-33, 11.2-34, 11.2-35, 11.2-36, 11.2-37, 11.2-39
    let owl = Setup::new().start();
    let client = owl.client();
    let action = json!({"exec": {"kind": "quickjs:1", "code": "function main() { return {} }"}});
    for (path, body) in [("triggers/t", json!({})), ("actions/a", action.clone())] {
        assert_eq!(client.put(path, &body).status, 200);
        // The order is by milliseconds.
        std::thread::sleep(Duration::from_millis(2));
    }
    for (collection, body, already) in [
        ("actions", action, 1),
        ("triggers", json!({}), 1),
        ("packages", json!({}), 0),
        ("rules", json!({"trigger": "/_/t", "action": "/_/a"}), 0),
    ] {
        let put = |name: &str| {
            let path = format!("{collection}/{collection}-{name}?overwrite=true");
            let answer = client.put(&path, &body);
            assert_eq!(answer.status, 200, "{path}: {answer}");
            std::thread::sleep(Duration::from_millis(2));
        };
        let all = 35 + already;
        for number in 0..35 {
            put(&number.to_string());
        }
        let names = |path: &str| -> Vec<String> {
            let list = client.get(path).json();
            let rows = list.as_array().expect("an array");
            let name = |row: &Value| row["name"].as_str().expect("a name").to_string();
            rows.iter().map(name).collect()
        };
        let ask = |query: &str| names(&format!("{collection}{query}"));
        let named = |numbers: &[usize]| -> Vec<String> {
            let name = |number| format!("{collection}-{number}");
            numbers.iter().map(name).collect()
        };
        assert_eq!(ask("").len(), 30, "{collection}");
        assert_eq!(ask("?limit=0").len(), all, "{collection}");
        assert_eq!(ask("?limit=2"), named(&[34, 33]));
        assert_eq!(ask("?limit=1&skip=1"), named(&[33]));
        assert_eq!(ask("?skip=34&limit=1"), named(&[0]));
        let own = format!("/api/v1/namespaces/guest/{collection}?limit=2");
        assert_eq!(names(&own), named(&[34, 33]));
        for (query, count) in [("", all), ("&skip=30", all - 30), ("&skip=99", 0)] {
            let answer = client.get(&format!("{collection}?count=true{query}"));
            assert_eq!(answer.json(), json!({ collection: count }), "{query}");
        }
        // A change makes it the newest.
        put("0");
        assert_eq!(ask("?limit=2"), named(&[0, 34]));
    }
}

#[test]
fn rows_of_actions_have_what_clients_show() {
    // 11.3-87
    let owl = Setup::new().start();
    let client = owl.client();
    client.action(
        "shown",
        "quickjs:1",
        "function main() { return {} }",
        json!({}),
    );
    let row = &client.get("actions?limit=1").json()[0];
    assert_eq!(row["exec"], json!({"binary": false}));
    assert_eq!(row["version"], "0.0.1");
    assert_eq!(row["namespace"], "guest");
    assert!(row["limits"].is_object() && row["annotations"].is_array());
    assert!(row["updated"].is_u64() && row["publish"] == false);
    assert!(row.get("parameters").is_none());
}

#[test]
fn lists_of_another_namespace_are_not_shown() {
    // 11.2-38
    let owl = Setup::new().start();
    for collection in COLLECTIONS {
        let path = format!("/api/v1/namespaces/other/{collection}");
        let answer = owl.client().get(&path);
        // Public packages of others may be listed.
        if collection == "packages" {
            assert_eq!((answer.status, answer.json()), (200, json!([])));
            continue;
        }
        answer.expect_error(
            403,
            "The supplied authentication is not authorized to access 'other'.",
        );
    }
}
