//! What actions get and give, without a server around them.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn engine() -> Engine {
    let limits = Limits {
        // More than this test process ever holds: its peak is taken for the engine's.
        memory: 1 << 30,
        stack: 256 * 1024,
    };
    Engine::new(limits, Rc::new(Signals::take().unwrap())).unwrap()
}

fn parts(reply: Reply) -> (u16, String) {
    match reply {
        Reply::Answer { status, body } => (status, String::from_utf8(body.to_vec()).unwrap()),
        Reply::Gone(code) => panic!("the proxy would end with {code}"),
    }
}

/// Loads `code` and runs `main` of it once.
fn run(code: &str, arguments: &str) -> (u16, String) {
    let mut engine = engine();
    if let Err(reply) = engine.load(code, "main", &[], SECOND) {
        return parts(reply);
    }
    parts(engine.run(arguments, &[], SECOND))
}

fn ok(body: &str) -> (u16, String) {
    (200, body.to_owned())
}

fn failed(message: &str) -> (u16, String) {
    (502, format!(r#"{{"error":"{message}"}}"#))
}

#[test]
fn results_are_what_the_action_returns() {
    assert_eq!(
        run(
            "function main(p) { return p }",
            r#"{"b":1,"a":[1.5,"ü\n"]}"#
        ),
        ok(r#"{"b":1,"a":[1.5,"ü\n"]}"#)
    );
    assert_eq!(run("const main = p => p", "[1,2]"), ok("[1,2]"));
    assert_eq!(run("function main() {}", "{}"), ok("{}"));
    assert_eq!(
        run("function main() { return {error: 'no', x: 1} }", "{}"),
        ok(r#"{"error":"no","x":1}"#)
    );
}

#[test]
fn other_results_are_refused() {
    let refused = failed("The action did not return a dictionary or array.");
    for result in ["5", "'x'", "true", "() => 1", "Symbol()", "{toJSON() {}}"] {
        assert_eq!(
            run(&format!("function main() {{ return {result} }}"), "{}"),
            refused
        );
    }
    let (status, body) = run("function main() { const a = {}; a.a = a; return a }", "{}");
    assert_eq!(status, 502);
    assert!(body.contains("circular"), "{body}");
}

#[test]
fn entry_points_are_variables_or_exports() {
    for (code, main) in [
        ("function other() { return {a: 1} }", "other"),
        ("exports.main = () => ({a: 1})", "main"),
        ("module.exports = {f: {g: () => ({a: 1})}}", "f.g"),
        ("module.exports = () => ({a: 1})", "main"),
        ("const o = {f: () => ({a: 1})}", "o.f"),
    ] {
        let mut engine = engine();
        engine.load(code, main, &[], SECOND).unwrap();
        assert_eq!(
            parts(engine.run("{}", &[], SECOND)),
            ok(r#"{"a":1}"#),
            "{code}"
        );
    }
}

#[test]
fn code_that_does_not_load_says_why() {
    for (code, main, words) in [
        (
            "let x = 1",
            "main",
            "Action entrypoint 'main' is not a function.",
        ),
        (
            "let main = 1",
            "main",
            "Action entrypoint 'main' is not a function.",
        ),
        ("function main() {", "main", "SyntaxError"),
        (
            "throw new TypeError('at load')",
            "main",
            "TypeError: at load",
        ),
        ("require('fs')", "main", "Cannot find module 'fs'"),
        ("export function main() {}", "main", "not ES modules"),
        (
            "function main() {}",
            "main; x",
            "'main; x' is not the name of a function.",
        ),
    ] {
        let (status, body) = parts(engine().load(code, main, &[], SECOND).unwrap_err());
        assert_eq!(status, 502);
        assert!(
            body.starts_with(r#"{"error":"Initialization has failed due to: "#),
            "{body}"
        );
        assert!(body.contains(words), "{body}");
    }
}

#[test]
fn what_is_thrown_is_a_failure_and_what_is_rejected_is_a_result() {
    assert_eq!(
        run("function main() { throw new Error('x') }", "{}"),
        failed("An error has occurred: Error: x")
    );
    assert_eq!(
        run("function main() { throw 'x' }", "{}"),
        failed("An error has occurred: x")
    );
    assert_eq!(
        run("function main() { throw null }", "{}"),
        failed("An error has occurred: null")
    );
    assert_eq!(
        run("async function main() { throw 'x' }", "{}"),
        ok(r#"{"error":"x"}"#)
    );
    assert_eq!(
        run("function main() { return Promise.reject() }", "{}"),
        ok(r#"{"error":{}}"#)
    );
    assert_eq!(
        run("function main() { return Promise.reject({code: 4}) }", "{}"),
        ok(r#"{"error":{"code":4}}"#)
    );
    let (status, body) = run(
        "async function main() { throw new RangeError('far') }",
        "{}",
    );
    assert_eq!(status, 200);
    assert!(
        body.starts_with(r#"{"error":{"name":"RangeError","message":"far","stack":"#),
        "{body}"
    );
}

#[test]
fn promises_and_timers_run_until_the_result_is_there() {
    let code = "async function main() {
        const order = [];
        setTimeout(() => order.push('late'), 400);
        const never = setTimeout(() => order.push('never'), 5);
        clearTimeout(never);
        const tick = setInterval(() => { order.push('tick'); if (order.length > 2) clearInterval(tick) }, 2);
        await new Promise((resolve) => setTimeout(resolve, 500));
        return {order};
    }";
    assert_eq!(
        run(code, "{}"),
        ok(r#"{"order":["tick","tick","tick","late"]}"#)
    );
}

#[test]
fn a_promise_that_nothing_can_settle_is_told_at_once() {
    assert_eq!(
        run("function main() { return new Promise(() => {}) }", "{}"),
        failed(NEVER_SETTLED)
    );
}

#[test]
fn an_error_in_a_timer_is_a_failure() {
    let code =
        "function main() { return new Promise(() => setTimeout(() => { throw new Error('t') })) }";
    assert_eq!(run(code, "{}"), failed("An error has occurred: Error: t"));
}

#[test]
fn globals_live_from_call_to_call() {
    let mut engine = engine();
    engine
        .load(
            "let n = 0; function main() { return {n: ++n} }",
            "main",
            &[],
            SECOND,
        )
        .unwrap();
    for n in 1..4 {
        assert_eq!(
            parts(engine.run("{}", &[], SECOND)),
            (200, format!(r#"{{"n":{n}}}"#))
        );
    }
}

#[test]
fn the_client_of_apaches_runtimes_says_that_it_has_no_network() {
    let code = "const openwhisk = require('openwhisk');
        function main(p) { return p.use ? openwhisk({apihost: 'x'}) : {loaded: typeof openwhisk} }";
    assert_eq!(run(code, "{}"), ok(r#"{"loaded":"function"}"#));
    let (_, body) = run(code, r#"{"use":true}"#);
    assert!(body.contains("no network: use a nodejs kind"), "{body}");
}

#[test]
fn the_environment_is_that_of_init_and_of_the_run() {
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut engine = engine();
    let code = "const seen = process.env.A; function main() { return {seen, ...process.env} }";
    engine
        .load(code, "main", &[pair("A", "1")], SECOND)
        .unwrap();
    let result = parts(engine.run("{}", &[pair("__OW_X", "2")], SECOND));
    assert_eq!(result, ok(r#"{"seen":"1","A":"1","__OW_X":"2"}"#));
}

#[test]
fn endless_code_is_interrupted() {
    let out_of_time = failed("The action exceeded its time limits and was interrupted.");
    let short = Duration::from_millis(50);
    let loops = [
        "function main() { while (true); }",
        "function main() { while (true) try { while (true); } catch {} }",
        "async function main() { while (true) await null }",
        "function main() { return new Promise(() => setInterval(() => 0, 1)) }",
        "function main() { return /^(a+)+$/.test('a'.repeat(40) + 'b') }",
    ];
    for code in loops {
        let mut engine = engine();
        engine.load(code, "main", &[], SECOND).unwrap();
        assert_eq!(parts(engine.run("{}", &[], short)), out_of_time, "{code}");
    }
    assert_eq!(
        parts(
            engine()
                .load("while (true);", "main", &[], short)
                .unwrap_err()
        ),
        out_of_time
    );
}

#[test]
fn endless_recursion_is_an_error_that_can_be_caught() {
    let code = "function f() { return f() + 1 } function main() { try { f() } catch (e) { return {e: e.name} } }";
    assert_eq!(run(code, "{}"), ok(r#"{"e":"RangeError"}"#));
    let (status, body) = run("function f() { f() } function main() { f() }", "{}");
    assert_eq!(status, 502);
    assert!(body.contains("Maximum call stack size exceeded"), "{body}");
}

#[test]
fn encoders_encode() {
    let code = "function main(p) { return {
        base64: Buffer.from(p.text).toString('base64'),
        hex: Buffer.from('fffe', 'hex').toString('hex'),
        back: Buffer.from('w7zigqw=', 'base64').toString(),
        utf8: [...new TextEncoder().encode('ü')],
        decoded: new TextDecoder().decode(new Uint8Array([0xf0, 0x9f, 0x98, 0x80, 0xff])),
        atob: atob('aGk='), btoa: btoa('hi'),
        json: JSON.stringify(Buffer.from('a')),
    } }";
    let expected = r#"{"base64":"w7w=","hex":"fffe","back":"ü€","utf8":[195,188],"decoded":"😀�","atob":"hi","btoa":"aGk=","json":"{\"type\":\"Buffer\",\"data\":[97]}"}"#;
    assert_eq!(run(code, r#"{"text":"ü"}"#), ok(expected));
}

#[test]
fn values_are_printed_as_node_prints_them() {
    let cases = [
        (
            "{a: 1, 'b-c': 'x', f() {}, g: class K {}}",
            "{ a: 1, 'b-c': 'x', f: [Function: f], g: [class K] }",
        ),
        (
            "[1, , 'it\\'s', null, undefined, -0, 10n]",
            "[ 1, <1 empty item>, \"it's\", null, undefined, -0, 10n ]",
        ),
        (
            "{a: {b: {c: {d: 1}}}, e: []}",
            "{ a: { b: { c: [Object] } }, e: [] }",
        ),
        (
            "new Map([['k', new Set([1])]])",
            "Map(1) { 'k' => Set(1) { 1 } }",
        ),
        ("new (class Point { x = 1 })", "Point { x: 1 }"),
        ("Object.create(null)", "[Object: null prototype] {}"),
        ("new Date(0)", "1970-01-01T00:00:00.000Z"),
        ("/a+/g", "/a+/g"),
        ("new Uint8Array([1, 2])", "Uint8Array(2) [ 1, 2 ]"),
        (
            "(() => { const o = {}; o.o = o; return o })()",
            "<ref *1> { o: [Circular *1] }",
        ),
        (
            "{get x() { return 1 }, [Symbol('s')]: 1}",
            "{ x: [Getter], [Symbol(s)]: 1 }",
        ),
        ("'a\\n\\'b'", "\"a\\n'b\""),
    ];
    for (value, expected) in cases {
        let code = format!(
            "const {{inspect}} = require('util'); function main() {{ return [inspect({value})] }}"
        );
        assert_eq!(
            run(&code, "{}"),
            ok(&serde_json::to_string(&[expected]).unwrap()),
            "{value}"
        );
    }
    let code = "const {format} = require('util'); function main() { return [format('%s=%d %j %%', 'a', 1.5, {x: 1}, 'rest')] }";
    assert_eq!(run(code, "{}"), ok(r#"["a=1.5 {\"x\":1} % rest"]"#));
}
