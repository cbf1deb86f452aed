//! Packages, bindings and what is in them (reference sections 1.5, 2.3, 3.4 and 4.3).

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::client::Client;
use crate::daemon::Setup;

const ECHO: &str = "function main(args) { return args }";

/// Makes a namespace while the daemon runs; gives its `uuid:key`.
fn new_namespace(data_dir: &Path, name: &str) -> String {
    let made = Command::new(env!("CARGO_BIN_EXE_owl"))
        .args(["key", "--data-dir"])
        .arg(data_dir)
        .args(["create", name])
        .output()
        .expect("run owl key");
    assert!(made.status.success(), "{made:?}");
    let text = String::from_utf8(made.stdout).expect("a text");
    text.trim().to_string()
}

/// Creates or changes something and expects that it works.
fn put(client: &Client, path: &str, body: &Value) -> Value {
    let answer = client.put(&format!("{path}?overwrite=true"), body);
    assert_eq!(answer.status, 200, "{path}: {answer}");
    answer.json()
}

fn parameters(pairs: &[(&str, &str)]) -> Value {
    let all = pairs.iter();
    all.map(|(key, value)| json!({"key": key, "value": value}))
        .collect()
}

fn echo(own: &[(&str, &str)]) -> Value {
    json!({"exec": {"kind": "quickjs:1", "code": ECHO}, "parameters": parameters(own)})
}

#[test]
fn parameters_come_from_package_binding_action_and_call() {
    // 11.4-106, 11.4-111, 11.4-115, 11.4-116, 11.4-119
    let data = tempfile::tempdir().expect("a folder");
    let owl = Setup::new().data_dir(data.path()).start();
    let owner = owl.client();
    let guest = owl.client_with(Some(&new_namespace(data.path(), "tenant")));

    let of_package = parameters(&[("p", "package"), ("b", "package"), ("a", "package")]);
    let body = json!({"publish": true, "parameters": of_package});
    put(&owner, "packages/tools", &body);
    let own = echo(&[("a", "action"), ("c", "action")]);
    put(&owner, "actions/tools/echo", &own);
    let of_binding = parameters(&[("b", "binding"), ("a", "binding")]);
    let bound = json!({"binding": {"namespace": "guest", "name": "tools"},
        "parameters": of_binding});
    put(&guest, "packages/mine", &bound);

    let result = |client: &Client, name: &str| {
        let path = format!("{name}?blocking=true&result=true");
        let answer = client.post(&path, &json!({"c": "call"}));
        assert_eq!(answer.status, 200, "{name}: {answer}");
        answer.json()
    };
    let direct = json!({"p": "package", "b": "package", "a": "action", "c": "call"});
    assert_eq!(result(&owner, "actions/tools/echo"), direct);
    let shared = "/api/v1/namespaces/guest/actions/tools/echo";
    assert_eq!(result(&guest, shared), direct);
    assert_eq!(
        result(&guest, "actions/mine/echo"),
        json!({"p": "package", "b": "binding", "a": "action", "c": "call"})
    );
    // Changes of a package and of a binding are seen at the next call.
    put(&guest, "packages/mine", &json!({"parameters": []}));
    assert_eq!(result(&guest, "actions/mine/echo"), direct);
    put(&owner, "packages/tools", &json!({"parameters": []}));
    let left = json!({"a": "action", "c": "call"});
    assert_eq!(result(&guest, "actions/mine/echo"), left);

    // The record is the caller's, and tells the way.
    let record = guest.invoke("mine/echo", &json!({}));
    let record = record.json();
    let annotation = |key: &str| {
        let all = record["annotations"].as_array().expect("annotations");
        let found = all.iter().find(|annotation| annotation["key"] == key);
        found.map(|annotation| annotation["value"].clone())
    };
    assert_eq!(record["namespace"], "tenant");
    assert_eq!(annotation("path"), Some(json!("guest/tools/echo")));
    assert_eq!(annotation("binding"), Some(json!("tenant/mine")));
    let id = record["activationId"].as_str().expect("an id");
    assert_eq!(guest.activation(id)["name"], "echo");
    let list = guest.get("activations?name=mine/echo&limit=1").json();
    assert_eq!(list[0]["activationId"], id);
    assert_eq!(owner.get(&format!("activations/{id}")).status, 404);
}

