//! What a caller gets of an invocation that a tier has taken over, whatever happens meanwhile.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Fake, Reply, Seen};
use crate::daemon::Setup;
use crate::docker;

/// The id of every activation on a tier that plays a script.
const THERE: &str = "0123456789abcdef0123456789abcdef";

const ECHO: &str = "function main(a) { return a }";

/// A gateway that runs nothing itself, before these tiers.
fn before(tiers: &[String]) -> Setup {
    Setup::new()
        .env("OWL_TIERS", tiers.join(","))
        .env("OWL_DELEGATE_ON_FAILURE", "true")
        .env("OWL_HOST_CAPACITY", "0")
}

fn record(result: &Value) -> Value {
    json!({
        "activationId": THERE, "start": 1, "end": 8, "duration": 7,
        "response": {"status": "success", "success": true, "result": result},
        "annotations": [], "logs": ["a line there"],
    })
}

fn place(record: &Value) -> Value {
    let annotations = record["annotations"].as_array().expect("annotations");
    let found = annotations.iter().find(|found| found["key"] == "owl-tier");
    found.map_or(Value::Null, |found| found["value"].clone())
}

fn is_invocation(seen: &Seen) -> bool {
    seen.line.starts_with("POST ")
}

#[test]
fn a_kill_loses_nothing_that_a_tier_has() {
    let is_done = Arc::new(AtomicBool::new(false));
    let done = is_done.clone();
    let fake = Fake::start(move |seen| match is_invocation(seen) {
        true => Reply::Json(202, json!({"activationId": THERE})),
        false if done.load(Ordering::Relaxed) => Reply::Json(200, record(&json!({"n": 1}))),
        false => Reply::Json(404, json!({"error": "not yet", "code": "x"})),
    });
    let folder = tempfile::tempdir().expect("a folder");
    let start = || before(&[fake.url()]).data_dir(folder.path()).start();
    let gateway = start();
    let here = gateway.client();
    here.action("a", "quickjs:1", ECHO, json!({}));
    let id = here.fire("a", &json!({"n": 1}));
    let mut invocations = 0;
    let deadline = Instant::now() + Duration::from_secs(60);
    // The second question comes after the id was written down.
    let mut questions = 0;
    while questions < 2 {
        let (posts, gets): (Vec<_>, Vec<_>) = fake.seen().into_iter().partition(is_invocation);
        invocations += posts.len();
        questions += gets.len();
        assert!(Instant::now() < deadline, "the tier is not asked");
        thread::sleep(Duration::from_millis(10));
    }
    gateway.kill();
    is_done.store(true, Ordering::Relaxed);
    let gateway = start();
    let record = gateway.client().activation(&id);
    assert_eq!(record["response"]["result"], json!({"n": 1}), "{record}");
    assert_eq!(record["logs"], json!(["a line there"]));
    let expected = json!({"url": fake.url(), "reason": "no-capacity", "activationId": THERE});
    assert_eq!(place(&record), expected);
    invocations += fake
        .seen()
        .iter()
        .filter(|seen| is_invocation(seen))
        .count();
    assert_eq!(invocations, 1, "it has run once");
}

#[test]
fn a_key_that_a_tier_does_not_know_is_no_matter_of_the_caller() {
    let fake = Fake::start(|seen| match is_invocation(seen) {
        true => Reply::Json(
            401,
            json!({"error": "The supplied authentication is invalid.", "code": "x"}),
        ),
        false => Reply::Json(404, json!({})),
    });
    let tier = Setup::new().start();
    let far = format!("http://{}", tier.address());
    let gateway = before(&[fake.url(), far.clone()]).start();
    let (here, there) = (gateway.client(), tier.client());
    for client in [&here, &there] {
        client.action("a", "quickjs:1", ECHO, json!({}));
    }
    for _ in 0..2 {
        let answer = here.invoke("a", &json!({"n": 1}));
        assert_eq!(answer.expect_success(), json!({"n": 1}));
        assert_eq!(place(&answer.json())["url"], far);
    }
    let told = "does not take over what guest invokes: it answers 401";
    assert_eq!(gateway.log().matches(told).count(), 1, "{}", gateway.log());

    let gateway = before(&[fake.url()]).start();
    let here = gateway.client();
    here.action("a", "quickjs:1", ECHO, json!({}));
    let answer = here.invoke("a", &json!({}));
    let told = answer.error(503);
    assert!(
        told.contains("host capacity is 0") && told.contains("401"),
        "{told}"
    );
    let id = answer.header("X-OpenWhisk-Activation-Id").expect("an id");
    assert_eq!(here.activation(id)["response"]["result"]["error"], told);
}

