//! Requests to APIs, up to what their web actions are given.

use super::invoke::finish;
use super::web::{export, given};
use super::*;
use crate::entity::Status;
use crate::gateway::{Apis, Backend, NewOperation, Verb};

const NOWHERE: &str = "The requested resource could not be found.";

/// An API of the guest with exported actions, whose runs end with `{}`.
fn gateway(operations: &[(&str, Verb, &str)]) -> super::Api {
    let api = super::Api::new();
    export(&api, "a", json!({}));
    export(&api, "secure", json!({"require-whisk-auth": "my key"}));
    api.create("private");
    for (path, verb, action) in operations {
        add(&api, path, *verb, action, None);
    }
    finish(&api, Status::Success, Some("{}"));
    api
}

fn add(api: &super::Api, path: &str, verb: Verb, action: &str, secure_key: Option<&str>) {
    let new = NewOperation {
        base_path: "/base".into(),
        path: path.into(),
        verb,
        title: None,
        backend: Backend::of_name(action, "guest", "http").unwrap(),
        secure_key: secure_key.map(|key| Secret::new(key.into())),
        origin: "http://h".into(),
    };
    smol::block_on(Apis::new(api.store.clone()).add("guest", &new)).unwrap();
}

fn ask(method: Method, rest: &str) -> Ask {
    Ask::new(method, &format!("/api/guest{rest}")).no_key()
}

#[test]
fn requests_lead_to_web_actions() {
    let api = gateway(&[("/hello", Verb::Get, "a"), ("/hello", Verb::Post, "a")]);
    let asked = ask(Method::Get, "/base/hello?name=x%20y").send(&api);
    assert_eq!((asked.status, asked.body.as_str()), (204, ""));
    assert_eq!(asked.header("Access-Control-Allow-Origin"), Some("*"));
    let arguments = given(&api);
    assert_eq!(arguments["name"], "x y");
    assert_eq!(arguments["__ow_method"], "get");
    assert_eq!(arguments["__ow_path"], "");
    let post = ask(Method::Post, "/base/hello/").json(json!({"n": 1}));
    assert_eq!(post.send(&api).status, 204);
    assert_eq!(given(&api)["n"], 1);
    // As GET, which the action sees.
    assert_eq!(ask(Method::Head, "/base/hello").send(&api).status, 204);
    assert_eq!(given(&api)["__ow_method"], "head");
}

#[test]
fn parameters_of_paths_are_arguments() {
    let api = gateway(&[
        ("/books/{id}/{part}", Verb::Get, "a"),
        ("/books/{id}/all", Verb::Get, "a"),
    ]);
    let path = "/base/books/a%2Fb%20c/7?x=1&id=mine";
    assert_eq!(ask(Method::Get, path).send(&api).status, 204);
    let arguments = given(&api);
    assert_eq!(arguments["id"], "a/b c");
    assert_eq!(
        (&arguments["part"], &arguments["x"]),
        (&json!("7"), &json!("1"))
    );
    assert_eq!(arguments["__ow_path"], "/base/books/a%2Fb%20c/7");
    assert_eq!(ask(Method::Get, "/base/books/1/all").send(&api).status, 204);
    assert_eq!(given(&api).get("part"), None);
}

#[test]
fn what_is_not_there() {
    let api = gateway(&[
        ("/hello", Verb::Get, "a"),
        ("/private", Verb::Get, "private"),
        ("/gone", Verb::Get, "gone"),
    ]);
    for path in [
        "",
        "/",
        "/base",
        "/base/other",
        "/base/hello/x",
        "/hello",
        "/v1",
    ] {
        ask(Method::Get, path).send(&api).refused(404, NOWHERE);
        ask(Method::Options, path).send(&api).refused(404, NOWHERE);
    }
    for namespace in ["other", "_", "a%20", "%ff", "v2"] {
        let path = format!("/api/{namespace}/base/hello");
        api.get(&path).refused(404, NOWHERE);
    }
    // What is not exported is not told from what is not there.
    for path in ["/base/private", "/base/gone"] {
        let missing = ask(Method::Get, path).send(&api);
        assert_eq!(missing.error(), (404, super::web::MISSING.into()));
    }
    assert!(api.script.calls.lock().unwrap().is_empty());
}

#[test]
fn methods_and_preflight_requests() {
    let api = gateway(&[("/hello", Verb::Put, "a"), ("/hello", Verb::Get, "a")]);
    let wrong = ask(Method::Delete, "/base/hello").send(&api);
    wrong.refused(
        405,
        "HTTP method not allowed, supported methods: GET, HEAD, OPTIONS, PUT",
    );
    assert_eq!(wrong.header("Allow"), Some("GET, HEAD, OPTIONS, PUT"));
    assert_eq!(ask(Method::Trace, "/base/hello").send(&api).status, 405);
    let options = ask(Method::Options, "/base/hello")
        .header("Access-Control-Request-Headers", "X-Mine")
        .send(&api);
    assert_eq!((options.status, options.body.as_str()), (200, ""));
    let header = |name| options.header(name);
    assert_eq!(
        header("Access-Control-Allow-Methods"),
        Some("GET, HEAD, OPTIONS, PUT")
    );
    assert_eq!(header("Access-Control-Allow-Headers"), Some("X-Mine"));
    assert!(api.script.calls.lock().unwrap().is_empty());
}

#[test]
fn the_gateway_knows_the_secret() {
    let api = gateway(&[("/open", Verb::Get, "secure")]);
    add(&api, "/closed", Verb::Get, "secure", Some("my key"));
    assert_eq!(ask(Method::Get, "/base/open").send(&api).status, 401);
    let wrong = ask(Method::Get, "/base/closed").header("X-Require-Whisk-Auth", "wrong");
    assert_eq!(wrong.send(&api).status, 204);
    let headers = &given(&api)["__ow_headers"];
    assert_eq!(headers["x-require-whisk-auth"], "my key");
}
