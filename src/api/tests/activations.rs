//! Checklist 11.8: activations.

use serde_json::value::RawValue;

use super::*;
use crate::entity::{Activation, Response, Status};
use crate::store::ActivationRow;

fn activations(rest: &str) -> String {
    format!("/api/v1/namespaces/_/activations{rest}")
}

/// Stores an activation that started at a time.
pub(super) fn store(api: &Api, number: u8, filter_name: &str, start: u64) -> String {
    let activation = Activation {
        id: ActivationId::from_bytes([number; 16]),
        namespace: "guest".into(),
        name: filter_name.rsplit('/').next().unwrap().into(),
        filter_name: filter_name.into(),
        subject: "guest".into(),
        version: "0.0.1".into(),
        cause: None,
        start,
        end: Some(start + 5),
        duration: Some(4),
        response: Response {
            status: Status::ApplicationError,
            result: Some(RawValue::from_string("{\"error\":\"e\"}".into()).unwrap()),
            size: Some(13),
        },
        logs: vec!["t stdout: hi".into()],
        annotations: vec![(
            "kind",
            RawValue::from_string("\"nodejs:20\"".into()).unwrap(),
        )],
    };
    let row = ActivationRow {
        id: activation.id,
        namespace: activation.namespace.clone(),
        filter_name: activation.filter_name.clone(),
        start,
        head: activation.head(),
        tail: activation.tail(),
    };
    smol::block_on(api.store.put_activation(row)).unwrap();
    activation.id.to_string()
}

/// A time that retention has nothing against.
pub(super) fn recent() -> u64 {
    super::super::now() - 1_000_000
}

#[test]
fn views() {
    let api = Api::new();
    let start = recent();
    let id = store(&api, 7, "a", start);
    // 11.8-202
    let response = json!({"status": "application error", "success": false,
        "result": {"error": "e"}, "size": 13});
    let record = json!({"namespace": "guest", "name": "a", "version": "0.0.1", "publish": false,
        "annotations": [{"key": "kind", "value": "nodejs:20"}], "activationId": id,
        "start": start, "end": start + 5, "duration": 4, "subject": "guest",
        "response": response, "logs": ["t stdout: hi"]});
    for path in [format!("/{id}"), format!("/{id}/")] {
        let reply = api.get(&activations(&path));
        assert_eq!((reply.status, reply.value()), (200, record.clone()));
    }
    // 11.8-203
    assert_eq!(
        api.get(&activations(&format!("/{id}/result"))).value(),
        response
    );
    assert_eq!(
        api.get(&activations(&format!("/{id}/logs"))).value(),
        json!({"logs": ["t stdout: hi"]})
    );
    // 11.8-206
    for path in ["bogus", "logs/", "result/"] {
        assert_eq!(api.get(&activations(&format!("/{id}/{path}"))).status, 404);
    }
    // 11.8-208
    assert_eq!(
        api.get(&activations("")).value(),
        json!([{"namespace": "guest", "name": "a", "version": "0.0.1", "publish": false,
            "annotations": [{"key": "kind", "value": "nodejs:20"}], "activationId": id,
            "start": start, "end": start + 5, "duration": 5, "statusCode": 1}])
    );
    assert_eq!(api.get(&activations("?docs=true")).value(), json!([record]));
    // 11.8-214
    let path = format!("/api/v1/namespaces/other/activations/{id}");
    api.get(&path).refused(
        403,
        &format!("The supplied authentication is not authorized to access 'other/{id}'."),
    );
}

#[test]
fn bad_ids() {
    let api = Api::new();
    // 11.8-204
    for length in [31, 35] {
        let path = activations(&format!("/{}", "a".repeat(length)));
        let text = format!("Activation id length is {length} but must be 32.");
        api.get(&path).refused(400, &text);
    }
    let path = activations(&format!("/{}z", "a".repeat(31)));
    api.get(&path)
        .refused(400, "The activation id is not valid.");
    // 11.8-205
    for rest in ["", "/logs", "/result"] {
        let path = activations(&format!("/{}{rest}", "0".repeat(32)));
        api.get(&path)
            .refused(404, "The requested resource does not exist.");
    }
}

#[test]
fn lists() {
    let api = Api::new();
    let start = recent();
    for (i, name) in ["a", "p/a", "b", "a"].iter().enumerate() {
        let i = u8::try_from(i).unwrap();
        store(&api, i, name, start + u64::from(i) * 10);
    }
    let numbers = |query: &str| -> Vec<u64> {
        let reply = api.get(&activations(query));
        assert_eq!(reply.status, 200, "{query}: {}", reply.body);
        let value = reply.value();
        let number = |row: &Value| (row["start"].as_u64().unwrap() - start) / 10;
        value.as_array().unwrap().iter().map(number).collect()
    };
    // 11.2-34, 11.2-35
    assert_eq!(numbers(""), [3, 2, 1, 0]);
    assert_eq!(numbers("/?limit=1&skip=1"), [2]);
    assert_eq!(numbers("?docs=true&limit=0"), [3, 2, 1, 0]);
    assert_eq!(numbers("?docs=true&skip=4"), [0; 0]);
    // 11.8-210, 11.8-211
    assert_eq!(numbers("?name="), [3, 2, 1, 0]);
    assert_eq!(numbers("?name=a"), [3, 0]);
    assert_eq!(numbers("?name=p%2Fa"), [1]);
    api.get(&activations("?name=a/b/c")).refused(
        400,
        "The query parameter 'name' was malformed:\nParameter may be a 'simple' name or \
         'package-name/simple' name: a/b/c",
    );
    // 11.8-212
    let at = |i: u64| start + i * 10;
    assert_eq!(numbers(&format!("?since={}", at(2))), [3, 2]);
    assert_eq!(numbers(&format!("?upto={}", at(1))), [1, 0]);
    assert_eq!(numbers(&format!("?since={}&upto={}", at(1), at(2))), [2, 1]);
    assert_eq!(
        numbers(&format!("?since={}&upto={}&name=a", at(0), at(2))),
        [0]
    );
    let count = |query: String| api.get(&activations(&query)).value();
    assert_eq!(
        count(format!("?count=true&since={}", at(1))),
        json!({"activations": 3})
    );
    assert_eq!(
        count("?count=true&name=a&skip=1".into()),
        json!({"activations": 1})
    );
    // 11.8-209
    api.get(&activations("?count=true&docs=true"))
        .refused(400, "The parameter 'docs' is not permitted with 'count'.");
    // 11.8-213
    for parameter in ["since", "upto"] {
        api.get(&activations(&format!("?{parameter}=abc"))).refused(
            400,
            &format!(
                "The query parameter '{parameter}' was malformed:\nParameter is not a valid value \
                 for epoch seconds: abc"
            ),
        );
    }
    // 11.2-38
    api.get("/api/v1/namespaces/other/activations").refused(
        403,
        "The supplied authentication is not authorized to access 'other'.",
    );
}