#[test]
fn what_is_not_published_is_its_owners_alone() {
    // 11.4-93, 11.4-97, 11.4-114, 11.4-117, 11.4-119
    let data = tempfile::tempdir().expect("a folder");
    let owl = Setup::new().data_dir(data.path()).start();
    let owner = owl.client();
    let guest = owl.client_with(Some(&new_namespace(data.path(), "tenant")));
    put(&owner, "packages/shared", &json!({"publish": true}));
    put(&owner, "packages/secret", &json!({}));
    put(&owner, "actions/shared/echo", &echo(&[]));
    put(&owner, "actions/secret/echo", &echo(&[]));
    let bound = json!({"binding": {"namespace": "guest", "name": "shared"}});
    put(&guest, "packages/mine", &bound);

    let names = |client: &Client| -> Vec<String> {
        let rows = client.get("/api/v1/namespaces/guest/packages").json();
        let rows = rows.as_array().expect("a list").iter();
        rows.map(|row| row["name"].as_str().expect("a name").to_string())
            .collect()
    };
    assert_eq!(names(&owner), ["secret", "shared"]);
    assert_eq!(names(&guest), ["shared"]);
    let text = |resource: &str| {
        format!("The supplied authentication is not authorized to access '{resource}'.")
    };
    for name in ["secret", "missing"] {
        let resource = format!("guest/{name}");
        guest
            .get(&format!("/api/v1/namespaces/guest/packages/{name}"))
            .expect_error(403, &text(&resource));
        guest
            .post(
                &format!("/api/v1/namespaces/guest/actions/{name}/echo"),
                &json!({}),
            )
            .expect_error(403, &text(&resource));
    }
    for path in ["echo", "new"] {
        let path = format!("/api/v1/namespaces/guest/actions/shared/{path}");
        guest
            .put(&path, &echo(&[]))
            .expect_error(403, &text("guest/shared"));
        guest.delete(&path).expect_error(403, &text("guest/shared"));
    }
    assert_eq!(guest.invoke("mine/echo", &json!({})).status, 200);
    put(&owner, "packages/shared", &json!({"publish": false}));
    assert_eq!(names(&guest), Vec::<String>::new());
    guest
        .post("actions/mine/echo", &json!({}))
        .expect_error(403, &text("tenant/mine"));
    // A sequence is not run if its caller may not use what it is made of.
    put(&owner, "packages/shared", &json!({"publish": true}));
    let sequence = json!({"exec": {"kind": "sequence", "components": ["/guest/shared/echo"]}});
    put(&guest, "actions/steps", &sequence);
    put(&owner, "packages/shared", &json!({"publish": false}));
    guest
        .post("actions/steps", &json!({}))
        .expect_error(403, &text("guest/shared/echo"));
}

#[test]
fn packages_outlive_the_daemon_and_go_with_what_is_in_them() {
    // 11.4-108, 11.4-120, 11.4-122
    let data = tempfile::tempdir().expect("a folder");
    let owl = Setup::new().data_dir(data.path()).start();
    let client = owl.client();
    put(&client, "packages/p", &json!({}));
    for number in 0..40 {
        put(&client, &format!("actions/p/a{number}"), &echo(&[]));
    }
    put(&client, "actions/other", &echo(&[]));
    assert_eq!(client.invoke("p/a7", &json!({"x": 1})).status, 200);
    owl.kill();

    let owl = Setup::new().data_dir(data.path()).start();
    let client = owl.client();
    let length = |path: &str| {
        let list = client.get(path).json();
        list.as_array().map_or(0, Vec::len)
    };
    assert_eq!(length("actions/p/"), 30);
    assert_eq!(length("actions/p/?limit=0&skip=0"), 40);
    assert_eq!(length("actions?limit=0"), 41);
    let package = client.get("packages/p").json();
    assert_eq!(package["actions"].as_array().map(Vec::len), Some(40));
    client.delete("packages/p").expect_error(
        409,
        "Package not empty (contains 40 entities). Set force param or delete package contents.",
    );
    assert_eq!(client.delete("packages/p?force=true").status, 200);
    assert_eq!(length("actions?limit=0"), 1);
    client
        .post("actions/p/a7", &json!({}))
        .expect_error(404, "The requested resource does not exist.");
    // A new action of an old name has nothing of the old one.
    put(&client, "packages/p", &json!({}));
    let other = json!({"exec": {"kind": "quickjs:1", "code": "() => ({ other: true })"}});
    put(&client, "actions/p/a7", &other);
    assert_eq!(length("actions/p/"), 1);
}

#[test]
fn creating_in_a_package_while_it_is_deleted_leaves_nothing_behind() {
    let owl = Setup::new().start();
    for round in 0..5 {
        put(&owl.client(), "packages/p", &json!({}));
        std::thread::scope(|scope| {
            for worker in 0..4 {
                let client = owl.client();
                scope.spawn(move || {
                    for number in 0..10 {
                        let path = format!("actions/p/a{round}-{worker}-{number}");
                        let answer = client.put(&path, &echo(&[]));
                        assert!([200, 404, 409].contains(&answer.status), "{path}: {answer}");
                    }
                });
            }
            let client = owl.client();
            scope.spawn(move || {
                // Somebody may create something between the look and the deletion.
                while client.delete("packages/p?force=true").status != 200 {}
            });
        });
        let client = owl.client();
        let left = client.get("actions?limit=0").json();
        assert_eq!(client.get("packages/p").status, 404, "{left}");
        assert_eq!(left, json!([]));
    }
}
