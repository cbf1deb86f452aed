//! Web actions end to end, on real sandboxes (reference sections 6 and 11.11).

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};
use surf::http::Method;

use crate::client::{Answer, Client, GUEST, as_json};
use crate::daemon::{Daemon, Setup};

const ECHO: &str = "function main(args) { return args }";
const PNG: [u8; 8] = [0x89, b'P', b'N', b'G', 0, 0xff, b'\r', b'\n'];

/// A daemon, and a client of it that has no key.
fn daemon() -> (Daemon, Client) {
    let owl = Setup::new().one_at_a_time().start();
    let nobody = owl.client_with(None);
    (owl, nobody)
}

/// Creates an exported action.
fn export(owl: &Daemon, name: &str, code: &str, annotations: &[(&str, Value)]) {
    let mut all = vec![json!({"key": "web-export", "value": true})];
    let annotations = annotations.iter();
    all.extend(annotations.map(|(key, value)| json!({"key": key, "value": value})));
    let body = json!({"exec": {"kind": "quickjs:1", "code": code}, "annotations": all,
        "parameters": [{"key": "own", "value": "action"}, {"key": "given", "value": "action"}]});
    let answer = owl.client().put(&format!("actions/{name}"), &body);
    assert_eq!(answer.status, 200, "{answer}");
}

fn web(rest: &str) -> String {
    format!("/api/v1/web/guest/default/{rest}")
}

/// All that comes back for requests on one connection, one after the other, which the last closes.
fn on_the_wire(owl: &Daemon, requests: &[(&str, &str)]) -> Vec<u8> {
    let mut stream = TcpStream::connect(owl.address()).expect("connect");
    for (at, (method, rest)) in requests.iter().enumerate() {
        let connection = match at + 1 == requests.len() {
            true => "close",
            false => "keep-alive",
        };
        let path = web(rest);
        let head =
            format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: {connection}\r\n\r\n");
        stream.write_all(head.as_bytes()).expect("ask");
    }
    let mut answers = Vec::new();
    stream.read_to_end(&mut answers).expect("answers");
    answers
}

/// Status line and headers in lower case, and the body, as they are on the wire.
fn answer_on_the_wire(owl: &Daemon, method: &str, rest: &str) -> (Vec<String>, Vec<u8>) {
    let mut answer = on_the_wire(owl, &[(method, rest)]);
    let end = answer.windows(4).position(|part| part == b"\r\n\r\n");
    let body = answer.split_off(end.expect("the end of the head") + 4);
    let head = String::from_utf8(answer).expect("a head in UTF-8");
    let lines = head.trim_end().lines().map(str::to_lowercase);
    (lines.collect(), body)
}

#[test]
fn arguments_reach_the_action() {
    let (owl, nobody) = daemon();
    export(&owl, "echo", ECHO, &[]);
    let answer = nobody.get(&web("echo.json/some/path?given=query&x=1&x=2"));
    assert_eq!(answer.status, 200, "{answer}");
    let given = answer.json();
    // 11.11-253, 11.11-256, 11.11-257
    assert_eq!(given["__ow_method"], "get");
    assert_eq!(given["__ow_path"], "/some/path");
    assert_eq!(given.get("__ow_user"), None);
    assert_eq!(
        (&given["given"], &given["x"]),
        (&json!("query"), &json!("2"))
    );
    assert_eq!(given["own"], "action");
    // 11.11-266
    let text = String::from_utf8_lossy(&answer.body).to_string();
    assert!(text.contains("\n  \"own\": \"action\""), "{text}");
    // 11.11-265
    let body = json!({"given": "body", "n": [1.5]});
    let answer = owl.client().post(&web("echo.json?given=query"), &body);
    let given = answer.json();
    assert_eq!(
        (&given["given"], &given["n"]),
        (&json!("body"), &json!([1.5]))
    );
    assert_eq!(given["__ow_user"], "guest");
    assert_eq!(given["__ow_headers"]["content-type"], "application/json");
    // 11.11-259
    let form = (
        "application/x-www-form-urlencoded",
        b"given=a+form&b=%C3%A9".to_vec(),
    );
    let answer = nobody.send(Method::Put, &web("echo.json"), &[], Some(form));
    let given = answer.json();
    assert_eq!(
        (&given["given"], &given["b"]),
        (&json!("a form"), &json!("é"))
    );
    // 11.11-262
    nobody.get(&web("echo?__ow_user=me")).expect_error(
        400,
        "Request defines parameters that are not allowed (e.g., reserved properties).",
    );
}

