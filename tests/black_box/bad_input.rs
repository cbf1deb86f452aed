//! Bad input, for each route: OpenWhisk's status and text, and nothing is stored (reference
//! sections 1.4, 1.8, 1.9 and 1.12).

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};
use surf::http::Method;

use crate::client::{Answer, Client, GUEST, base64};
use crate::daemon::{Daemon, Setup};

const MALFORMED: &str = "The request content was malformed:\n";
const NO_ROUTE: &str = "The requested resource could not be found.";
const ID: &str = "0123456789abcdef0123456789abcdef";

const METHODS: [Method; 5] = [
    Method::Get,
    Method::Put,
    Method::Post,
    Method::Delete,
    Method::Patch,
];

/// Each kind of entity as (path, a body that would create it).
fn entities() -> [(&'static str, Value); 5] {
    let exec = json!({"kind": "quickjs:1", "code": "function main() { return {} }"});
    let rule = json!({"trigger": "/_/there", "action": "/_/package/there"});
    [
        ("actions/a", json!({ "exec": exec })),
        ("actions/package/a", json!({ "exec": exec })),
        ("triggers/a", json!({})),
        ("rules/a", rule),
        ("packages/a", json!({})),
    ]
}

/// What has to be there before the entities above can be made.
fn prepare(client: &Client) {
    let exec = json!({"kind": "quickjs:1", "code": "function main() { return {} }"});
    for (path, body) in [
        ("packages/package", json!({})),
        ("actions/package/there", json!({ "exec": exec })),
        ("triggers/there", json!({})),
    ] {
        assert_eq!(client.put(path, &body).status, 200, "{path}");
    }
}

/// Expects that there is what [`prepare`] made, as it was, and no more.
fn expect_untouched(client: &Client, what: &str) {
    for (collection, expected) in [
        ("actions", 1),
        ("packages", 1),
        ("triggers", 1),
        ("rules", 0),
        ("activations", 0),
    ] {
        let listed = client.get(collection).json();
        let listed = listed.as_array().expect("a list");
        assert_eq!(listed.len(), expected, "{collection} after {what}");
        for entity in listed {
            assert_eq!(entity["version"], "0.0.1", "{collection} after {what}");
        }
    }
}

/// The answer to a `HEAD`, in lower case. Not with surf, which waits for a body.
fn head(owl: &Daemon, path: &str) -> String {
    let path = match path.strip_prefix('/') {
        Some(path) => path.to_string(),
        None => format!("api/v1/namespaces/_/{path}"),
    };
    let mut stream = TcpStream::connect(owl.address()).expect("connect");
    let key = base64(GUEST);
    let request = format!(
        "HEAD /{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {key}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).expect("ask");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.ends_with("\r\n\r\n"), "a body in {answer}");
    answer.to_lowercase()
}

fn put(client: &Client, path: &str, content_type: &str, body: &str) -> Answer {
    let body = Some((content_type, body.as_bytes().to_vec()));
    client.send(Method::Put, path, &[], body)
}

#[test]
fn methods_that_a_route_does_not_have() {
    // 11.1-17, 11.1-26, 11.2-40, 11.4-109, 11.8-207
    let owl = Setup::new().start();
    let client = owl.client();
    prepare(&client);
    let activation = format!("activations/{ID}");
    for (path, allowed) in [
        ("/ping", "GET"),
        ("/", "GET"),
        ("/invokers", "GET"),
        ("/invokers/ready", "GET"),
        ("/invokers/healthy/count", "GET"),
        ("/api/v1", "GET"),
        ("/api/v1/namespaces", "GET"),
        ("limits", "GET"),
        ("actions", "GET"),
        ("triggers", "GET"),
        ("rules", "GET"),
        ("packages", "GET"),
        ("activations", "GET"),
        (&activation, "GET"),
        (&format!("{activation}/logs"), "GET"),
        (&format!("{activation}/result"), "GET"),
        ("actions/a", "DELETE, GET, POST, PUT"),
        ("actions/package/a", "DELETE, GET, POST, PUT"),
        ("triggers/a", "DELETE, GET, POST, PUT"),
        ("rules/a", "DELETE, GET, POST, PUT"),
        ("packages/a", "DELETE, GET, PUT"),
    ] {
        for method in METHODS {
            if allowed.split(", ").any(|name| name == method.as_ref()) {
                continue;
            }
            let answer = client.send(method, path, &[], None);
            let what = format!("{method} {path}: {answer}");
            assert_eq!(answer.header("Allow"), Some(allowed), "{what}");
            answer.expect_error(
                405,
                &format!("HTTP method not allowed, supported methods: {allowed}"),
            );
        }
        let head = head(&owl, path);
        assert!(head.starts_with("http/1.1 405 "), "HEAD {path}: {head}");
        let header = format!("\r\nallow: {}\r\n", allowed.to_lowercase());
        assert!(head.contains(&header), "HEAD {path}: {head}");
    }
    expect_untouched(&client, "wrong methods");
}

#[test]
fn paths_that_lead_nowhere() {
    // 11.1-13, 11.1-17, 11.4-109, 11.4-123, 11.5-141, 11.8-206
    let owl = Setup::new().start();
    let client = owl.client();
    prepare(&client);
    for path in [
        "/api/v1/x",
        "/api/v1/namespaces/_",
        "nothing",
        "actions/package/there/x",
        "triggers/there/x",
        "rules/a/x",
        "packages/package/x",
        &format!("activations/{ID}/bogus"),
    ] {
        for method in [Method::Get, Method::Put, Method::Post, Method::Delete] {
            client
                .send(method, path, &[], None)
                .expect_error(404, NO_ROUTE);
        }
    }
    for method in [Method::Put, Method::Post, Method::Delete] {
        client
            .send(method, "actions/package/", &[], None)
            .expect_error(404, NO_ROUTE);
    }
    expect_untouched(&client, "paths that lead nowhere");
}

#[test]
fn names_that_are_none() {
    // 11.1-18, 11.1-19, 11.1-20
    let owl = Setup::new().start();
    let client = owl.client();
    prepare(&client);
    let long = "n".repeat(257);
    let illegal = "The name of the entity contains illegal characters.";
    let too_long = "Name segement longer than allowed: 257 > 256.";
    for (name, message) in [
        ("%C3%BCber", illegal),
        ("%E5%90%8D%E5%89%8D", illegal),
        ("%F0%9F%A6%89", illegal),
        ("a%00b", illegal),
        ("a%2Fb", illegal),
        ("a%20", illegal),
        ("%FF%FE", illegal),
        (&long, too_long),
    ] {
        for collection in [
            "actions",
            "actions/package",
            "triggers",
            "rules",
            "packages",
        ] {
            for method in [Method::Get, Method::Put, Method::Post, Method::Delete] {
                if collection == "packages" && method == Method::Post {
                    continue;
                }
                let path = format!("{collection}/{name}");
                let body = Some(("application/json", b"{}".to_vec()));
                client
                    .send(method, &path, &[], body)
                    .expect_error(400, message);
            }
        }
        let path = format!("actions/{name}/a");
        client.get(&path).expect_error(400, message);
    }
    for (namespace, message) in [
        ("%C3%BCber", "The namespace contains illegal characters."),
        ("a%00b", "The namespace contains illegal characters."),
        (&long, "Namespace longer than allowed: 257 > 256."),
    ] {
        for rest in [
            "actions",
            "actions/a",
            "triggers/a",
            "rules/a",
            "packages/a",
            "limits",
            "activations",
        ] {
            let path = format!("/api/v1/namespaces/{namespace}/{rest}");
            client.get(&path).expect_error(400, message);
        }
    }
    expect_untouched(&client, "names that are none");
}

#[test]
fn bodies_that_describe_no_entity() {
    // 11.3-56, 11.3-57, 11.3-62
    let owl = Setup::new().start();
    let client = owl.client();
    prepare(&client);
    for (path, good) in entities() {
        let good = good.as_object().expect("an object");
        put(&client, path, "text/plain", "{}").expect_error(
            415,
            "The request's Content-Type [text/plain] is not supported. Expected:\napplication/json",
        );
        put(&client, path, "application/json", "")
            .expect_error(400, "Request entity expected but not supplied");
        client
            .send(Method::Put, path, &[], None)
            .expect_error(400, "Request entity expected but not supplied");
        for broken in [
            "{",
            "{]",
            "[]",
            "\"text\"",
            "1",
            "null",
            "{} x",
            "\u{feff}{}",
        ] {
            let message = put(&client, path, "application/json", broken).error(400);
            assert!(message.starts_with(MALFORMED), "{path} {broken}: {message}");
        }
        for (field, value) in [
            ("parameters", json!({})),
            ("parameters", json!("p")),
            ("parameters", json!([{"key": 1, "value": 1}])),
            ("parameters", json!(["k"])),
            ("annotations", json!(5)),
            ("annotations", json!([{"value": 1}])),
            ("publish", json!("yes")),
            ("version", json!(1)),
            ("version", json!("x.y.z")),
        ] {
            // Rules have no parameters, and OpenWhisk ignores what it does not know.
            if path == "rules/a" && field == "parameters" {
                continue;
            }
            let mut body = good.clone();
            body.insert(field.into(), value);
            let body = Value::from(body);
            let message = client.put(path, &body).error(400);
            assert!(message.starts_with(MALFORMED), "{path} {body}: {message}");
        }
        client
            .put(&format!("{path}?overwrite=maybe"), &json!(good))
            .expect_error(
                400,
                "The query parameter 'overwrite' was malformed:\n'maybe' is not a valid Boolean value",
            );
    }
    expect_untouched(&client, "bodies that describe no entity");
}

#[test]
fn fields_that_are_missing_or_wrong() {
    // 11.3-58, 11.3-59, 11.3-60, 11.4-94, 11.5-125, 11.6-144, 11.6-145, 11.9-217
    let owl = Setup::new().start();
    let client = owl.client();
    prepare(&client);
    let fully_qualified = format!(
        "{MALFORMED}requirement failed: The fully qualified name of the entity must contain at \
         least the namespace and the name of the entity."
    );
    let no_components = format!("{MALFORMED}'components' must be defined for sequence kind");
    for (path, body, message) in [
        ("actions/a", json!({}), "exec undefined"),
        (
            "actions/a",
            json!({"exec": {"kind": "sequence"}}),
            &no_components,
        ),
        (
            "actions/a",
            json!({"exec": {"kind": "sequence", "components": ["bare"]}}),
            &fully_qualified,
        ),
        (
            "rules/a",
            json!({}),
            "rule requires a valid trigger and a valid action",
        ),
        (
            "rules/a",
            json!({"trigger": "/_/there"}),
            "rule requires a valid trigger and a valid action",
        ),
        (
            "rules/a",
            json!({"trigger": "there", "action": "/_/there"}),
            &fully_qualified,
        ),
        (
            "triggers/a",
            json!({"annotations": [{"key": "feed", "value": 1}]}),
            "Feed name is not valid",
        ),
        (
            "packages/default",
            json!({}),
            "Package name 'default' is reserved.",
        ),
    ] {
        client.put(path, &body).expect_error(400, message);
    }
    for (path, body) in [
        ("actions/a", json!({"exec": ""})),
        ("actions/a", json!({"exec": {"code": "x"}})),
        ("actions/a", json!({"exec": {"kind": 20, "code": "x"}})),
        ("actions/a", json!({"exec": {"kind": "quickjs:1"}})),
        (
            "actions/a",
            json!({"exec": {"kind": "quickjs:1", "code": 1}}),
        ),
        ("actions/a", json!({"exec": {"kind": "blackbox"}})),
        (
            "actions/a",
            json!({"exec": {"kind": "sequence", "components": "x"}}),
        ),
        ("rules/a", json!({"trigger": 1, "action": "/_/there"})),
        ("packages/a", json!({"binding": "guest/package"})),
        ("packages/a", json!({"binding": {"namespace": "guest"}})),
    ] {
        let message = client.put(path, &body).error(400);
        assert!(message.starts_with(MALFORMED), "{path} {body}: {message}");
    }
    expect_untouched(&client, "fields that are missing or wrong");
}

#[test]
fn payloads_that_are_none() {
    // 11.6-156, 11.7-169, 11.7-170
    let owl = Setup::new().start();
    let client = owl.client();
    prepare(&client);
    let rule = json!({"trigger": "/_/there", "action": "/_/package/there"});
    let post = |path: &str, content_type: &str, body: &str| {
        let body = Some((content_type, body.as_bytes().to_vec()));
        client.send(Method::Post, path, &[], body)
    };
    assert_eq!(client.put("rules/on", &rule).status, 200);
    for path in [
        "actions/package/there",
        "actions/package/there?blocking=true",
        "triggers/there",
    ] {
        for body in ["[1]", "\"text\"", "5", "null"] {
            post(path, "application/json", body)
                .expect_error(400, &format!("{MALFORMED}JSON object expected"));
        }
        let message = post(path, "application/json", "{\"a\":").error(400);
        assert!(message.starts_with(MALFORMED), "{path}: {message}");
        post(path, "text/plain", "{}").error(415);
        post(path, "application/x-www-form-urlencoded", "a=b").error(415);
    }
    let state = format!("{MALFORMED}requirement failed: xxx is not a recognized rule state");
    post("rules/on", "application/json", "{\"status\":\"xxx\"}").expect_error(400, &state);
    for body in ["{}", "[]", "{\"status\":1}", "{"] {
        let message = post("rules/on", "application/json", body).error(400);
        assert!(message.starts_with(MALFORMED), "{body}: {message}");
    }
    post("rules/on", "application/json", "")
        .expect_error(400, "Request entity expected but not supplied");
    post("rules/on", "text/plain", "{\"status\":\"inactive\"}").error(415);
    assert_eq!(client.get("rules/on").json()["status"], "active");
    assert_eq!(client.delete("rules/on").status, 200);
    expect_untouched(&client, "payloads that are none");
}

#[test]
fn bodies_of_ten_megabytes() {
    // 11.3-75, 11.3-76, 11.4-110, 11.5-139, 11.7-182
    let owl = Setup::new().start();
    let client = owl.client();
    prepare(&client);
    let large = json!([{"key": "k", "value": "v".repeat(10 << 20)}]);
    // The key's byte and the value's quotation marks count.
    let size = (10 << 20) + 3;
    for (path, good) in entities() {
        for part in ["parameters", "annotations"] {
            if path == "rules/a" && part == "parameters" {
                continue;
            }
            let mut body = good.clone();
            body[part] = large.clone();
            client.put(path, &body).expect_error(
                413,
                &format!("{part} larger than allowed: {size} > 1048576 bytes."),
            );
        }
    }
    let payload = json!({"x": "x".repeat(10 << 20)});
    let size = payload.to_string().len();
    for path in ["actions/package/there", "triggers/there"] {
        client.post(path, &payload).expect_error(
            413,
            &format!("Request larger than allowed: {size} > 1048576 bytes."),
        );
    }
    expect_untouched(&client, "bodies of ten megabytes");
}

#[test]
fn queries_that_are_none() {
    // What a list takes is in `lists`.
    let owl = Setup::new().start();
    let client = owl.client();
    prepare(&client);
    for (method, path, parameter) in [
        (Method::Get, "actions/package/there?code=x", "code"),
        (Method::Post, "actions/package/there?blocking=x", "blocking"),
        (Method::Post, "actions/package/there?result=x", "result"),
        (Method::Delete, "packages/package?force=x", "force"),
        (Method::Get, "activations?docs=x", "docs"),
    ] {
        client.send(method, path, &[], None).expect_error(
            400,
            &format!(
                "The query parameter '{parameter}' was malformed:\n'x' is not a valid Boolean value"
            ),
        );
    }
    expect_untouched(&client, "queries that are none");
}
