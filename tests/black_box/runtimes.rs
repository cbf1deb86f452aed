//! Node and python in containers, with OWL's own proxy and with another: they behave the same
//! (reference sections 7.2 to 7.8).

use std::io::{Cursor, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use zip::write::SimpleFileOptions;

use crate::client::Client;
use crate::daemon::{Daemon, Setup};

/// The same actions in one language.
pub struct Language {
    pub kind: &'static str,
    /// Gives the version of the interpreter, which nothing else has in that place.
    version: &'static str,
    pub echo: &'static str,
    prints: &'static str,
    counts: &'static str,
    throws: &'static str,
    /// How an activation ends whose action throws: the proxies of Apache's runtimes differ.
    thrown: &'static str,
    number: &'static str,
    pub exits: &'static str,
    pub never_ends: &'static str,
    pub allocates: &'static str,
    pub environment: &'static str,
}

pub const NODE: Language = Language {
    kind: "nodejs:20",
    version: "function main() { return { version: process.versions.node } }",
    echo: "function main(a) { return a }",
    prints: "function main() { console.log('één'); console.error('two'); return {} }",
    counts: "let n = 0; function main() { return { n: ++n } }",
    throws: "function main() { throw new Error('boom') }",
    thrown: "action developer error",
    number: "function main() { return 5 }",
    exits: "function main() { process.exit(3) }",
    never_ends: "function main() { for (;;); }",
    allocates: "function main() {
        const all = []
        for (;;) all.push(Buffer.alloc(16 << 20, 1))
    }",
    environment: "function main() {
        const own = Object.entries(process.env).filter(([key]) => key.startsWith('__OW_'))
        return Object.fromEntries(own)
    }",
};

/// Node with a proxy that is not OWL's.
const NODE_PROXY: Language = Language {
    kind: "nodejs:node-proxy",
    ..NODE
};

pub const PYTHON: Language = Language {
    kind: "python:3.11",
    version: "import sys\ndef main(args):\n    return {'version': sys.version}",
    echo: "def main(args):\n    return args",
    prints: "import sys\ndef main(args):\n    print('één')\n    print('two', file=sys.stderr)\n    return {}",
    counts: "n = 0\ndef main(args):\n    global n\n    n += 1\n    return {'n': n}",
    throws: "def main(args):\n    raise Exception('boom')",
    thrown: "application error",
    number: "def main(args):\n    return 5",
    exits: "import os\ndef main(args):\n    os._exit(3)",
    never_ends: "def main(args):\n    while True:\n        pass",
    allocates: "def main(args):\n    all = []\n    while True:\n        all.append(b'x' * (16 << 20))",
    environment: "import os\ndef main(args):\n    return {k: v for k, v in os.environ.items() if k.startswith('__OW_')}",
};

fn daemon() -> (Daemon, Client) {
    let owl = Setup::with_docker().one_at_a_time().start();
    let client = owl.client();
    (owl, client)
}

pub fn call(
    client: &Client,
    language: &Language,
    code: &str,
    limits: Value,
) -> crate::client::Answer {
    client.action("called", language.kind, code, limits);
    client.invoke("called", &json!({}))
}

pub fn behaves_as_openwhisk_does(client: &Client, language: &Language) {
    let result = call(client, language, language.version, json!({})).expect_success();
    assert!(result["version"].is_string(), "{result}");
    client.action("echo", language.kind, language.echo, json!({}));
    let payload = json!({"text": "é☃", "list": [1, {"a": null}], "yes": true});
    assert_eq!(client.invoke("echo", &payload).expect_success(), payload);
    let large = json!({"text": "x".repeat(1_048_576 - 750)});
    assert_eq!(client.invoke("echo", &large).expect_success(), large);
    let error = json!({"error": {"of": "its own"}, "other": 1});
    let answer = client.invoke("echo", &error);
    answer.expect_failure(502, "application error", &error["error"]);

    client.action("prints", language.kind, language.prints, json!({}));
    let record = client.activation(&client.fire("prints", &json!({})));
    let logs = record["logs"].as_array().expect("logs");
    let mut texts: Vec<&str> = logs
        .iter()
        .map(|line| &line.as_str().expect("a text")[31..])
        .collect();
    // The two streams are pipes of their own: their order is not told.
    texts.sort_unstable();
    assert_eq!(texts, ["stderr: two", "stdout: één"]);

    client.action("counts", language.kind, language.counts, json!({}));
    for n in [1, 2] {
        let result = client.invoke("counts", &json!({})).expect_success();
        assert_eq!(result, json!({ "n": n }));
    }
}