#[test]
fn answers_have_the_form_that_was_asked_for() {
    let tier = Setup::new().start();
    let url = format!("http://{}", tier.address());
    let gateway = before(&[url]).start();
    let (here, there) = (gateway.client(), tier.client());
    let page = "function main(a) { return { statusCode: 201, headers: { 'X-Made': a.who }, \
                body: a.__ow_method + ' ' + a.n } }";
    let odd = "function main(a) { if (a.fail) { return { error: 'mine' } } throw new Error('x') }";
    let late = "function main() { const end = Date.now() + 1500; while (Date.now() < end) {} \
                return { late: true } }";
    let large = "function main(a) { return { p: 'x'.repeat(900000), n: a.p.length } }";
    for (client, who) in [(&here, "here"), (&there, "there")] {
        let body = json!({
            "exec": {"kind": "quickjs:1", "code": page},
            "parameters": [{"key": "who", "value": who}],
            "annotations": [{"key": "web-export", "value": true}],
        });
        assert_eq!(client.put("actions/page", &body).status, 200);
        for (name, code) in [
            ("echo", ECHO),
            ("odd", odd),
            ("late", late),
            ("large", large),
        ] {
            client.action(name, "quickjs:1", code, json!({}));
        }
    }
    let web = gateway.client_with(None);
    let answer = web.get("/api/v1/web/guest/default/page?n=7");
    assert_eq!(
        (answer.status, answer.header("X-Made")),
        (201, Some("there"))
    );
    assert_eq!(String::from_utf8_lossy(&answer.body), "get 7");

    let answer = here.post("actions/echo?blocking=true&result=true", &json!({"n": 1}));
    assert_eq!((answer.status, answer.json()), (200, json!({"n": 1})));

    // Errors of the action are its results.
    let answer = here.invoke("odd", &json!({"fail": true}));
    answer.expect_failure(502, "application error", &json!("mine"));
    let answer = here.invoke("odd", &json!({}));
    assert_eq!(answer.status, 502, "{answer}");
    assert_eq!(
        answer.json()["response"]["status"],
        there.invoke("odd", &json!({})).json()["response"]["status"]
    );

    let payload = json!({"p": "y".repeat(900_000)});
    let result = here.invoke("large", &payload).expect_success();
    assert_eq!(result["n"], 900_000);
    assert_eq!(result["p"].as_str().map(str::len), Some(900_000));

    // Who does not wait so long gets the id under which the result comes.
    let answer = here.post("actions/late?blocking=true&timeout=100", &json!({}));
    assert_eq!(answer.status, 202, "{answer}");
    let id = answer.json()["activationId"]
        .as_str()
        .expect("an id")
        .to_string();
    let record = here.activation(&id);
    assert_eq!(record["response"]["result"], json!({"late": true}));
    assert_ne!(place(&record)["activationId"], json!(id));
}

/// An image for machines that this is none of, and that nothing plays here.
struct Foreign(String);

impl Foreign {
    fn load() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        let write = |name: &str, bytes: &[u8]| std::fs::write(path(name), bytes).expect("write");
        // The head of a program for RISC-V, and nothing behind it.
        let mut head = b"\x7fELF\x02\x01\x01".to_vec();
        head.resize(16, 0);
        head.extend([2, 0, 243, 0]);
        head.resize(128, 0);
        write("action", &head);
        let tar = |name: &str, files: &[&str]| {
            let mut tar = Command::new("tar");
            tar.current_dir(folder.path())
                .args(["--mode=755", "-cf", name]);
            assert!(tar.args(files).status().expect("run tar").success());
        };
        tar("layer.tar", &["action"]);
        let sum = Command::new("sha256sum").arg(path("layer.tar")).output();
        let sum = String::from_utf8(sum.expect("run sha256sum").stdout).expect("a sum");
        let sum = sum.split_whitespace().next().expect("a sum");
        let config = json!({
            "architecture": "riscv64", "os": "linux", "config": {"Cmd": ["/action"]},
            "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{sum}")]},
        });
        write("config.json", config.to_string().as_bytes());
        let name = format!("owl-test/foreign-{}:test", std::process::id());
        let manifest =
            json!([{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]);
        write("manifest.json", manifest.to_string().as_bytes());
        tar("image.tar", &["manifest.json", "config.json", "layer.tar"]);
        let image = path("image.tar");
        let image = image.to_str().expect("a path in UTF-8");
        docker::docker(&docker::host(), &["load", "--input", image]);
        Foreign(name)
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        let mut remove = Command::new("docker");
        remove.args(["--host", &docker::host(), "rmi", "--force", &self.0]);
        remove.output().ok();
    }
}

#[test]
fn an_image_for_other_machines_runs_on_a_tier_or_is_named() {
    let image = Foreign::load();
    let fake = Fake::start(|seen| match is_invocation(seen) {
        true => Reply::Json(200, record(&json!({"from": "there"}))),
        false => Reply::Json(404, json!({})),
    });
    let body = json!({"exec": {"kind": "blackbox", "image": image.0}});
    let gateway = |on_failure| {
        Setup::with_docker()
            .env("OWL_TIERS", fake.url())
            .env("OWL_BLACKBOX_AUTO_PULL", "false")
            .env("OWL_DELEGATE_ON_FAILURE", on_failure)
            .start()
    };
    let bursting = gateway("true");
    let here = bursting.client();
    assert_eq!(here.put("actions/a", &body).status, 200);
    // The second one is not tried here any more.
    for _ in 0..2 {
        let answer = here.invoke("a", &json!({}));
        assert_eq!(answer.expect_success(), json!({"from": "there"}));
        assert_eq!(place(&answer.json())["reason"], "architecture", "{answer}");
    }
    drop(bursting);

    let alone = gateway("false");
    let here = alone.client();
    assert_eq!(here.put("actions/a", &body).status, 200);
    let told = here.invoke("a", &json!({})).error(503);
    assert!(
        told.contains(&image.0) && !told.contains("exec format"),
        "{told}"
    );
    assert_eq!(
        fake.seen()
            .iter()
            .filter(|seen| is_invocation(seen))
            .count(),
        2
    );
}
