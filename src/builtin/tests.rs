//! Every action of the table, run as the server runs it.

use serde_json::{Value, json};
use smol::block_on;

use super::*;
use crate::store::Options;

struct Place {
    services: Services,
    _dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Options::default()).unwrap();
        Place {
            services: Services::new(store, None, "http://localhost:3233/"),
            _dir: dir,
        }
    }

    fn run(&self, action: &str, arguments: &str) -> Output {
        let mut identity = identity();
        identity.namespace = "guest".into();
        let context = Context {
            identity: &identity,
            action,
            transaction_id: "tid",
        };
        let arguments: &RawValue = serde_json::from_str(arguments).unwrap();
        block_on(run(&self.services, &context, arguments))
    }
}

#[test]
fn every_action_of_the_table_runs() {
    let place = Place::new();
    for action in actions() {
        let arguments = r#"{"payload":"a b","lines":["b","a"],"$fieldName":"f"}"#;
        let output = place.run(&action.path(), arguments);
        let result: Value = serde_json::from_str(output.result.get()).unwrap();
        let failed = result.get("error").is_some();
        // Those that manage APIs need a key.
        assert_eq!(
            failed,
            action.annotations.is_true("web-export"),
            "{}: {result}",
            action.name
        );
    }
}

#[test]
fn the_paused_one_logs_and_counts_like_the_other() {
    let place = Place::new();
    for name in ["wordCount", "wordCountAsync"] {
        let output = place.run(
            &format!("whisk.system/samples/{name}"),
            r#"{"payload":"a b"}"#,
        );
        assert_eq!(output.result.get(), r#"{"count":2}"#);
        assert_eq!(output.logs.len(), 1);
        assert!(output.logs[0].ends_with("Z stdout: The message 'a b' has 2 words"));
    }
}

#[test]
fn large_arguments_give_the_same_as_small_ones() {
    let place = Place::new();
    let lines: Vec<String> = (0..100_000).rev().map(|n| format!("{n:06}")).collect();
    let arguments = json!({ "lines": lines }).to_string();
    assert!(arguments.len() > SMALL);
    let output = place.run("whisk.system/utils/sort", &arguments);
    let result: Value = serde_json::from_str(output.result.get()).unwrap();
    assert_eq!(result["length"], 100_000);
    assert_eq!(result["lines"][0], "000000");
    assert_eq!(result["lines"][99_999], "099999");
}

#[test]
fn what_cannot_be_run_says_so() {
    let place = Place::new();
    let error = |action, arguments| place.run(action, arguments).result.get().to_owned();
    assert_eq!(
        error("whisk.system/utils/gone", "{}"),
        r#"{"error":"There is no built-in action 'whisk.system/utils/gone'."}"#
    );
    assert_eq!(
        error("whisk.system/utils/echo", "[1]"),
        r#"{"error":"The arguments are not a JSON object."}"#
    );
}

mod apimgmt;
