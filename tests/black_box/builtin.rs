//! The built-in packages of `whisk.system` (reference section 10).

use serde_json::{Value, json};

use crate::client::Client;
use crate::daemon::Setup;

const UTILS: &str = "/api/v1/namespaces/whisk.system/actions/utils";
const PACKAGES: &str = "/api/v1/namespaces/whisk.system/packages";

/// The result of an action of `utils`.
fn result(client: &Client, action: &str, arguments: &Value) -> Value {
    let path = format!("{UTILS}/{action}?blocking=true&result=true");
    let answer = client.post(&path, arguments);
    assert_eq!(answer.status, 200, "{action}: {answer}");
    answer.json()
}

#[test]
fn anybody_sees_and_reads_them() {
    let owl = Setup::new().start();
    let guest = owl.client();
    let listed = guest.get(PACKAGES).json();
    let packages: Vec<_> = listed.as_array().expect("a list").iter().collect();
    let names: Vec<_> = packages.iter().map(|package| &package["name"]).collect();
    assert_eq!(names, ["utils", "samples"]);
    assert!(packages.iter().all(|package| package["publish"] == true));
    let count = guest.get(&format!("{PACKAGES}?count=true")).json();
    assert_eq!(count, json!({"packages": 2}));

    let utils = guest.get(&format!("{PACKAGES}/utils")).json();
    assert_eq!(utils["actions"].as_array().expect("actions").len(), 9);
    let actions = guest.get(&format!("{UTILS}/")).json();
    assert_eq!(actions.as_array().expect("actions").len(), 9);
    let sort = guest.get(&format!("{UTILS}/sort")).json();
    assert_eq!(sort["exec"]["kind"], "builtin");
    assert_eq!(sort["exec"]["binary"], false);
    assert!(sort["exec"]["code"].is_string());
    let without = guest.get(&format!("{UTILS}/sort?code=false")).json();
    assert!(without["exec"].get("code").is_none());
    // The one that manages APIs is not public.
    let private = guest.get(&format!("{PACKAGES}/apimgmt"));
    assert_eq!(private.status, 403, "{private}");
    // Nothing of it can be changed by those who do not own it, and nothing is theirs.
    let delete = guest.delete(&format!("{UTILS}/sort"));
    assert_eq!(delete.status, 403, "{delete}");
    assert_eq!(guest.get("packages").json(), json!([]));
}

#[test]
fn invoked_like_any_action_and_recorded() {
    let owl = Setup::new().start();
    let guest = owl.client();
    let arguments = json!({"b": [1, 2.5], "a": "x"});
    assert_eq!(result(&guest, "echo", &arguments), arguments);
    assert_eq!(
        result(&guest, "namespace", &json!({})),
        json!({"namespace": "guest"})
    );
    let url = result(&guest, "hosturl", &json!({"web": true, "path": "a"}));
    assert_eq!(
        url["url"],
        format!("http://{}/api/v1/web/guest/default/a", owl.address())
    );

    let samples = "/api/v1/namespaces/whisk.system/actions/samples";
    let greeting = guest.post(
        &format!("{samples}/greeting?blocking=true"),
        &json!({"name": "owl"}),
    );
    let payload = greeting.expect_success();
    assert_eq!(payload["payload"], "Hello, owl from somewhere!");
    let id = greeting.json()["activationId"].clone();
    let record = guest.activation(id.as_str().expect("an id"));
    assert_eq!(record["namespace"], "guest");
    assert_eq!(record["name"], "greeting");
    let log = record["logs"][0].as_str().expect("a line");
    assert!(
        log.ends_with("Z stdout: params: {\"name\":\"owl\"}"),
        "{log}"
    );
    let kind = record["annotations"]
        .as_array()
        .expect("annotations")
        .iter();
    let mut kind = kind.filter(|entry| entry["key"] == "kind");
    assert_eq!(kind.next().expect("a kind")["value"], "builtin");

    let failed = guest.post(&format!("{samples}/sort?blocking=true"), &json!({}));
    failed.expect_failure(
        502,
        "application error",
        &json!("You must specify a lines parameter!"),
    );
    // Without waiting, by a timer.
    let later = guest.post(
        &format!("{samples}/wordCountAsync"),
        &json!({"payload": "a b c"}),
    );
    assert_eq!(later.status, 202, "{later}");
    let id = later.json()["activationId"].clone();
    let record = guest.activation(id.as_str().expect("an id"));
    assert_eq!(record["response"]["result"], json!({"count": 3}));
}