#[test]
fn bytes_survive_both_ways() {
    let (owl, nobody) = daemon();
    let mirror = "function main(a) {
        return {headers: {'content-type': 'image/png'}, body: a.__ow_body} }";
    export(&owl, "mirror", mirror, &[]);
    export(&owl, "raw", mirror, &[("raw-http", json!(true))]);
    for name in ["mirror", "raw"] {
        let png = Some(("image/png", PNG.to_vec()));
        let answer = nobody.send(Method::Post, &web(name), &[], png);
        // 11.11-260, 11.11-276
        assert_eq!((answer.status, &*answer.body), (200, &PNG[..]), "{name}");
        assert_eq!(answer.header("Content-Type"), Some("image/png"));
    }
    // 11.11-264
    let json = as_json(&json!({"a": 1}));
    let answer = nobody.send(Method::Post, &web("raw"), &[], Some(json));
    assert_eq!(answer.body, b"{\"a\":1}");
    // 11.11-277
    let code = "function main() {
        return {headers: {'content-type': 'application/json'}, body: 'hello world'} }";
    export(&owl, "plain", code, &[]);
    let answer = nobody.get(&web("plain"));
    assert_eq!((answer.status, &*answer.body), (200, &b"hello world"[..]));
}

#[test]
fn heads_of_answers_are_what_the_action_says() {
    let (owl, _) = daemon();
    let code = "function main() { return {statusCode: '444', body: 'gone', headers: {
        'Set-Cookie': ['a=b', 'c=d'], 'X-Text': 'é', 'Transfer-Encoding': 'chunked',
        'Content-Length': 99, 'Connection': 'x-text'}} }";
    export(&owl, "head", code, &[]);
    let (head, body) = answer_on_the_wire(&owl, "GET", "head");
    // 11.11-279
    assert!(head[0].starts_with("http/1.1 444"), "{head:?}");
    assert_eq!(body, b"gone");
    let of = |name: &str| -> Vec<&str> {
        let lines = head.iter();
        lines.filter_map(|line| line.strip_prefix(name)).collect()
    };
    // 11.11-280
    assert_eq!(of("set-cookie: "), ["a=b", "c=d"]);
    assert_eq!(of("x-text: "), ["é"]);
    // 11.11-272
    assert_eq!(of("content-type: "), ["text/html; charset=utf-8"]);
    assert_eq!(of("content-length: "), ["4"]);
    assert_eq!(of("transfer-encoding: "), [""; 0]);
    assert_eq!(of("connection: "), ["close"]);
    assert_eq!(of("access-control-allow-origin: "), ["*"]);
    // 11.11-289
    let (alike, body) = answer_on_the_wire(&owl, "HEAD", "head");
    assert!(alike[0].starts_with("http/1.1 444"), "{alike:?}");
    assert!(
        alike.contains(&"content-length: 4".to_string()),
        "{alike:?}"
    );
    assert_eq!(body, b"");
}

#[test]
fn bodies_that_may_not_be_do_not_break_the_framing() {
    let (owl, _) = daemon();
    let code = "function main(a) { return {statusCode: a.code, body: 'stray', headers: {
        'Content-Length': 2, 'Transfer-Encoding': 'chunked'}} }";
    export(&owl, "code", code, &[]);
    for code in [204, 304] {
        let first = format!("code?code={code}");
        let answers = on_the_wire(
            &owl,
            &[("GET", &first), ("HEAD", "code?code=200"), ("GET", "-")],
        );
        let answers = String::from_utf8_lossy(&answers).to_lowercase();
        let heads = answers.matches("http/1.1 ").count();
        assert_eq!(heads, 3, "{answers}");
        assert!(!answers.contains("stray"), "{answers}");
    }
}

#[test]
fn nothing_is_answered_with_an_empty_body() {
    let (owl, nobody) = daemon();
    export(&owl, "nothing", "function main() { return {} }", &[]);
    // 11.11-270
    let (head, body) = answer_on_the_wire(&owl, "GET", "nothing");
    assert!(head[0].starts_with("http/1.1 204"), "{head:?}");
    assert!(
        !head.iter().any(|line| line.starts_with("content-type")),
        "{head:?}"
    );
    assert_eq!(body, b"");
    let away = "function main() { return {statusCode: 302, headers: {location: '/elsewhere'}} }";
    export(&owl, "away", away, &[]);
    // 11.11-271
    let answer = nobody.get(&web("away"));
    assert_eq!(
        (answer.status, answer.header("Location")),
        (302, Some("/elsewhere"))
    );
    let split = "function main() { return {headers: {a: 'b\\r\\nSet-Cookie: c=d'}, body: 'x'} }";
    export(&owl, "split", split, &[]);
    let answer = nobody.get(&web("split"));
    answer.expect_error(400, "Response is not valid 'message/http'.");
    assert_eq!(answer.header("Set-Cookie"), None);
}

