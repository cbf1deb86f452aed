//! Several namespaces on one gateway, and `owl key` beside a daemon that runs (reference sections
//! 1.2, 1.5 and 3.2).

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;
use surf::http::Method;

use crate::client::{Client, as_json};
use crate::daemon::{Daemon, Setup};
use crate::operator::expect_metric;

const ECHO: &str = "function main(a) { return a }";

/// Runs `owl key` on a store that a daemon has open, and gives what it prints.
pub fn owl_key(folder: &Path, arguments: &[&str], input: &str) -> Result<String, String> {
    let mut owl = Command::new(env!("CARGO_BIN_EXE_owl"))
        .args(["key", "--data-dir"])
        .arg(folder)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("start owl key");
    let mut stdin = owl.stdin.take().expect("a pipe");
    stdin.write_all(input.as_bytes()).expect("write the key");
    drop(stdin);
    let output = owl.wait_with_output().expect("owl key ends");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    match output.status.success() {
        true => Ok(text(output.stdout)),
        false => Err(text(output.stderr)),
    }
}

/// A daemon and the folder of its store.
fn daemon() -> (Daemon, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("make a folder");
    let owl = Setup::new().data_dir(folder.path()).start();
    (owl, folder)
}

/// A client with a new namespace of its own.
fn tenant(owl: &Daemon, folder: &Path, name: &str) -> Client {
    let key = owl_key(folder, &["create", name], "").expect("a key");
    owl.client_with(Some(key.trim()))
}

#[test]
fn a_key_in_the_form_of_wskadmin_opens_its_namespace_at_once() {
    let (owl, folder) = daemon();
    let key = format!("0badc0de-0000-4000-8000-00000000cafe:{}", "k".repeat(64));
    let client = owl.client_with(Some(&key));
    let namespaces = || client.get("/api/v1/namespaces");
    namespaces().expect_error(401, "The supplied authentication is invalid");
    let create = ["create", "plant", "--key-file", "-"];
    let made = owl_key(folder.path(), &create, &format!("{key}\n"));
    assert_eq!(made, Ok(format!("{key}\n")));
    assert_eq!(namespaces().json(), json!(["plant"]));
    owl_key(folder.path(), &["block", "plant"], "").expect("block");
    namespaces().expect_error(401, "The supplied authentication is invalid");
    owl_key(folder.path(), &["unblock", "plant"], "").expect("unblock");
    assert_eq!(namespaces().json(), json!(["plant"]));
    owl_key(folder.path(), &["delete", "plant"], "").expect("delete");
    namespaces().expect_error(401, "The supplied authentication is invalid");
}

#[test]
fn limits_take_effect_while_the_daemon_runs_and_after_it_was_started_again() {
    let (owl, folder) = daemon();
    let client = owl.client();
    client.action("echo", "quickjs:1", ECHO, json!({}));
    client.invoke("echo", &json!({})).expect_success();
    let set = |settings: &[&str]| {
        let arguments = [&["limits", "set", "guest"], settings].concat();
        owl_key(folder.path(), &arguments, "").expect("set limits")
    };
    // 11.1-25
    set(&["maxActionMemory=200", "maxPayloadSize=100"]);
    let limits = client.get("limits").json();
    assert_eq!(limits["maxActionMemory"], 200);
    assert_eq!(limits["maxPayloadSize"], "100 B");
    // The action was created with more than it may have now.
    client.invoke("echo", &json!({})).expect_failure(
        502,
        "application error",
        &json!("memory size 256 MB exceeds allowed threshold of 200 MB"),
    );
    client.action("echo", "quickjs:1", ECHO, json!({"memory": 200}));
    client.invoke("echo", &json!({})).expect_success();
    // 11.7-182
    let long = json!({"text": "x".repeat(100)});
    client
        .invoke("echo", &long)
        .expect_error(413, "Request larger than allowed: 111 > 100 bytes.");
    set(&["invocationsPerMinute=0"]);
    // 11.7-200
    let text = client.invoke("echo", &json!({})).error(429);
    assert!(text.ends_with("allowed: 0)."), "{text}");
    drop(owl);
    // And without a daemon.
    let shown = owl_key(folder.path(), &["limits", "get", "guest"], "").expect("limits");
    assert_eq!(
        shown,
        "invocationsPerMinute=0\nmaxActionMemory=200\nmaxPayloadSize=100\n"
    );
    set(&["storeActivations=false"]);
    let cleared = ["limits", "clear", "guest", "invocationsPerMinute"];
    owl_key(folder.path(), &cleared, "").expect("clear");
    let owl = Setup::new().data_dir(folder.path()).start();
    let client = owl.client();
    let kept = client.get("activations").json().as_array().map(Vec::len);
    client.invoke("echo", &json!({})).expect_success();
    client.fire("echo", &json!({}));
    let pair = json!({"exec": {"kind": "sequence", "components": ["/_/echo", "/_/echo"]}});
    assert_eq!(client.put("actions/pair", &pair).status, 200);
    client.invoke("pair", &json!({})).expect_success();
    client.fire("pair", &json!({}));
    // When nothing is in flight any more, nothing of it is left, promises included.
    expect_metric(&owl, "owl_activations_in_flight 0");
    expect_metric(&owl, "owl_store_pending 0");
    let after = client.get("activations").json().as_array().map(Vec::len);
    assert_eq!(after, kept);
}

