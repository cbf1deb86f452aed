//! The kind `quickjs:1`.

use std::time::Duration;

use serde_json::json;

use crate::client::{Runtime, SENTINEL, deadline};

fn error(message: &str) -> serde_json::Value {
    json!({"error": message})
}

#[test]
fn logs_go_to_their_stream_and_end_with_the_sentinel() {
    let mut runtime = Runtime::start("quickjs:1", &[]);
    let code = "function main(p) {
        console.log('out %s', 1); console.info({a: [1]}); console.debug('x\\ny');
        console.warn('warned'); console.error(new Map());
        return {} }";
    assert_eq!(runtime.init(code).0, 200);
    assert_eq!(runtime.stdout(), [""; 0]);
    runtime.run(json!({}));
    assert_eq!(
        runtime.stdout(),
        ["out 1", "{ a: [ 1 ] }", "x", "y", SENTINEL]
    );
    assert_eq!(runtime.stderr(), ["warned", "Map(0) {}", SENTINEL]);
    runtime.run(json!({}));
    assert_eq!(runtime.stdout().len(), 10);
}

#[test]
fn a_failed_init_ends_its_log_and_leaves_the_proxy_unusable() {
    let mut runtime = Runtime::start("quickjs:1", &[]);
    let (status, body) = runtime.init("console.log('loading'); throw new Error('no')");
    assert_eq!(status, 502);
    let message = body["error"].as_str().unwrap();
    assert!(
        message.starts_with("Initialization has failed due to: Error: no"),
        "{message}"
    );
    assert!(
        !message.contains("owl:"),
        "frames of the library: {message}"
    );
    assert_eq!(runtime.stdout(), ["loading", SENTINEL]);
    assert_eq!(runtime.stderr(), [SENTINEL]);
    assert_eq!(runtime.run(json!({})).0, 403);
}

#[test]
fn init_comes_once_and_before_run() {
    let mut runtime = Runtime::start("quickjs:1", &[]);
    assert_eq!(
        runtime.run(json!({})),
        (403, error("The action has not been initialized."))
    );
    assert_eq!(runtime.init("function main() { return {first: 1} }").0, 200);
    let again = runtime.init("function main() { return {second: 1} }");
    assert_eq!(
        again,
        (403, error("Cannot initialize the action more than once."))
    );
    assert_eq!(runtime.run(json!({})), (200, json!({"first": 1})));
}

#[test]
fn variables_come_from_the_container_from_init_and_from_each_run() {
    let mut runtime = Runtime::start("quickjs:1", &[]);
    let code = "function main() { const e = process.env; return [e.TMPDIR, e.MINE, e.__OW_ACTIVATION_ID, e.__OW_ACTION_NAME] }";
    let tmp = runtime.dir().to_str().unwrap().to_owned();
    runtime.init_with(json!({"code": code, "env": {"MINE": "1", "__OW_ACTIVATION_ID": "first"}}));
    assert_eq!(
        runtime.run(json!({})).1,
        json!([tmp, "1", "a1b2", "/guest/test"])
    );
}

#[test]
fn zipped_code_is_refused_with_what_to_do() {
    let mut runtime = Runtime::start("quickjs:1", &[]);
    let (status, body) = runtime.init_with(json!({"code": "UEsDBA==", "binary": true}));
    assert_eq!(status, 502);
    assert!(
        body["error"]
            .as_str()
            .unwrap()
            .contains("needs a nodejs kind"),
        "{body}"
    );
    let mut runtime = Runtime::start("quickjs:1", &[]);
    assert_eq!(
        runtime.init_with(json!({})),
        (403, error("Missing main/no code to execute."))
    );
}

#[test]
fn too_much_memory_is_said_so_and_the_process_survives_it() {
    let exhausted = (
        502,
        error("The action exhausted its memory and was aborted."),
    );
    for body in [
        "const a = []; while (true) a.push({});",
        "const a = []; while (true) a.push('x'.repeat(1e5) + a.length);",
        "new ArrayBuffer(1e9);",
        "await null; const a = []; while (true) a.push([1]);",
        "kept = []; while (true) kept.push({});",
    ] {
        let mut runtime = Runtime::start("quickjs:1", &["--memory", "24"]);
        let code = format!(
            "let kept; {} main() {{ {body} }}",
            if body.starts_with("await") {
                "async function"
            } else {
                "function"
            }
        );
        assert_eq!(runtime.init(&code).0, 200);
        assert_eq!(runtime.run(json!({})), exhausted, "{body}");
        assert!(runtime.terminate().success());
    }
}

#[test]
fn a_run_is_interrupted_after_its_deadline() {
    let mut runtime = Runtime::start("quickjs:1", &[]);
    runtime.init("function main(p) { while (p.loop); return {} }");
    let body = json!({"value": {"loop": true}, "deadline": deadline(Duration::from_millis(50))});
    let (status, answer) = runtime.post("/run", &body.to_string()).unwrap();
    assert_eq!(status, 502);
    assert!(
        answer["error"]
            .as_str()
            .unwrap()
            .contains("exceeded its time limits"),
        "{answer}"
    );
}

#[test]
fn an_action_that_exits_takes_the_sandbox_with_it() {
    let mut runtime = Runtime::start("quickjs:1", &[]);
    runtime.init("function main() { process.exit(3) }");
    assert!(runtime.try_run(json!({})).is_err());
    assert_eq!(runtime.wait().code(), Some(3));
}

#[test]
fn sigterm_ends_it_even_while_an_action_runs() {
    let mut runtime = Runtime::start("quickjs:1", &[]);
    runtime.init("function main() { console.log('on'); while (true); }");
    let mut busy = runtime.connect();
    let body = r#"{"value":{}}"#;
    let request = format!(
        "POST /run HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    std::io::Write::write_all(&mut busy, request.as_bytes()).unwrap();
    crate::client::wait_until("the action runs", || !runtime.stdout().is_empty());
    assert!(runtime.terminate().success());
}

#[test]
fn large_arguments_and_results_pass() {
    let mut runtime = Runtime::start("quickjs:1", &[]);
    runtime.init("function main(p) { return {text: p.text + p.text} }");
    let text = "ü".repeat(1 << 20);
    let (status, body) = runtime.run(json!({"text": text}));
    assert_eq!(
        (status, body["text"].as_str().unwrap().len()),
        (200, 4 << 20)
    );
}
