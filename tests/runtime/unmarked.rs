//! Logs that are empty, and need no end marks where the platform says so.

use serde_json::json;

use crate::client::{Runtime, SENTINEL, wait_until};

/// Prints as its arguments say, at once and after its answer.
const SCRIPT: &str = "function main(p) { if (p.now) console.log(p.now); if (p.error) console.error(p.error); if (p.later) setTimeout(() => console.log(p.later), 20); return {a: 1} }";

const PYTHON: &str = "import sys\ndef main(p):\n    if 'now' in p:\n        print(p['now'])\n    if 'error' in p:\n        print(p['error'], file=sys.stderr)\n    return {'a': 1}";

#[test]
fn an_empty_log_has_no_marks_and_every_other_one_has() {
    for (kind, code) in [
        ("quickjs:1", SCRIPT),
        ("nodejs:20", SCRIPT),
        ("python:3", PYTHON),
    ] {
        let mut runtime = Runtime::start(kind, &[]);
        assert_eq!(runtime.init(code).0, 200, "{kind}");
        for _ in 0..3 {
            let answer = runtime.run_unmarked(json!({}));
            assert_eq!(answer, (200, json!({"a": 1}), true), "{kind}");
        }
        assert!(!runtime.run_unmarked(json!({"now": "a"})).2, "{kind}");
        assert!(runtime.run_unmarked(json!({})).2, "{kind}");
        assert!(!runtime.run_unmarked(json!({"error": "b"})).2, "{kind}");
        assert!(runtime.run_unmarked(json!({})).2, "{kind}");
        // Without being asked for, there are always marks.
        assert_eq!(runtime.run(json!({})).0, 200);
        assert_eq!(
            runtime.stdout(),
            ["a", SENTINEL, SENTINEL, SENTINEL],
            "{kind}"
        );
        assert_eq!(
            runtime.stderr(),
            [SENTINEL, "b", SENTINEL, SENTINEL],
            "{kind}"
        );
    }
}

#[test]
fn what_is_printed_while_loading_is_in_the_first_log() {
    for kind in ["quickjs:1", "nodejs:20"] {
        let mut runtime = Runtime::start(kind, &[]);
        let code = format!("console.log('loading'); {SCRIPT}");
        assert_eq!(runtime.init(&code).0, 200, "{kind}");
        assert!(!runtime.run_unmarked(json!({})).2, "{kind}");
        assert!(runtime.run_unmarked(json!({})).2, "{kind}");
        assert_eq!(runtime.stdout(), ["loading", SENTINEL], "{kind}");
    }
}

#[test]
fn what_is_printed_after_an_answer_is_passed_on_and_makes_the_next_log_one_with_marks() {
    let mut runtime = Runtime::start("nodejs:20", &[]);
    assert_eq!(runtime.init(SCRIPT).0, 200);
    assert!(runtime.run_unmarked(json!({"later": "late"})).2);
    wait_until("it is passed on without a request", || {
        runtime.stdout() == ["late"]
    });
    assert!(!runtime.run_unmarked(json!({})).2);
    assert_eq!(runtime.stdout(), ["late", SENTINEL]);
    assert!(runtime.run_unmarked(json!({})).2);
}

#[test]
fn a_failed_run_has_an_empty_log_too_and_its_words_if_it_had_some() {
    let mut runtime = Runtime::start("nodejs:20", &[]);
    let code = "function main(p) { if (p.say) console.log(p.say); throw new Error('x') }";
    assert_eq!(runtime.init(code).0, 200);
    let (status, _, unmarked) = runtime.run_unmarked(json!({}));
    // The launcher prints why.
    assert_eq!((status, unmarked), (502, runtime.stderr().is_empty()));
    assert!(!runtime.run_unmarked(json!({"say": "a"})).2);
    assert!(runtime.stdout().contains(&"a".to_owned()));
}

#[test]
fn much_is_passed_on_whole_and_in_order_before_the_marks() {
    let mut runtime = Runtime::start("nodejs:20", &[]);
    let code = "function main(p) { for (let i = 0; i < p.lines; i++) console.log(i + 'x'.repeat(100)); return {} }";
    assert_eq!(runtime.init(code).0, 200);
    let lines = 30_000;
    assert!(!runtime.run_unmarked(json!({"lines": lines})).2);
    let printed = runtime.stdout();
    assert_eq!(printed.len(), lines + 1);
    for (number, line) in printed[..lines].iter().enumerate() {
        assert!(line.starts_with(&format!("{number}x")) && line.ends_with('x'));
    }
    assert_eq!(printed[lines], SENTINEL);
}

#[test]
fn last_words_come_before_the_end() {
    let mut runtime = Runtime::start("nodejs:20", &[]);
    let code = "function main() { console.log('x'.repeat(60000)); console.error('the end'); process.exit(3) }";
    assert_eq!(runtime.init(code).0, 200);
    assert!(runtime.try_run(json!({})).is_err());
    assert_eq!(runtime.wait().code(), Some(3));
    let printed = runtime.stdout();
    assert_eq!(printed[0].len(), 60_000);
    assert_eq!(runtime.stderr()[0], "the end");
}
