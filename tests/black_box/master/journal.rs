//! Writes of every kind without the link, what becomes of them when it is back, and `owl sync`.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::Both;
use crate::client::Client;
use crate::daemon::Setup;

/// Runs `owl sync` on a store that a daemon has open, and gives what it prints.
pub fn owl_sync(folder: &Path, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(env!("CARGO_BIN_EXE_owl"))
        .args(["sync", "--data-dir"])
        .arg(folder)
        .args(arguments)
        .output()
        .expect("run owl sync");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    match output.status.success() {
        true => Ok(text(output.stdout)),
        false => Err(text(output.stderr)),
    }
}

/// Two OWLs, and the folder of the gateway's store.
fn both() -> (Both, TempDir) {
    let folder = tempfile::tempdir().expect("make a folder");
    let gateway = Setup::new()
        .env("OWL_REVALIDATE", "0")
        .env("OWL_OFFLINE_WRITES", "journal")
        .data_dir(folder.path());
    (Both::start(gateway), folder)
}

fn code(text: &str) -> Value {
    let code = format!("function main(a) {{ return {{ text: '{text}', k: a.k }} }}");
    json!({"exec": {"kind": "quickjs:1", "code": code}})
}

fn parameters(value: &str) -> Value {
    json!({"parameters": [{"key": "k", "value": value}]})
}

/// Makes a change that must be made.
fn put(client: &Client, path: &str, body: &Value) {
    let answer = client.put(path, body);
    assert_eq!(answer.status, 200, "{path}: {answer}");
}

