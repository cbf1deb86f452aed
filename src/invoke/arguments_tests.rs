//! What sandboxes are sent.

use super::*;
use crate::entity::{ActionLimits, Exec, Parameter, Secret};

fn raw(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_string()).unwrap()
}

fn parameters(list: &[(&str, &str, bool)]) -> Parameters {
    Parameters(
        list.iter()
            .map(|(key, value, init)| Parameter {
                key: key.to_string(),
                value: raw(value),
                init: *init,
            })
            .collect(),
    )
}

#[test]
fn the_payload_covers_parameters_of_the_same_name() {
    let defaults = parameters(&[("a", "1", false), ("b", r#"{"x": 1}"#, false)]);
    let payload = raw(r#"{"b": 2.50, "c": "ü"}"#);
    let merged = Arguments::merge(&defaults, Some(&payload)).unwrap();
    assert_eq!(merged.value, r#"{"a":1,"b":2.50,"c":"ü"}"#);
    assert_eq!(
        Arguments::merge(&defaults, None).unwrap().value,
        r#"{"a":1,"b":{"x": 1}}"#
    );
}

#[test]
fn without_parameters_the_payload_goes_through_untouched() {
    let payload = raw(r#"{ "n" : 1e400, "z": 12345678901234567890123 }"#);
    let merged = Arguments::merge(&Parameters::default(), Some(&payload)).unwrap();
    assert_eq!(merged.value, payload.get());
    assert_eq!(
        Arguments::merge(&Parameters::default(), None)
            .unwrap()
            .value,
        "{}"
    );
}

#[test]
fn very_many_names_on_both_sides() {
    // Comparing all with all would take minutes here.
    const MANY: usize = 50_000;
    let names: Vec<String> = (0..MANY).map(|i| format!("k{i}")).collect();
    let list: Vec<_> = names.iter().map(|name| (&**name, "1", true)).collect();
    let members: Vec<String> = (0..2 * MANY).map(|i| format!(r#""k{i}":2"#)).collect();
    let payload = raw(&format!(r#"{{{},"k7":3}}"#, members.join(",")));
    let merged = Arguments::merge(&parameters(&list), Some(&payload)).unwrap();
    assert_eq!(merged.init.len(), MANY);
    assert_eq!(merged.init[7], ("k7".into(), "3".into()), "the last counts");
    assert_eq!(merged.init[8].1, "2");
    let value: HashMap<&str, u8> = serde_json::from_str(&merged.value).unwrap();
    assert_eq!(value.len(), MANY);
    assert!(!value.contains_key("k7") && value.contains_key("k50000"));
}

// 11.7-180, 11.12-295
#[test]
fn init_parameters_go_to_the_environment_even_when_the_payload_gives_them() {
    let defaults = parameters(&[
        ("none", "null", true),
        ("yes", "true", true),
        ("one", "1", true),
        ("object", r#"{"a": [1, 2]}"#, true),
        ("text", "\"x\"", true),
        ("plain", "0", false),
    ]);
    let payload = raw(r#"{"text": "given", "other": null}"#);
    let merged = Arguments::merge(&defaults, Some(&payload)).unwrap();
    assert_eq!(merged.value, r#"{"plain":0,"other":null}"#);
    let init: Vec<_> = merged
        .init
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert_eq!(
        init,
        [
            ("none", ""),
            ("yes", "true"),
            ("one", "1"),
            ("object", r#"{"a":[1,2]}"#),
            ("text", "given"),
        ]
    );
}

fn action(annotations: Parameters) -> Action {
    Action {
        namespace: "guest/pkg".into(),
        name: "hello".into(),
        exec: Exec::Code {
            kind: "nodejs:20".into(),
            binary: false,
            main: None,
        },
        parameters: Parameters::default(),
        limits: ActionLimits {
            timeout: 60_000,
            memory: 256,
            logs: 10,
            concurrency: 1,
            instances: None,
        },
        version: "0.0.3".into(),
        publish: false,
        annotations,
        updated: 0,
        revision: 1,
    }
}

fn identity() -> Identity {
    Identity {
        subject: "guest".into(),
        namespace: "guest".into(),
        uuid: "uuid".into(),
        key: Secret::new("key".into()),
        limits: std::sync::Arc::default(),
    }
}

// 11.12-293, 11.12-294
#[test]
fn the_body_of_init() {
    let action = action(parameters(&[("provide-api-key", "false", false)]));
    let identity = identity();
    let id = ActivationId::random();
    let arguments = Arguments::merge(&parameters(&[("MY", "\"x\"", true)]), None).unwrap();
    let run = Run {
        action: &action,
        identity: &identity,
        id,
        transaction_id: "tid",
        arguments: &arguments,
    };
    let body: serde_json::Value =
        serde_json::from_str(&run.init_body(Some("function main() {}\n\"quoted\""), 123)).unwrap();
    assert_eq!(
        body,
        serde_json::json!({"value": {
            "name": "hello",
            "main": "main",
            "code": "function main() {}\n\"quoted\"",
            "binary": false,
            "env": {
                "MY": "x",
                "__OW_NAMESPACE": "guest",
                "__OW_ACTION_NAME": "/guest/pkg/hello",
                "__OW_ACTION_VERSION": "0.0.3",
                "__OW_ACTIVATION_ID": id.to_string(),
                "__OW_TRANSACTION_ID": "tid",
                "__OW_DEADLINE": "123",
            },
        }})
    );
}

// 11.12-296, 11.7-196
#[test]
fn the_body_of_run_and_who_gets_the_key() {
    let identity = identity();
    let id = ActivationId::random();
    let payload = raw(r#"{"a":1.0}"#);
    let arguments = Arguments::merge(&Parameters::default(), Some(&payload)).unwrap();
    let body_for = |action: &Action| -> serde_json::Value {
        let run = Run {
            action,
            identity: &identity,
            id,
            transaction_id: "t\"id",
            arguments: &arguments,
        };
        serde_json::from_str(&run.run_body(1_700_000_060_000)).unwrap()
    };
    let without = body_for(&action(parameters(&[("provide-api-key", "false", false)])));
    assert_eq!(
        without,
        serde_json::json!({
            "value": {"a": 1.0},
            "namespace": "guest",
            "action_name": "/guest/pkg/hello",
            "action_version": "0.0.3",
            "activation_id": id.to_string(),
            "transaction_id": "t\"id",
            "deadline": "1700000060000",
        })
    );
    for (annotation, gets) in [("true", true), ("0", false), ("\"\"", false), ("{}", true)] {
        let action = action(parameters(&[("provide-api-key", annotation, false)]));
        let key = body_for(&action).get("api_key").cloned();
        assert_eq!(key, gets.then(|| "uuid:key".into()), "{annotation}");
    }
    assert!(
        body_for(&action(Parameters::default()))
            .get("api_key")
            .is_some()
    );
}

#[test]
fn texts_are_written_as_serde_writes_them() {
    let every = (0..=0x100).filter_map(char::from_u32);
    for letter in every.chain(['\u{2028}', '\u{feff}', '😀']) {
        for text in [format!("{letter}"), format!("a{letter}b")] {
            let mut out = String::from("x");
            push_string(&mut out, &text);
            assert_eq!(out[1..], serde_json::to_string(&text).unwrap());
        }
    }
}
