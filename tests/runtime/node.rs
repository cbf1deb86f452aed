//! Node actions.

use serde_json::json;

use crate::client::{Runtime, SENTINEL};
use crate::zipped;

fn start() -> Runtime {
    Runtime::start("nodejs:20", &[])
}

#[test]
fn actions_keep_their_globals_and_print_to_their_streams() {
    let mut runtime = start();
    let code = "let n = 0; function main(p) { console.log('out', p); console.error('err'); return {n: ++n, id: process.env.__OW_ACTIVATION_ID, mine: process.env.MINE} }";
    let init = runtime.init_with(json!({"code": code, "env": {"MINE": "1"}}));
    assert_eq!(init, (200, json!({"ok": true})));
    let result = runtime.run(json!({"text": "a\nb"}));
    assert_eq!(result, (200, json!({"n": 1, "id": "a1b2", "mine": "1"})));
    assert_eq!(runtime.stdout(), ["out { text: 'a\\nb' }", SENTINEL]);
    assert_eq!(runtime.stderr(), ["err", SENTINEL]);
    assert_eq!(runtime.run(json!({})).1["n"], 2);
    assert_eq!(runtime.init(code).0, 403);
}

#[test]
fn entry_points_are_variables_exports_or_of_a_module() {
    for (code, main) in [
        ("const other = async () => ({a: 1})", "other"),
        (
            "exports.deep = {main: () => new Promise((r) => setTimeout(() => r({a: 1}), 5))}",
            "deep.main",
        ),
        ("export const main = () => ({a: 1})", "main"),
        (
            "const os = require('os'); module.exports.main = () => ({a: os ? 1 : 0})",
            "main",
        ),
    ] {
        let mut runtime = start();
        let init = runtime.init_with(json!({"code": code, "main": main}));
        assert_eq!(init.0, 200, "{code}: {}", init.1);
        assert_eq!(runtime.run(json!({})), (200, json!({"a": 1})), "{code}");
    }
}

#[test]
fn zipped_packages_bring_their_modules() {
    let mut runtime = start();
    let files = [
        ("package.json", r#"{"main": "lib/start.js"}"#),
        (
            "lib/start.js",
            "const dep = require('dep'); exports.main = () => ({dep, here: require('fs').existsSync('package.json')})",
        ),
        ("node_modules/dep/index.js", "module.exports = 42"),
    ];
    assert_eq!(runtime.init_with(zipped::init("main", &files)).0, 200);
    assert_eq!(
        runtime.run(json!({})),
        (200, json!({"dep": 42, "here": true}))
    );

    let mut runtime = start();
    let files = [
        ("package.json", r#"{"type": "module", "main": "start.js"}"#),
        ("start.js", "export function main() { return {esm: true} }"),
    ];
    assert_eq!(runtime.init_with(zipped::init("main", &files)).0, 200);
    assert_eq!(runtime.run(json!({})), (200, json!({"esm": true})));

    let mut runtime = start();
    let files = [("other.js", "exports.go = () => ({other: true})")];
    assert_eq!(runtime.init_with(zipped::init("other.go", &files)).0, 200);
    assert_eq!(runtime.run(json!({})), (200, json!({"other": true})));
}

#[test]
fn code_that_does_not_load_says_why() {
    for (init, words) in [
        (
            json!({"code": "let x = 1"}),
            "Action entrypoint 'main' is not a function.",
        ),
        (json!({"code": "function main() {"}), "SyntaxError"),
        (
            json!({"code": "throw new Error('at load')"}),
            "Error: at load",
        ),
        (
            json!({"code": "require('nothing')"}),
            "Cannot find module 'nothing'",
        ),
        (json!({"code": "process.exit(7)"}), "ended with code 7"),
        (
            zipped::init("main", &[("x", "y")]),
            "must contain either package.json or index.js",
        ),
    ] {
        let mut runtime = start();
        let (status, body) = runtime.init_with(init);
        assert_eq!(status, 502);
        let message = body["error"].as_str().unwrap();
        assert!(
            message.starts_with("Initialization has failed due to: "),
            "{message}"
        );
        assert!(
            message.contains(words) && !message.contains("launcher.js"),
            "{message}"
        );
        assert_eq!(runtime.stdout(), [SENTINEL]);
    }
}

#[test]
fn throwing_rejecting_and_other_results_are_as_in_apaches_runtime() {
    for (body, answer) in [
        (
            "throw new Error('x')",
            (502, json!({"error": "An error has occurred: Error: x"})),
        ),
        ("return Promise.reject('x')", (200, json!({"error": "x"}))),
        ("return Promise.reject()", (200, json!({"error": {}}))),
        (
            "return 5",
            (
                502,
                json!({"error": "The action did not return a dictionary or array."}),
            ),
        ),
        ("return [1]", (200, json!([1]))),
        ("", (200, json!({}))),
        ("return {error: 'no'}", (200, json!({"error": "no"}))),
    ] {
        let mut runtime = start();
        runtime.init(&format!("function main() {{ {body} }}"));
        assert_eq!(runtime.run(json!({})), answer, "{body}");
    }
}

#[test]
fn an_action_that_exits_takes_the_sandbox_with_it() {
    for body in [
        "process.exit(3)",
        "setTimeout(() => { throw new Error('later') }); return new Promise(() => {})",
    ] {
        let mut runtime = start();
        runtime.init(&format!("function main() {{ {body} }}"));
        assert!(runtime.try_run(json!({})).is_err(), "{body}");
        assert!(!runtime.wait().success());
        assert_eq!(runtime.stdout(), [SENTINEL]);
    }
}

#[test]
fn an_action_that_ends_between_calls_takes_the_sandbox_with_it() {
    let mut runtime = start();
    runtime.init("function main() { setTimeout(() => process.exit(4), 10); return {a: 1} }");
    assert_eq!(runtime.run(json!({})), (200, json!({"a": 1})));
    assert_eq!(runtime.wait().code(), Some(4));
}

#[test]
fn large_arguments_and_results_pass() {
    let mut runtime = start();
    runtime.init("function main(p) { return {text: p.text + p.text} }");
    let (status, body) = runtime.run(json!({"text": "ü".repeat(1 << 20)}));
    assert_eq!(
        (status, body["text"].as_str().unwrap().len()),
        (200, 4 << 20)
    );
}