/// Waits until the journal has no entry that waits.
fn until_replayed(folder: &Path) -> String {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let status = owl_sync(folder, &["status"]).expect("a status");
        let summary = status.lines().last().unwrap_or_default();
        if summary.starts_with("the journal is empty") || summary.starts_with("0 wait") {
            return status;
        }
        assert!(
            Instant::now() < deadline,
            "not replayed until now:\n{status}"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Waits until the gateway knows that it can reach the master.
fn until_up(gateway: &Client) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while gateway.get("/").json()["master"]["state"] != "up" {
        assert!(Instant::now() < deadline, "the gateway finds its master");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Expects that both sides show the same of a path.
fn expect_same(both: &Both, path: &str) {
    let (gateway, master) = both.clients();
    let (here, there) = (gateway.get(path), master.get(path));
    assert_eq!(here.header("X-Owl-Offline"), None, "{path}");
    assert_eq!(here.status, there.status, "{path}");
    if here.status == 200 {
        assert_eq!(here.json(), there.json(), "{path}");
    }
}

#[test]
fn writes_of_every_kind_come_to_the_master_in_their_order() {
    let (both, folder) = both();
    let (gateway, master) = both.clients();
    put(&master, "packages/p", &parameters("p"));
    put(&master, "actions/p/a", &code("old"));
    put(&master, "packages/d", &json!({}));
    put(&master, "actions/d/a", &code("old"));
    put(&master, "actions/a", &code("old"));
    put(&master, "triggers/t", &json!({}));
    let rule = |trigger: &str, action: &str| json!({"trigger": format!("/_/{trigger}"), "action": format!("/_/{action}")});
    put(&master, "rules/r", &rule("t", "a"));
    let known = [
        "packages/p",
        "actions/p/a",
        "packages/d",
        "actions/d/a",
        "actions/a",
        "triggers/t",
        "rules/r",
    ];
    for path in known {
        assert_eq!(gateway.get(path).status, 200, "{path}");
    }
    both.link.cut();

    put(&gateway, "packages/q", &parameters("q"));
    put(&gateway, "actions/q/b", &code("new"));
    put(
        &gateway,
        "packages/bound",
        &json!({"binding": {"namespace": "_", "name": "q"}}),
    );
    let parts = json!({"exec": {"kind": "sequence", "components": ["/_/a", "/_/q/b"]}});
    put(&gateway, "actions/s", &parts);
    put(&gateway, "triggers/u", &parameters("u"));
    put(&gateway, "rules/v", &rule("u", "q/b"));
    assert_eq!(
        gateway
            .post("rules/v", &json!({"status": "inactive"}))
            .status,
        200
    );
    put(&gateway, "rules/r?overwrite=true", &rule("u", "a"));
    put(&gateway, "triggers/u?overwrite=true", &parameters("more"));
    put(
        &gateway,
        "packages/p?overwrite=true",
        &parameters("changed"),
    );
    put(&gateway, "actions/p/a?overwrite=true", &code("changed"));
    put(&gateway, "actions/a?overwrite=true", &code("1"));
    put(&gateway, "actions/a?overwrite=true", &code("2"));
    assert_eq!(gateway.delete("packages/d").status, 409);
    assert_eq!(gateway.delete("packages/d?force=true").status, 200);
    assert_eq!(
        gateway.get("triggers/u").json()["rules"]
            .as_object()
            .unwrap()
            .len(),
        2
    );
    let waiting = owl_sync(folder.path(), &["status"]).unwrap();
    assert!(waiting.contains("14 wait for the master"), "{waiting}");
    assert_eq!(gateway.get("/").json()["master"]["journal"]["waiting"], 14);

    both.link.restore();
    let status = until_replayed(folder.path());
    assert!(status.starts_with("the journal is empty"), "{status}");
    // What has come to the master is known here from then on, without anybody asking for it.
    both.link.cut();
    for path in ["triggers/u", "rules/v", "actions/q/b", "packages/bound"] {
        assert_eq!(gateway.get(path).status, 200, "{path}");
    }
    both.link.restore();
    until_up(&gateway);
    let new = [
        "packages/q",
        "actions/q/b",
        "packages/bound",
        "actions/bound/b",
        "actions/s",
        "triggers/u",
        "rules/v",
    ];
    for path in known.into_iter().chain(new) {
        expect_same(&both, path);
    }
    for list in ["actions", "packages", "triggers", "rules"] {
        expect_same(&both, list);
    }
    assert_eq!(master.get("actions/d/a").status, 404);
    assert_eq!(master.get("actions/a").json()["version"], "0.0.3");
    let rules = master.get("triggers/u").json()["rules"].clone();
    assert_eq!(rules["guest/v"]["status"], "inactive");
    assert_eq!(rules["guest/r"]["status"], "active");

    // The copies are the master's from now on: they go on without it.
    both.link.cut();
    let result = gateway.invoke("bound/b", &json!({})).expect_success();
    assert_eq!(result, json!({"text": "new", "k": "q"}));
    assert_eq!(gateway.get("triggers/u").json()["rules"], rules);
    put(&gateway, "actions/q/b?overwrite=true", &code("newer"));
    both.link.restore();
    let status = until_replayed(folder.path());
    assert!(status.starts_with("the journal is empty"), "{status}");
    expect_same(&both, "actions/q/b");
}

#[test]
fn conflicts_are_kept_until_somebody_decides() {
    let (both, folder) = both();
    let (gateway, master) = both.clients();
    let sync = |arguments: &[&str]| owl_sync(folder.path(), arguments);
    for path in ["packages/p", "triggers/t", "triggers/other"] {
        put(&master, path, &parameters("base"));
        assert_eq!(gateway.get(path).status, 200);
    }
    for path in ["actions/a", "actions/p/a", "actions/gone"] {
        put(&master, path, &code("base"));
        assert_eq!(gateway.get(path).status, 200);
    }
    let rule = |trigger: &str| json!({"trigger": format!("/_/{trigger}"), "action": "/_/a"});
    put(&master, "rules/r", &rule("t"));
    assert_eq!(gateway.get("rules/r").status, 200);
    both.link.cut();
    let changes = [
        ("actions/a", code("ours"), code("theirs")),
        ("actions/p/a", code("ours"), code("theirs")),
        ("packages/p", parameters("ours"), parameters("theirs")),
        ("triggers/t", parameters("ours"), parameters("theirs")),
        ("rules/r", rule("other"), rule("t")),
    ];
    for (path, ours, theirs) in &changes {
        put(&gateway, &format!("{path}?overwrite=true"), ours);
        put(&master, &format!("{path}?overwrite=true"), theirs);
    }
    put(&gateway, "actions/gone?overwrite=true", &code("ours"));
    assert_eq!(master.delete("actions/gone").status, 200);
    both.link.restore();

    let status = until_replayed(folder.path());
    assert!(status.contains("6 came to nothing"), "{status}");
    assert!(
        status.contains("it has been changed at the master meanwhile"),
        "{status}"
    );
    assert!(
        status.contains("it has been deleted at the master meanwhile"),
        "{status}"
    );
    for (path, ..) in &changes {
        expect_same(&both, path);
    }
    assert_eq!(gateway.get("actions/gone").status, 404);
    // The rule that was kept fires nothing.
    expect_same(&both, "triggers/t");
    expect_same(&both, "triggers/other");
    let kept = |name: &str| {
        let line = status
            .lines()
            .find(|line| line.contains(&format!("kept as guest/{name}.kept-")));
        let line = line.unwrap_or_else(|| panic!("{name} is not kept:\n{status}"));
        line.rsplit('/').next().unwrap().to_owned()
    };
    let of_action = kept("a");
    let run = gateway.invoke(&of_action, &json!({})).expect_success();
    assert_eq!(run["text"], "ours");
    assert_eq!(
        gateway.get(&format!("rules/{}", kept("r"))).json()["status"],
        "inactive"
    );
    let of_trigger = gateway.get(&format!("triggers/{}", kept("t"))).json();
    assert_eq!(
        (&of_trigger["rules"], &of_trigger["parameters"][0]["value"]),
        (&Value::Null, &json!("ours"))
    );

    let diff = sync(&["diff", "1"]).unwrap();
    assert!(
        diff.contains("\n-function main(a) { return { text: 'theirs'"),
        "{diff}"
    );
    assert!(
        diff.contains("\n+function main(a) { return { text: 'ours'"),
        "{diff}"
    );

    // One is sent over the master's, one is dropped by a tool and one by a client.
    assert_eq!(
        sync(&["retry", "1"]).unwrap(),
        "entry 1 waits for the master again\n"
    );
    let deadline = Instant::now() + Duration::from_secs(60);
    while !master.get("actions/a").json()["exec"]["code"]
        .as_str()
        .unwrap()
        .contains("ours")
    {
        assert!(Instant::now() < deadline, "the daemon does not try again");
        std::thread::sleep(Duration::from_millis(100));
    }
    until_replayed(folder.path());
    expect_same(&both, "actions/a");
    assert_eq!(gateway.get(&format!("actions/{of_action}")).status, 404);
    assert_eq!(
        sync(&["drop", "2", "3"]).unwrap(),
        "dropped entry 2\ndropped entry 3\n"
    );
    assert_eq!(gateway.get(&format!("packages/{}", kept("p"))).status, 404);
    assert_eq!(
        gateway.delete(&format!("triggers/{}", kept("t"))).status,
        200
    );
    assert_eq!(gateway.get(&format!("triggers/{}", kept("t"))).status, 404);
    expect_same(&both, "triggers/t");
    let missing = sync(&["drop", "77"]).unwrap_err();
    assert!(missing.contains("the journal has no entry 77"), "{missing}");
    assert!(sync(&["retry"]).unwrap_err().contains("name the numbers"));
}
