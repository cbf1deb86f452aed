//! Checklist 11.11: what web actions answer.

use super::invoke::{ID, finish};
use super::web::{ask, export, exported};
use super::*;
use crate::entity::Status;

const ACTIVATION: &str = "x-openwhisk-activation-id";

/// Asks for the action `a`, whose run has this result.
#[track_caller]
fn of(api: &Api, extension: &str, result: &'static str) -> Reply {
    finish(api, Status::Success, Some(result));
    let reply = ask(Method::Get, &format!("a{extension}")).send(api);
    assert_eq!(reply.header(ACTIVATION), Some(ID));
    assert_eq!(reply.header("Access-Control-Allow-Origin"), Some("*"));
    reply
}

#[test]
fn by_extension() {
    let api = exported();
    // 11.11-266
    let json = of(&api, ".json", r#"{"a":[1.0]}"#);
    assert_eq!(json.status, 200);
    assert_eq!(json.header("Content-Type"), Some("application/json"));
    assert_eq!(json.body, "{\n  \"a\": [\n    1.0\n  ]\n}");
    assert_eq!(of(&api, ".json", "[]").body, "[]");
    of(&api, ".text", "[]").refused(400, "Response is not valid 'text/plain'.");
    // 11.11-267
    let text = of(&api, ".text", r#"{"text":"t"}"#);
    assert_eq!(
        text.header("Content-Type"),
        Some("text/plain; charset=UTF-8")
    );
    of(&api, ".text", "{}").refused(404, "Response does not include requested property.");
    // 11.11-268
    let html = of(&api, ".html", r#"{"html":"<p>"}"#);
    assert_eq!(
        html.header("Content-Type"),
        Some("text/html; charset=UTF-8")
    );
    of(&api, ".html", "{}").refused(400, "Response is not valid 'text/html'.");
    // 11.11-269
    let svg = of(&api, ".svg", r#"{"svg":"<svg/>"}"#);
    assert_eq!(svg.header("Content-Type"), Some("image/svg+xml"));
    assert_eq!(svg.body, "<svg/>");
    of(&api, ".svg", "{}").refused(400, "Response is not valid 'image/svg+xml'.");
}

#[test]
fn described_answers() {
    let api = exported();
    // 11.11-270
    for result in ["{}", r#"{"body":""}"#, r#"{"body":null}"#] {
        finish(&api, Status::Success, Some(result));
        let empty = ask(Method::Get, "a")
            .header("Accept", "image/png")
            .send(&api);
        assert_eq!((empty.status, &*empty.body), (204, ""));
        assert_eq!(empty.header(ACTIVATION), Some(ID));
        assert_eq!(empty.header("Content-Type"), None);
    }
    // 11.11-271
    let redirect = of(
        &api,
        "",
        r#"{"statusCode":302,"headers":{"location":"/x"}}"#,
    );
    assert_eq!(redirect.status, 302);
    assert_eq!(redirect.header("Location"), Some("/x"));
    // 11.11-272, 11.11-273
    let text = of(&api, ".http", r#"{"statusCode":201,"body":"é"}"#);
    assert_eq!((text.status, &*text.body), (201, "é"));
    assert_eq!(
        text.header("Content-Type"),
        Some("text/html; charset=UTF-8")
    );
    // 11.11-279
    for code in [r#"{"statusCode":444}"#, r#"{"statusCode":"444"}"#] {
        assert_eq!(of(&api, "", code).status, 444);
    }
    // Counted as what the client got, too: 201 above, and twice 444.
    let metrics = Ask::new(Method::Get, "/metrics").no_key().send(&api).body;
    let counted = "owl_http_requests_total{route=\"web\",method=\"GET\",status=\"other\"} 3\n";
    assert!(metrics.contains(counted), "{metrics}");
    of(&api, "", r#"{"statusCode":"xyz"}"#).refused(400, "Response is not valid 'message/http'.");
    // 11.11-280
    let cookies = of(&api, "", r#"{"headers":{"Set-Cookie":["a=b","c=d"]}}"#);
    let cookies = cookies.response.header("Set-Cookie").unwrap();
    let cookies: Vec<&str> = cookies.iter().map(|cookie| cookie.as_str()).collect();
    assert_eq!(cookies, ["a=b", "c=d"]);
}

#[test]
fn headers_that_are_owls_own() {
    let api = exported();
    let reply = of(
        &api,
        "",
        r#"{"headers":{"Access-Control-Allow-Origin":"http://x","X-Request-ID":"mine",
            "X-OpenWhisk-Activation-Id":"mine","Connection":"close","X-Mine":"1"}}"#,
    );
    for name in ["Access-Control-Allow-Origin", "X-Request-ID", ACTIVATION] {
        assert_eq!(reply.response.header(name).unwrap().iter().count(), 1);
        assert_ne!(reply.header(name), Some("mine"));
    }
    assert_eq!(reply.header("Connection"), None);
    assert_eq!(reply.header("X-Mine"), Some("1"));
    // http_types has no place for it; the server sends it all the same.
    let beyond = of(&api, "", r#"{"headers":{"X-Mine":"é"}}"#);
    let beyond = beyond.response.ext().get::<Beyond>().unwrap();
    assert_eq!(beyond.headers, [("X-Mine".into(), "é".into())]);
}

#[test]
fn only_what_is_accepted() {
    let api = exported();
    finish(&api, Status::Success, Some(r#"{"body":"text"}"#));
    let accept = |value| ask(Method::Get, "a").header("Accept", value).send(&api);
    // 11.11-281
    let refused = accept("application/json");
    refused.refused(
        406,
        "Resource representation is only available with these types:\ntext/html; charset=UTF-8",
    );
    assert_eq!(refused.header(ACTIVATION), Some(ID));
    assert_eq!(api.script.calls.lock().unwrap().len(), 1);
    for good in ["text/html", "text/*", "image/png, */*;q=0.1", ""] {
        assert_eq!(accept(good).status, 200, "{good}");
    }
}

#[test]
fn failures() {
    let api = exported();
    let fail = |status, result| {
        finish(&api, status, Some(result));
        let of = |extension: &str| {
            let reply = ask(Method::Get, &format!("a{extension}")).send(&api);
            assert_eq!(reply.header(ACTIVATION), Some(ID));
            assert_eq!(reply.header("Access-Control-Allow-Origin"), Some("*"));
            reply
        };
        (of(".http"), of(".json"))
    };
    // 11.11-282
    let (http, json) = fail(
        Status::ApplicationError,
        r#"{"error":{"statusCode":418,"body":"no"}}"#,
    );
    assert_eq!((http.status, &*http.body), (418, "no"));
    assert_eq!(json.status, 200);
    let (http, json) = fail(Status::ApplicationError, r#"{"error":"no"}"#);
    http.refused(400, "Response is not valid 'message/http'.");
    json.refused(400, "Response is not valid 'application/json'.");
    // 11.11-283
    for status in [Status::DeveloperError, Status::InternalError] {
        let (http, json) = fail(status, r#"{"error":{"body":"x"}}"#);
        http.refused(400, "There was an error processing your request.");
        json.refused(400, "There was an error processing your request.");
    }
    *api.script.answer.lock().unwrap() =
        Box::new(|_| Ok(Outcome::Accepted(ActivationId::from_bytes([0xab; 16]))));
    // 11.11-284
    let late = ask(Method::Get, "a").send(&api);
    late.refused(202, "Response not yet ready.");
    assert_eq!(late.header(ACTIVATION), Some(ID));
    *api.script.answer.lock().unwrap() =
        Box::new(|_| Err(InvokeError::Unavailable("No room.".into())));
    ask(Method::Get, "a").send(&api).refused(503, "No room.");
}

#[test]
fn preflight_requests() {
    let api = exported();
    // 11.11-287
    let reply = ask(Method::Options, "a.json").send(&api);
    assert_eq!((reply.status, &*reply.body), (200, ""));
    assert_eq!(reply.header("Access-Control-Allow-Origin"), Some("*"));
    assert_eq!(
        reply.header("Access-Control-Allow-Methods"),
        Some("OPTIONS, GET, DELETE, POST, PUT, HEAD, PATCH")
    );
    assert_eq!(
        reply.header("Access-Control-Allow-Headers"),
        Some("Authorization, Origin, X-Requested-With, Content-Type, Accept, User-Agent")
    );
    for method in [Method::Options, Method::Get] {
        let reply = ask(method, "a")
            .header("Access-Control-Request-Headers", "x-a, x-b")
            .send(&api);
        assert_eq!(
            reply.header("Access-Control-Allow-Headers"),
            Some("x-a, x-b")
        );
    }
    assert_eq!(api.script.calls.lock().unwrap().len(), 1);
}

#[test]
fn own_preflight_requests() {
    let api = exported();
    export(
        &api,
        "own",
        json!({"web-custom-options": true, "require-whisk-auth": true}),
    );
    finish(
        &api,
        Status::Success,
        Some(r#"{"headers":{"Access-Control-Allow-Methods":"OPTIONS, GET"}}"#),
    );
    // 11.11-288
    let reply = ask(Method::Options, "own").send(&api);
    assert_eq!((reply.status, reply.header(ACTIVATION)), (204, Some(ID)));
    assert_eq!(
        reply.header("Access-Control-Allow-Methods"),
        Some("OPTIONS, GET")
    );
    assert_eq!(reply.header("Access-Control-Allow-Origin"), None);
    let call = api.script.calls.lock().unwrap().pop().unwrap();
    let payload: Value = serde_json::from_str(call.payload.unwrap().get()).unwrap();
    assert_eq!(payload["__ow_method"], "options");
    let reply = ask(Method::Get, "own").send(&api);
    assert_eq!(reply.status, 401);
    assert_eq!(reply.header("Access-Control-Allow-Origin"), None);
}

#[test]
fn all_methods_run_the_action() {
    let api = exported();
    finish(
        &api,
        Status::Success,
        Some(r#"{"headers":{"X-A":"1"},"body":"x"}"#),
    );
    for method in [
        // 11.11-289
        Method::Head,
        Method::Get,
        Method::Post,
        Method::Put,
        Method::Delete,
        Method::Patch,
    ] {
        let reply = ask(method, "a").send(&api);
        assert_eq!(reply.status, 200);
        assert_eq!(reply.header("X-A"), Some("1"));
    }
    assert_eq!(api.script.calls.lock().unwrap().len(), 6);
}