pub fn fails_as_openwhisk_does(client: &Client, language: &Language) {
    let developer_error = "action developer error";
    for (code, status) in [
        (language.throws, language.thrown),
        (language.number, developer_error),
    ] {
        let answer = call(client, language, code, json!({}));
        assert_eq!(answer.status, 502, "{code}: {answer}");
        let response = &answer.json()["response"];
        assert_eq!(response["status"], status, "{code}: {answer}");
    }
    let answer = call(client, language, "this is no code", json!({}));
    assert_eq!(answer.status, 502, "{answer}");
    assert_eq!(answer.json()["response"]["status"], developer_error);
    call(
        client,
        language,
        language.never_ends,
        json!({"timeout": 2000}),
    )
    .expect_failure(
        502,
        developer_error,
        &json!("The action exceeded its time limits of 2000 milliseconds."),
    );
    let answer = call(client, language, language.echo, json!({}));
    assert_eq!(answer.expect_success(), json!({}));
}

fn is_stopped_for_its_memory(client: &Client, language: &Language) {
    call(client, language, language.allocates, json!({"memory": 128})).expect_failure(
        502,
        "action developer error",
        &json!("The action exhausted its memory and was aborted."),
    );
    let answer = call(client, language, language.echo, json!({}));
    assert_eq!(answer.expect_success(), json!({}));
}

fn knows_its_activation(language: &Language) {
    let (_owl, client) = daemon();
    let answer = call(&client, language, language.environment, json!({}));
    let seen = answer.expect_success();
    assert_eq!(seen["__OW_NAMESPACE"], "guest");
    assert_eq!(seen["__OW_ACTION_NAME"], "/guest/called");
    assert_eq!(seen["__OW_ACTION_VERSION"], "0.0.1");
    assert_eq!(seen["__OW_ACTIVATION_ID"], answer.json()["activationId"]);
    assert!(seen["__OW_DEADLINE"].is_string(), "{seen}");
    let host = seen["__OW_API_HOST"].as_str().expect("an API host");
    assert!(host.starts_with("http://"), "{host}");
    assert!(!host.contains("127.0.0.1"), "not to be reached: {host}");
    assert!(seen.get("__OW_API_KEY").is_none(), "{seen}");
}

#[test]
fn node_behaves() {
    let (_owl, client) = daemon();
    behaves_as_openwhisk_does(&client, &NODE);
}

#[test]
fn node_fails() {
    let (_owl, client) = daemon();
    fails_as_openwhisk_does(&client, &NODE);
    is_stopped_for_its_memory(&client, &NODE);
}

#[test]
fn node_knows_its_activation() {
    knows_its_activation(&NODE);
}

#[test]
fn node_behind_another_proxy_behaves() {
    let (_owl, client) = daemon();
    behaves_as_openwhisk_does(&client, &NODE_PROXY);
}

#[test]
fn node_behind_another_proxy_fails() {
    let (_owl, client) = daemon();
    fails_as_openwhisk_does(&client, &NODE_PROXY);
    is_stopped_for_its_memory(&client, &NODE_PROXY);
}

#[test]
fn python_behaves() {
    let (_owl, client) = daemon();
    behaves_as_openwhisk_does(&client, &PYTHON);
}

