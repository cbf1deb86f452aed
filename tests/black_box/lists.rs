//! Lists: paging, counting, order and bad queries (reference sections 1.10 and 11.2).

use std::time::Duration;

use serde_json::json;

use crate::daemon::Setup;

const CODE: &str = "function main() { return {} }";

#[test]
fn an_empty_list_is_an_array() {
    let owl = Setup::new().start();
    for collection in ["actions", "activations"] {
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
    let owl = Setup::new().start();
    for collection in ["actions", "activations"] {
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
fn actions_come_newest_first_in_pages() {
    let owl = Setup::new().start();
    let client = owl.client();
    for number in 0..35 {
        client.action(&format!("a{number}"), "quickjs:1", CODE, json!({}));
        // The order is by milliseconds.
        std::thread::sleep(Duration::from_millis(2));
    }
    let names = |path: &str| -> Vec<String> {
        let list = client.get(path).json();
        let rows = list.as_array().expect("an array");
        rows.iter()
            .map(|row| row["name"].as_str().expect("a name").to_string())
            .collect()
    };
    assert_eq!(names("actions").len(), 30);
    assert_eq!(names("actions?limit=0").len(), 35);
    assert_eq!(names("actions?limit=2"), ["a34", "a33"]);
    assert_eq!(names("actions?limit=1&skip=1"), ["a33"]);
    assert_eq!(names("actions?skip=34"), ["a0"]);
    assert_eq!(
        names("/api/v1/namespaces/guest/actions?limit=2"),
        ["a34", "a33"]
    );
    assert_eq!(
        client.get("actions?count=true").json(),
        json!({"actions": 35})
    );
    assert_eq!(
        client.get("actions?count=true&skip=30").json(),
        json!({"actions": 5})
    );
    assert_eq!(
        client.get("actions?count=1&skip=99").json(),
        json!({"actions": 0})
    );
    client.action("a0", "quickjs:1", CODE, json!({}));
    assert_eq!(names("actions?limit=1"), ["a0"]);

    let row = &client.get("actions?limit=1").json()[0];
    assert_eq!(row["exec"], json!({"binary": false}));
    assert_eq!(row["version"], "0.0.2");
    assert_eq!(row["namespace"], "guest");
    assert!(row["limits"].is_object() && row["annotations"].is_array());
    assert!(row["updated"].is_u64() && row["publish"] == false);
    assert!(row.get("parameters").is_none());
}