#[test]
fn results_become_documents() {
    let (owl, nobody) = daemon();
    export(
        &owl,
        "page",
        "function main(a) { return {html: '<b>' + a.x + '</b>'} }",
        &[],
    );
    // 11.11-268
    let page = nobody.get(&web("page.html?x=1"));
    assert_eq!((page.status, &*page.body), (200, &b"<b>1</b>"[..]));
    assert_eq!(
        page.header("Content-Type"),
        Some("text/html; charset=UTF-8")
    );
    // 11.11-267
    nobody
        .get(&web("page.text"))
        .expect_error(404, "Response does not include requested property.");
    let failed = "function main() { return {error: {statusCode: 404, body: {no: 1}}} }";
    export(&owl, "failed", failed, &[]);
    // 11.11-282, 11.11-274
    let answer = nobody.get(&web("failed"));
    assert_eq!((answer.status, answer.json()), (404, json!({"no": 1})));
    export(&owl, "broken", "function main() { syntax error", &[]);
    // 11.11-283
    let answer = nobody.get(&web("broken.json"));
    answer.expect_error(400, "There was an error processing your request.");
    // 11.11-292
    let id = answer.header("x-openwhisk-activation-id").expect("an id");
    let record = owl.client().activation(id);
    assert_eq!(record["response"]["status"], "action developer error");
    assert_eq!(
        (&record["namespace"], &record["subject"]),
        (&json!("guest"), &json!("guest"))
    );
    // 11.11-281
    let accept = [("Accept", "application/json")];
    let answer = nobody.send(Method::Get, &web("page.html"), &accept, None);
    assert_eq!(answer.status, 406, "{answer}");
}

#[test]
fn scripts_of_any_origin() {
    let (owl, nobody) = daemon();
    export(&owl, "echo", ECHO, &[]);
    let options = |name: &str| -> Answer {
        let headers = [("Access-Control-Request-Headers", "x-a")];
        nobody.send(Method::Options, &web(name), &headers, None)
    };
    // 11.11-287
    let answer = options("echo");
    assert_eq!((answer.status, &*answer.body), (200, &b""[..]));
    assert_eq!(answer.header("Access-Control-Allow-Headers"), Some("x-a"));
    assert_eq!(answer.header("x-openwhisk-activation-id"), None);
    let own = "function main(a) { return {headers: {'Access-Control-Allow-Origin': 'http://x',
        'X-Method': a.__ow_method}} }";
    let annotations = [
        ("web-custom-options", json!(true)),
        ("require-whisk-auth", json!(true)),
    ];
    export(&owl, "own", own, &annotations);
    // 11.11-288
    let answer = options("own");
    assert_eq!(
        (answer.status, answer.header("X-Method")),
        (204, Some("options"))
    );
    assert_eq!(
        answer.header("Access-Control-Allow-Origin"),
        Some("http://x")
    );
    assert_eq!(answer.header("Access-Control-Allow-Headers"), None);
}

#[test]
fn who_may_call() {
    let (owl, nobody) = daemon();
    export(&owl, "keyed", ECHO, &[("require-whisk-auth", json!(true))]);
    let refusal = "Authentication is possible but has failed or not yet been provided.";
    // 11.11-254
    nobody.get(&web("keyed.json")).expect_error(401, refusal);
    let wrong = GUEST.replace('0', "1");
    let wrong = owl.client_with(Some(&wrong)).get(&web("keyed.json"));
    wrong.expect_error(401, refusal);
    let answer = owl.client().get(&web("keyed.json"));
    assert_eq!(answer.json()["__ow_user"], "guest");
    export(
        &owl,
        "secret",
        ECHO,
        &[("require-whisk-auth", json!("open"))],
    );
    let with = |secret| {
        let headers = [("X-Require-Whisk-Auth", secret)];
        nobody.send(Method::Get, &web("secret.json"), &headers, None)
    };
    // 11.11-255
    with("wrong").expect_error(401, refusal);
    assert_eq!(with("open").status, 200);
}

#[test]
fn packages_and_bindings_give_parameters() {
    let (owl, nobody) = daemon();
    let client = owl.client();
    let package = |name: &str, binding: Option<&str>| {
        let mut body = json!({"parameters": [{"key": "given", "value": name},
            {"key": name, "value": name}]});
        if let Some(to) = binding {
            body["binding"] = json!({"namespace": "_", "name": to});
        }
        let answer = client.put(&format!("packages/{name}"), &body);
        assert_eq!(answer.status, 200, "{answer}");
    };
    package("real", None);
    package("bound", Some("real"));
    export(&owl, "real/echo", ECHO, &[]);
    // 11.11-265, 11.11-291
    let given = nobody.get("/api/v1/web/guest/bound/echo.json").json();
    assert_eq!(
        (&given["real"], &given["bound"]),
        (&json!("real"), &json!("bound"))
    );
    assert_eq!(given["given"], "action");
    let given = nobody
        .get("/api/v1/web/guest/real/echo.json?given=query")
        .json();
    assert_eq!(
        (&given["given"], given.get("bound")),
        (&json!("query"), None)
    );
}

#[test]
fn sequences_are_web_actions_too() {
    let (owl, nobody) = daemon();
    export(&owl, "echo", ECHO, &[]);
    let body = json!({"exec": {"kind": "sequence", "components": ["/_/echo", "/_/echo"]},
        "annotations": [{"key": "web-export", "value": true}]});
    let answer = owl.client().put("actions/twice", &body);
    assert_eq!(answer.status, 200, "{answer}");
    let answer = nobody.get(&web("twice.json?x=1"));
    assert_eq!((answer.status, &answer.json()["x"]), (200, &json!("1")));
    let id = answer.header("x-openwhisk-activation-id").expect("an id");
    assert_eq!(owl.client().activation(id)["name"], "twice");
}