#[test]
fn python_fails() {
    let (_owl, client) = daemon();
    fails_as_openwhisk_does(&client, &PYTHON);
    is_stopped_for_its_memory(&client, &PYTHON);
}

#[test]
fn python_knows_its_activation() {
    knows_its_activation(&PYTHON);
}

#[test]
fn a_process_that_exits_is_told_and_replaced() {
    let (_owl, client) = daemon();
    for language in [&NODE, &NODE_PROXY, &PYTHON] {
        let answer = call(&client, language, language.exits, json!({}));
        assert_eq!(answer.status, 502, "{}: {answer}", language.kind);
        let status = &answer.json()["response"]["status"];
        assert_eq!(status, "action developer error", "{}", language.kind);
        let answer = call(&client, language, language.echo, json!({}));
        assert_eq!(answer.expect_success(), json!({}), "{}", language.kind);
    }
}

#[test]
fn zips_run_from_their_own_files() {
    let (_owl, client) = daemon();
    runs_zips(&client);
}

pub fn runs_zips(client: &Client) {
    let node = zip_of(&[
        (
            "package.json",
            r#"{"name": "zipped", "main": "lib/start.js"}"#,
        ),
        (
            "lib/start.js",
            "const { greet } = require('./greet'); exports.main = a => greet(a.name)",
        ),
        (
            "lib/greet.js",
            "exports.greet = name => ({ greeting: `hello ${name}` })",
        ),
    ]);
    let python = zip_of(&[
        (
            "__main__.py",
            "from greet import greet\ndef main(args):\n    return greet(args['name'])",
        ),
        (
            "greet.py",
            "def greet(name):\n    return {'greeting': 'hello ' + name}",
        ),
    ]);
    for (kind, code) in [("nodejs:20", node), ("python:3.11", python)] {
        client.action("zipped", kind, &code, json!({}));
        let read = client.get("actions/zipped").json();
        assert_eq!(read["exec"]["binary"], true, "{kind}");
        assert_eq!(read["exec"]["code"], code, "{kind}");
        let result = client.invoke("zipped", &json!({"name": "owl"}));
        assert_eq!(
            result.expect_success(),
            json!({"greeting": "hello owl"}),
            "{kind}"
        );
    }
}

/// A zip with these files, in base64.
fn zip_of(files: &[(&str, &str)]) -> String {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in files {
        archive
            .start_file(*name, SimpleFileOptions::default())
            .expect("start a file in the zip");
        archive
            .write_all(text.as_bytes())
            .expect("write to the zip");
    }
    STANDARD.encode(archive.finish().expect("finish the zip").into_inner())
}

#[test]
fn containers_are_restricted() {
    // 11.7-197, 11.7-198
    let (_owl, client) = daemon();
    let code = "const fs = require('fs')
function main() {
  const status = fs.readFileSync('/proc/self/status', 'utf8')
  const field = name => new RegExp(`${name}:\\\\s*(\\\\S+)`).exec(status)[1]
  const files = []
  try { for (;;) files.push(fs.openSync('/proc/self/status')) } catch (error) {
    files.forEach(file => fs.closeSync(file))
    return { capabilities: field('CapBnd'), noNewPrivileges: field('NoNewPrivs'), files: files.length }
  }
}";
    client.action("restricted", "nodejs:20", code, json!({}));
    let seen = client.invoke("restricted", &json!({})).expect_success();
    let bounding = seen["capabilities"].as_str().expect("a mask");
    let bounding = u64::from_str_radix(bounding, 16).expect("hexadecimal");
    // NET_ADMIN is capability 12, NET_RAW 13 (capabilities(7)).
    assert_eq!(bounding & (1 << 12 | 1 << 13), 0, "{seen}");
    assert_eq!(seen["noNewPrivileges"], "1", "{seen}");
    let files = seen["files"].as_u64().expect("a number");
    assert!((900..1024).contains(&files), "{seen}");
}
