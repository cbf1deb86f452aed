//! Actions: create, update, read, delete (reference sections 2.2, 3.3 and 11.3).

use serde_json::{Value, json};
use surf::http::Method;

use crate::client::{Answer, Client};
use crate::daemon::Setup;

const CODE: &str = "function main() { return {} }";
const MALFORMED: &str = "The request content was malformed:\n";

fn exec() -> Value {
    json!({"kind": "quickjs:1", "code": CODE})
}

fn annotation<'a>(action: &'a Value, key: &str) -> Option<&'a Value> {
    let annotations = action["annotations"].as_array().expect("annotations");
    let entry = annotations.iter().find(|entry| entry["key"] == key)?;
    Some(&entry["value"])
}

fn update(client: &Client, name: &str, body: &Value) -> Value {
    let answer = client.put(&format!("actions/{name}?overwrite=true"), body);
    assert_eq!(answer.status, 200, "{answer}");
    answer.json()
}

#[test]
fn a_new_action_has_the_defaults() {
    let owl = Setup::new().start();
    let client = owl.client();
    let answer = client.put("actions/fresh", &json!({"exec": exec(), "updated": 5}));
    assert_eq!(answer.status, 200);
    let action = answer.json();
    assert_eq!(action["name"], "fresh");
    assert_eq!(action["namespace"], "guest");
    assert_eq!(action["version"], "0.0.1");
    assert_eq!(action["publish"], false);
    assert_eq!(action["parameters"], json!([]));
    assert_eq!(
        action["limits"],
        json!({"timeout": 60000, "memory": 256, "logs": 10, "concurrency": 1})
    );
    assert_eq!(annotation(&action, "provide-api-key"), Some(&json!(false)));
    assert_eq!(annotation(&action, "exec"), Some(&json!("quickjs:1")));
    assert!(action["updated"].as_u64().expect("a time") > 1_000_000_000_000);
    assert_eq!(client.get("actions/fresh").json(), action);

    let without_code = client.get("actions/fresh?code=false").json();
    assert_eq!(
        without_code["exec"],
        json!({"kind": "quickjs:1", "binary": false})
    );
}

#[test]
fn kinds_are_resolved_and_annotations_of_the_server_win() {
    let owl = Setup::new().start();
    let body = json!({
        "exec": {"kind": " QuickJS:default ", "code": CODE, "main": "niam"},
        "annotations": [{"key": "exec", "value": "lie"}, {"key": "provide-api-key", "value": "yes"}],
    });
    let action = update(&owl.client(), "kinds", &body);
    assert_eq!(action["exec"]["kind"], "quickjs:1");
    assert_eq!(action["exec"]["main"], "niam");
    assert_eq!(annotation(&action, "exec"), Some(&json!("quickjs:1")));
    assert_eq!(annotation(&action, "provide-api-key"), Some(&json!("yes")));
}

#[test]
fn an_update_merges_as_openwhisk_does() {
    let owl = Setup::new().start();
    let client = owl.client();
    client.put(
        "actions/up",
        &json!({
            "exec": exec(),
            "parameters": [{"key": "a", "value": 1}, {"key": "b", "value": [2, {}]}],
            "annotations": [{"key": "x", "value": 1}, {"key": "y", "value": 2}],
            "limits": {"memory": 128},
        }),
    );
    client
        .put("actions/up", &json!({"exec": exec()}))
        .expect_error(409, "resource already exists");

    let action = update(
        &client,
        "up",
        &json!({
            "parameters": [{"key": "c", "value": null}],
            "annotations": [{"key": "y", "value": 3}],
            "delAnnotations": ["x"],
            "limits": {"timeout": 1000},
        }),
    );
    assert_eq!(action["version"], "0.0.2");
    assert_eq!(action["exec"]["code"], CODE);
    assert_eq!(action["parameters"], json!([{"key": "c", "value": null}]));
    assert_eq!(annotation(&action, "x"), None);
    assert_eq!(annotation(&action, "y"), Some(&json!(3)));
    assert_eq!(action["limits"]["memory"], 128);
    assert_eq!(action["limits"]["timeout"], 1000);

    let action = update(&client, "up", &json!({"version": "1.2.3", "publish": true}));
    assert_eq!(
        (&action["version"], &action["publish"]),
        (&json!("1.2.3"), &json!(true))
    );
    let action = update(&client, "up", &json!({}));
    assert_eq!(
        (&action["version"], &action["publish"]),
        (&json!("1.2.4"), &json!(true))
    );
}

#[test]
fn binary_code_is_recognised_by_its_form() {
    let owl = Setup::new().start();
    for (code, binary) in [
        ("RHViZWU=", true),
        ("main", true),
        ("??", false),
        ("", false),
    ] {
        let body = json!({"exec": {"kind": "quickjs:1", "code": code, "binary": !binary}});
        let action = update(&owl.client(), "binary", &body);
        assert_eq!(action["exec"]["binary"], binary, "{code}");
        assert_eq!(action["exec"]["code"], code);
    }
}

