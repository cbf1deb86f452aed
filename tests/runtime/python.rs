//! Python actions.

use std::time::Duration;

use serde_json::json;

use crate::client::{Runtime, SENTINEL, deadline};
use crate::zipped;

fn start() -> Runtime {
    Runtime::start("python:3", &[])
}

#[test]
fn actions_keep_their_globals_and_print_to_their_streams() {
    let mut runtime = start();
    let code = "
import os, sys
n = 0
def main(args):
    global n
    n += 1
    print('out', args)
    print('err', file=sys.stderr)
    return {'n': n, 'id': os.environ['__OW_ACTIVATION_ID'], 'mine': os.environ['MINE'], 'ü': '€'}
";
    let init = runtime.init_with(json!({"code": code, "env": {"MINE": "1"}}));
    assert_eq!(init, (200, json!({"ok": true})));
    let result = runtime.run(json!({"text": "a\nb"}));
    assert_eq!(
        result,
        (200, json!({"n": 1, "id": "a1b2", "mine": "1", "ü": "€"}))
    );
    assert_eq!(runtime.stdout(), ["out {'text': 'a\\nb'}", SENTINEL]);
    assert_eq!(runtime.stderr(), ["err", SENTINEL]);
    assert_eq!(runtime.run(json!({})).1["n"], 2);
}

#[test]
fn other_entry_points_and_zipped_packages_are_found() {
    let mut runtime = start();
    runtime.init_with(json!({"code": "def go(args): return {'a': 1}", "main": "go"}));
    assert_eq!(runtime.run(json!({})), (200, json!({"a": 1})));

    let mut runtime = start();
    let files = [
        (
            "__main__.py",
            "from helper import answer\ndef main(args): return {'a': answer(), 'here': open('helper.py').read() != ''}",
        ),
        ("helper.py", "def answer(): return 42"),
    ];
    assert_eq!(runtime.init_with(zipped::init("main", &files)).0, 200);
    assert_eq!(
        runtime.run(json!({})),
        (200, json!({"a": 42, "here": true}))
    );
}

#[test]
fn code_that_does_not_load_says_why() {
    for (init, words) in [
        (
            json!({"code": "x = 1"}),
            "Action entrypoint 'main' is not a function.",
        ),
        (json!({"code": "def main("}), "SyntaxError"),
        (
            json!({"code": "import nothing"}),
            "No module named 'nothing'",
        ),
        (json!({"code": "import sys; sys.exit(7)"}), "SystemExit: 7"),
        (
            zipped::init("main", &[("x", "y")]),
            "must contain __main__.py",
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
            message.contains(words) && !message.contains("launcher.py"),
            "{message}"
        );
        assert_eq!(runtime.stdout(), [SENTINEL]);
    }
}

#[test]
fn exceptions_are_results_and_other_results_are_refused() {
    for (body, answer) in [
        ("raise ValueError('x')", (200, json!({"error": "x"}))),
        (
            "return 5",
            (
                502,
                json!({"error": "The action did not return a dictionary or array."}),
            ),
        ),
        (
            "return None",
            (
                502,
                json!({"error": "The action did not return a dictionary or array."}),
            ),
        ),
        ("return [1]", (200, json!([1]))),
        ("return {'error': 'no'}", (200, json!({"error": "no"}))),
        (
            "return {'x': {1}}",
            (
                200,
                json!({"error": "Object of type set is not JSON serializable"}),
            ),
        ),
    ] {
        let mut runtime = start();
        runtime.init(&format!("def main(args): {body}"));
        assert_eq!(runtime.run(json!({})), answer, "{body}");
    }
}

#[test]
fn a_run_is_ended_after_its_deadline_with_all_that_it_started() {
    let mut runtime = start();
    runtime.init("import subprocess\ndef main(args): subprocess.run(['sleep', '1000'])");
    let body = json!({"value": {}, "deadline": deadline(Duration::from_millis(100))});
    let (status, answer) = runtime.post("/run", &body.to_string()).unwrap();
    assert_eq!(status, 502);
    assert!(
        answer["error"]
            .as_str()
            .unwrap()
            .contains("exceeded its time limits"),
        "{answer}"
    );
    assert_eq!(runtime.wait().code(), Some(1));
}