/// The text for a resource of another namespace.
fn forbidden(resource: &str) -> String {
    format!("The supplied authentication is not authorized to access '{resource}'.")
}

#[test]
fn entities_of_other_namespaces_are_out_of_reach() {
    let (owl, folder) = daemon();
    let (one, two) = (
        tenant(&owl, folder.path(), "one"),
        tenant(&owl, folder.path(), "two"),
    );
    let exec = json!({"exec": {"kind": "quickjs:1", "code": ECHO}});
    let rule = json!({"trigger": "/_/bell", "action": "/_/secret"});
    let entities = [
        ("packages/box", json!({})),
        ("actions/box/inside", exec.clone()),
        ("actions/secret", exec.clone()),
        ("triggers/bell", json!({})),
        ("rules/link", rule.clone()),
    ];
    for (path, body) in &entities {
        let made = one.put(path, body);
        assert_eq!(made.status, 200, "{path}: {made}");
    }
    // 11.2-38
    for collection in ["actions", "triggers", "rules", "activations", "limits"] {
        let path = format!("/api/v1/namespaces/one/{collection}");
        two.get(&path).expect_error(403, &forbidden("one"));
    }
    let packages = two.get("/api/v1/namespaces/one/packages");
    assert_eq!(packages.json(), json!([]), "none is public");
    // What is there and what is not are told alike.
    for (path, resource, methods) in [
        ("actions/secret", "one/secret", "GET PUT DELETE POST"),
        ("actions/nothing", "one/nothing", "GET PUT DELETE POST"),
        ("actions/box/inside", "one/box", "GET POST"),
        ("actions/none/inside", "one/none", "GET POST"),
        ("packages/box", "one/box", "GET PUT DELETE"),
        ("packages/none", "one/none", "GET PUT DELETE"),
        ("triggers/bell", "one/bell", "GET PUT DELETE POST"),
        ("triggers/none", "one/none", "GET PUT DELETE POST"),
        ("rules/link", "one/link", "GET PUT DELETE POST"),
        ("rules/none", "one/none", "GET PUT DELETE POST"),
    ] {
        for method in methods.split(' ') {
            let body = match method {
                "PUT" if path.starts_with("actions") => Some(as_json(&exec)),
                "PUT" if path.starts_with("rules") => Some(as_json(&rule)),
                "POST" if path.starts_with("rules") => {
                    Some(as_json(&json!({"status": "inactive"})))
                }
                "PUT" | "POST" => Some(as_json(&json!({}))),
                _ => None,
            };
            let method: Method = method.parse().expect("a method");
            let path = format!("/api/v1/namespaces/one/{path}");
            two.send(method, &path, &[], body)
                .expect_error(403, &forbidden(resource));
        }
    }
    // Nor is there a way around, through a rule of one's own.
    let made = two.put("triggers/bell", &json!({}));
    assert_eq!(made.status, 200, "{made}");
    let foreign = json!({"trigger": "/_/bell", "action": "/one/secret"});
    two.put("rules/link", &foreign)
        .expect_error(403, &forbidden("one/secret"));
    assert_eq!(two.delete("triggers/bell").status, 200);
    for collection in ["actions", "packages", "triggers", "rules", "activations"] {
        assert_eq!(two.get(collection).json(), json!([]), "{collection}");
    }
    // The same names are other entities.
    two.action(
        "secret",
        "quickjs:1",
        "function main() { return {} }",
        json!({}),
    );
    assert_eq!(
        two.invoke("secret", &json!({"n": 1})).expect_success(),
        json!({})
    );
    assert_eq!(
        one.invoke("secret", &json!({"n": 1})).expect_success(),
        json!({"n": 1})
    );
    assert_eq!(two.delete("actions/secret").status, 200);
    for (path, _) in &entities {
        assert_eq!(one.get(path).status, 200, "{path}");
    }
    assert_eq!(one.get("rules/link").json()["status"], "active");
}

#[test]
fn activations_of_other_namespaces_are_out_of_reach() {
    let (owl, folder) = daemon();
    let (one, two) = (
        tenant(&owl, folder.path(), "one"),
        tenant(&owl, folder.path(), "two"),
    );
    one.action("secret", "quickjs:1", ECHO, json!({}));
    let id = one.fire("secret", &json!({"of": "one"}));
    one.activation(&id);
    for path in [id.clone(), format!("{id}/logs"), format!("{id}/result")] {
        let path = format!("/api/v1/namespaces/one/activations/{path}");
        let text = forbidden(&format!("one/{id}"));
        two.get(&path).expect_error(403, &text);
        let own = path.replace("/one/", "/_/");
        two.get(&own)
            .expect_error(404, "The requested resource does not exist.");
    }
    assert_eq!(two.get("activations").json(), json!([]));
}