#[test]
fn blackbox_actions_may_go_without_code() {
    let owl = Setup::new().start();
    let blackbox = |code: Value| {
        let exec = json!({"kind": "blackbox", "image": "me/mine:1", "code": code});
        update(&owl.client(), "box", &json!({ "exec": exec }))["exec"].clone()
    };
    let bare = json!({"kind": "blackbox", "image": "me/mine:1", "binary": false});
    assert_eq!(blackbox(Value::Null), bare);
    assert_eq!(blackbox(json!("")), bare);
    assert_eq!(blackbox(json!("x y"))["code"], "x y");
}

#[test]
fn what_is_no_action_is_refused() {
    let owl = Setup::new().start();
    let client = owl.client();
    let put = |body: Value| client.put("actions/bad", &body);
    put(json!({})).expect_error(400, "exec undefined");
    for (exec, detail) in [
        (
            json!({"code": CODE}),
            "'kind' must be a string defined in 'exec'",
        ),
        (
            json!({"kind": 5}),
            "'kind' must be a string defined in 'exec'",
        ),
        (
            json!({"kind": "quickjs:1"}),
            "'code' must be a string or attachment object defined in 'exec' for 'quickjs:1' actions",
        ),
        (
            json!({"kind": "java:8", "code": "x"}),
            "'main' must be a string defined in 'exec' for 'java:8' actions",
        ),
        (
            json!({"kind": "blackbox"}),
            "'image' must be a string defined in 'exec' for 'blackbox' actions",
        ),
    ] {
        put(json!({ "exec": exec })).expect_error(400, &format!("{MALFORMED}{detail}"));
    }
    assert!(put(json!({"exec": ""})).error(400).starts_with(MALFORMED));
    let unknown = put(json!({"exec": {"kind": "cobol:1", "code": ""}})).error(400);
    let start =
        "The specified runtime 'cobol:1' is not supported by this platform. Valid values are: '";
    assert!(
        unknown.starts_with(&format!("{MALFORMED}{start}")),
        "{unknown}"
    );
    assert!(
        unknown.contains("'quickjs:1'") && unknown.ends_with("'."),
        "{unknown}"
    );
    for parameters in [
        json!({"a": 1}),
        json!([{"key": 1, "value": 1}]),
        json!([{"key": "a"}]),
    ] {
        let body = json!({"exec": exec(), "parameters": parameters});
        put(body).expect_error(400, &format!("{MALFORMED}parameters malformed!"));
    }
    for version in ["0.0.0", "a.b.c", "-1.0.0"] {
        let message = put(json!({"exec": exec(), "version": version})).error(400);
        assert!(message.ends_with("semantic version malformed"), "{message}");
    }
    assert_eq!(client.get("actions/bad").status, 404);
}

#[test]
fn bodies_must_be_json_and_say_so() {
    let owl = Setup::new().start();
    let client = owl.client();
    let put = |content_type: &str, body: &[u8]| -> Answer {
        let body = Some((content_type, body.to_vec()));
        client.send(Method::Put, "actions/body", &[], body)
    };
    put("text/plain", b"{}").expect_error(
        415,
        "The request's Content-Type [text/plain] is not supported. Expected:\napplication/json",
    );
    for body in [&b"{"[..], b"{\"exec\":}", b"\xff\xfe", b"[1,2", b"nonsense"] {
        let message = put("application/json", body).error(400);
        assert!(message.starts_with(MALFORMED), "{message}");
    }
    // Nested deeply enough to exhaust the stack of a careless parser.
    let deep = "[".repeat(200_000);
    assert!(
        put("application/json", deep.as_bytes())
            .error(400)
            .starts_with(MALFORMED)
    );
    client
        .send(Method::Put, "actions/body", &[], None)
        .expect_error(400, "Request entity expected but not supplied");
    client.expect_alive();
}

#[test]
fn deprecated_kinds_can_neither_be_made_nor_run() {
    let owl = Setup::new().start();
    let body = json!({"exec": {"kind": "nodejs:6", "code": CODE}});
    owl.client().put("actions/old", &body).expect_error(
        400,
        "The 'nodejs:6' runtime is no longer supported. You may read and delete but not update or invoke this action.",
    );
}

#[test]
fn a_deleted_action_is_given_back_once() {
    let owl = Setup::new().start();
    let client = owl.client();
    let action = update(&client, "gone", &json!({"exec": exec()}));
    let deleted = client.delete("actions/gone");
    assert_eq!((deleted.status, deleted.json()), (200, action));
    let missing = "The requested resource does not exist.";
    client.delete("actions/gone").expect_error(404, missing);
    client.get("actions/gone").expect_error(404, missing);
    client
        .post("actions/gone", &json!({}))
        .expect_error(404, missing);
}

#[test]
fn actions_survive_a_restart() {
    let store = tempfile::tempdir().expect("a folder");
    let owl = Setup::new().data_dir(store.path()).start();
    let action = update(&owl.client(), "kept", &json!({"exec": exec()}));
    let (status, log) = owl.terminate();
    assert!(status.success(), "{log}");
    let owl = Setup::new().data_dir(store.path()).start();
    assert_eq!(owl.client().get("actions/kept").json(), action);
}