#[test]
fn bound_with_parameters_and_used_in_sequences() {
    let owl = Setup::new().start();
    let guest = owl.client();
    let binding = json!({
        "binding": {"namespace": "whisk.system", "name": "utils"},
        "parameters": [{"key": "separator", "value": ","}],
    });
    let bound = guest.put("packages/mine", &binding);
    assert_eq!(bound.status, 200, "{bound}");
    let split = guest.post(
        "actions/mine/split?blocking=true&result=true",
        &json!({"payload": "b,a"}),
    );
    assert_eq!(split.json(), json!({"lines": ["b", "a"], "payload": "b,a"}));
    let components = [
        "/_/mine/split",
        "/whisk.system/utils/sort",
        "/whisk.system/utils/cat",
    ];
    let sequence = json!({"exec": {"kind": "sequence", "components": components}});
    let made = guest.put("actions/sorted", &sequence);
    assert_eq!(made.status, 200, "{made}");
    let sorted = guest.post(
        "actions/sorted?blocking=true&result=true",
        &json!({"payload": "b,a"}),
    );
    assert_eq!(
        sorted.json(),
        json!({"lines": ["a", "b"], "payload": "a\nb"})
    );
}

#[test]
fn the_owner_of_the_namespace_has_own_ones_beside_them() {
    let folder = tempfile::tempdir().expect("make a folder");
    let made = std::process::Command::new(env!("CARGO_BIN_EXE_owl"))
        .args(["key", "--data-dir"])
        .arg(folder.path())
        .args(["create", "whisk.system"])
        .output()
        .expect("run owl key");
    assert!(made.status.success(), "{made:?}");
    let key = String::from_utf8(made.stdout).expect("a key is text");
    let owl = Setup::new().data_dir(folder.path()).start();
    let owner = owl.client_with(Some(key.trim()));

    let action = json!({"exec": {"kind": "quickjs:1", "code": "function main() {}"}});
    let refused = "Operation not permitted on built-in packages and actions.";
    for (path, body) in [
        ("packages/utils?overwrite=true", &json!({"publish": false})),
        ("actions/utils/echo?overwrite=true", &action),
        ("actions/utils/mine", &action),
    ] {
        owner.put(path, body).expect_error(403, refused);
    }
    owner
        .put("packages/utils", &json!({}))
        .expect_error(409, "resource already exists");
    for path in ["packages/utils?force=true", "actions/utils/echo"] {
        owner.delete(path).expect_error(403, refused);
    }

    assert_eq!(
        owner.put("packages/own", &json!({"publish": true})).status,
        200
    );
    assert_eq!(owner.put("actions/own/act", &action).status, 200);
    let names = |list: Value| -> Vec<String> {
        let list = list.as_array().expect("a list").iter();
        list.map(|row| row["name"].as_str().expect("a name").to_string())
            .collect()
    };
    let packages = names(owner.get("packages").json());
    assert_eq!(packages, ["own", "utils", "samples", "apimgmt"]);
    assert_eq!(names(owner.get("actions?limit=2").json()), ["act", "echo"]);
    assert_eq!(
        names(owl.client().get(PACKAGES).json()),
        ["own", "utils", "samples"]
    );
    // Its web actions still manage the APIs of others.
    let apis = owl
        .client()
        .get("/api/v1/web/whisk.system/apimgmt/getApi.http");
    assert_eq!(apis.json(), json!({"apis": []}));
    assert_eq!(owner.delete("packages/own?force=true").status, 200);
}

#[test]
fn large_work_does_not_hold_up_the_others() {
    let owl = Setup::new().start();
    let client = owl.client();
    let lines: Vec<String> = (0..100_000).rev().map(|n| format!("{n:05}")).collect();
    let sorted = result(&client, "sort", &json!({"lines": lines}));
    assert_eq!(sorted["length"], 100_000);
    assert_eq!(sorted["lines"][0], "00000");
    // More than a result may have.
    let payload = "\n".repeat(500_000);
    let path = format!("{UTILS}/split?blocking=true");
    let answer = client.post(&path, &json!({"payload": payload}));
    assert_eq!(answer.status, 502);
    let error = answer.json()["response"]["result"]["error"].to_string();
    assert!(
        error.contains("exceeded the allowed length"),
        "{}",
        &error[..80]
    );
    client.expect_alive();
}
