//! Checklist 11.11: requests for web actions, up to what the action is given.

use super::invoke::finish;
use super::*;
use crate::entity::Status;
use crate::invoke::Rates;
use crate::sync::Current;

pub(super) const MISSING: &str = "The requested resource does not exist.";
const NOT_ALLOWED: &str =
    "Request defines parameters that are not allowed (e.g., reserved properties).";
const UNAUTHORIZED: &str = "Authentication is possible but has failed or not yet been provided.";

/// An action with annotations, exported unless they say otherwise.
pub(super) fn export(api: &Api, name: &str, annotations: Value) {
    let mut all = vec![json!({"key": "web-export", "value": true})];
    for (key, value) in annotations.as_object().unwrap() {
        all.push(json!({"key": key, "value": value}));
    }
    let body = json!({"exec": exec("1"), "annotations": all});
    let reply = api.put(&format!("{}?overwrite=true", action(name)), body);
    assert_eq!(reply.status, 200, "{}", reply.body);
}

/// A request without a key.
pub(super) fn ask(method: Method, rest: &str) -> Ask {
    Ask::new(method, &format!("/api/v1/web/guest/default/{rest}")).no_key()
}

/// An API with an exported action `a`, whose runs end with `{}`.
pub(super) fn exported() -> Api {
    let api = Api::new();
    export(&api, "a", json!({}));
    finish(&api, Status::Success, Some("{}"));
    api
}

/// What the action was given last.
pub(super) fn given(api: &Api) -> Value {
    let calls = api.script.calls.lock().unwrap();
    serde_json::from_str(calls.last().unwrap().payload.as_ref().unwrap().get()).unwrap()
}

fn calls(api: &Api) -> usize {
    api.script.calls.lock().unwrap().len()
}

impl Reply {
    /// Checks that this is an error of a web action, whose four lines are always the same.
    #[track_caller]
    pub(super) fn web_refused(&self, status: u16, text: &str) {
        self.refused(status, text);
        let code = self.header("X-Request-ID").unwrap();
        let lines = [
            "{".into(),
            format!("  \"error\": {},", json!(text)),
            format!("  \"code\": \"{code}\""),
            "}".into(),
        ];
        assert_eq!(self.body.lines().collect::<Vec<_>>(), lines);
    }
}

#[test]
fn paths() {
    let api = exported();
    for path in ["guest", "guest/default", "guest/default/", "guest//a"] {
        let path = format!("/api/v1/web/{path}");
        // 11.11-248
        api.get(&path)
            .refused(404, "The requested resource could not be found.");
        assert_eq!(Ask::new(Method::Get, &path).no_key().send(&api).status, 401);
        let options = Ask::new(Method::Options, &path).no_key().send(&api);
        assert_eq!((options.status, &*options.body), (200, "OK"));
    }
    // 11.11-251
    for path in ["a", "a.http", "a/", "a.http/x/y"] {
        assert_eq!(ask(Method::Get, path).send(&api).status, 204, "{path}");
    }
    let wrong = ask(Method::Trace, "a").send(&api);
    assert_eq!(wrong.status, 405);
    assert_eq!(
        wrong.header("Allow"),
        Some("OPTIONS, GET, DELETE, POST, PUT, HEAD, PATCH")
    );
}

#[test]
fn what_is_missing() {
    let api = exported();
    api.create("private");
    // 11.11-252
    export(&api, "text", json!({"web-export": "true"}));
    export(&api, "off", json!({"web-export": false}));
    for path in [
        "guest/default/b",
        "guest/p/a",
        "nobody/default/a",
        "_/default/a",
        "guest/default/private",
        "guest/default/text",
        "guest/default/off",
        // 11.11-250
        "guest/default/a.xyz",
    ] {
        for extension in ["", ".http", ".json", ".html", ".svg", ".text"] {
            for method in [
                Method::Get,
                Method::Post,
                Method::Put,
                Method::Delete,
                Method::Patch,
                Method::Head,
                Method::Options,
            ] {
                let path = format!("/api/v1/web/{path}{extension}");
                // 11.11-249, 11.11-290
                Ask::new(method, &path)
                    .no_key()
                    .send(&api)
                    .web_refused(404, MISSING);
            }
        }
    }
    assert_eq!(calls(&api), 0);
}

#[test]
fn who_calls() {
    let api = exported();
    api.other_namespace();
    for (request, user) in [
        (ask(Method::Get, "a"), None),
        (ask(Method::Get, "a").other(), Some("other")),
        (ask(Method::Get, "a").key(OTHER_UUID, "wrong"), None),
        (ask(Method::Get, "a").header("Authorization", "x"), None),
        (
            ask(Method::Get, "a").key(GUEST_UUID, GUEST_KEY),
            Some("guest"),
        ),
        // Whose key anybody knows.
        (
            ask(Method::Get, "a")
                .key(GUEST_UUID, GUEST_KEY)
                .peer("192.168.1.9:4000"),
            None,
        ),
    ] {
        assert_eq!(request.send(&api).status, 204);
        // 11.11-253
        assert_eq!(given(&api).get("__ow_user").and_then(Value::as_str), user);
    }
    // 11.11-292
    for call in api.script.calls.lock().unwrap().iter() {
        assert_eq!(call.identity.namespace, "guest");
        assert_eq!(call.identity.subject, "guest");
        assert_eq!(call.wait, Some(std::time::Duration::from_secs(60)));
    }
}

#[test]
fn required_keys() {
    let api = exported();
    api.other_namespace();
    export(&api, "keyed", json!({"require-whisk-auth": true}));
    // 11.11-254
    let refused = ask(Method::Get, "keyed").send(&api);
    refused.web_refused(401, UNAUTHORIZED);
    assert_eq!(refused.header("WWW-Authenticate"), None);
    assert_eq!(refused.header("x-openwhisk-activation-id"), None);
    let reply = ask(Method::Get, "keyed").other().send(&api);
    assert_eq!(reply.status, 204);
    assert_eq!(ask(Method::Options, "keyed").send(&api).status, 200);
    // 11.11-255
    export(&api, "secret", json!({"require-whisk-auth": "secret"}));
    export(
        &api,
        "number",
        json!({"require-whisk-auth": 9_007_199_254_740_991_u64}),
    );
    for (name, right) in [("secret", "secret"), ("number", "9007199254740991")] {
        let with = |value| ask(Method::Get, name).header("X-Require-Whisk-Auth", value);
        ask(Method::Get, name)
            .send(&api)
            .web_refused(401, UNAUTHORIZED);
        with("wrong").send(&api).web_refused(401, UNAUTHORIZED);
        let keyed = ask(Method::Get, name).other();
        keyed.send(&api).web_refused(401, UNAUTHORIZED);
        assert_eq!(with(right).send(&api).status, 204);
        assert_eq!(given(&api)["__ow_headers"]["x-require-whisk-auth"], right);
    }
}

#[test]
fn arguments() {
    let api = exported();
    for (path, rest) in [("a", ""), ("a.json/", "/"), ("a/content?x=1", "/content")] {
        // 11.11-256
        ask(Method::Patch, path)
            .header("X-Mixed-Case", "Y")
            .header("X-OW-EXTRA-LOGGING", "on")
            .send(&api);
        let given = given(&api);
        assert_eq!(given["__ow_method"], "patch");
        assert_eq!(given["__ow_headers"]["x-mixed-case"], "Y");
        assert_eq!(given["__ow_headers"].get("x-ow-extra-logging"), None);
        assert_eq!(given["__ow_path"], rest);
        // What the request does not say is not made up.
        assert_eq!(given["__ow_headers"].get("content-type"), None);
    }
    // 11.11-257
    ask(Method::Post, "a?x=1&y=2")
        .json(json!({"y": [3]}))
        .send(&api);
    let all = given(&api);
    assert_eq!((&all["x"], &all["y"]), (&json!("1"), &json!([3])));
    assert_eq!(all["__ow_headers"]["content-type"], "application/json");
    // 11.11-262
    let reserved = ask(Method::Get, "a?__ow_method=x").send(&api);
    reserved.web_refused(400, NOT_ALLOWED);
    let reserved = ask(Method::Post, "a").json(json!({"__ow_user": 1}));
    reserved.send(&api).web_refused(400, NOT_ALLOWED);
    let malformed = ask(Method::Post, "a")
        .body("application/json", "{")
        .send(&api);
    assert_eq!(malformed.status, 400);
    let value = malformed.value();
    let text = value["error"].as_str().unwrap();
    assert!(
        text.starts_with("The request content was malformed:\n"),
        "{text}"
    );
    // 11.11-264
    export(&api, "raw", json!({"raw-http": true}));
    ask(Method::Post, "raw?x=%20&__ow_user=1")
        .json(json!({}))
        .send(&api);
    let all = given(&api);
    assert_eq!(all["__ow_query"], "x=%20&__ow_user=1");
    assert_eq!((&all["__ow_body"], all.get("x")), (&json!("e30="), None));
    assert_eq!(all.get("__ow_user"), None);
}

#[test]
fn final_parameters() {
    let api = exported();
    let annotations = |raw| {
        json!([{"key": "web-export", "value": true}, {"key": "final", "value": true},
            {"key": "raw-http", "value": raw}])
    };
    for (name, raw) in [("closed", false), ("raw", true)] {
        let body = json!({"exec": exec("1"), "annotations": annotations(raw),
            "parameters": [{"key": "set", "value": 1}, {"key": "open", "value": null}]});
        assert_eq!(api.put(&action(name), body).status, 200);
    }
    // 11.11-263
    let refused = ask(Method::Get, "closed?set=2").send(&api);
    refused.web_refused(400, NOT_ALLOWED);
    let refused = ask(Method::Post, "closed").json(json!({"set": 2}));
    refused.send(&api).web_refused(400, NOT_ALLOWED);
    let allowed = ask(Method::Post, "closed?open=2").json(json!({"x": 1}));
    assert_eq!(allowed.send(&api).status, 204);
    let raw = ask(Method::Post, "raw?set=2").json(json!({"set": 2}));
    assert_eq!(raw.send(&api).status, 204);
}

#[test]
fn bounds() {
    let api = Api::with(Settings {
        max_payload: 10,
        rates: Current::new(Rates {
            invocations_per_minute: 3,
            ..Rates::default()
        }),
        ..Settings::default()
    });
    export(&api, "a", json!({}));
    finish(&api, Status::Success, Some("{}"));
    // 11.11-285
    let large = ask(Method::Post, "a")
        .body("text/plain", "x".repeat(11))
        .send(&api);
    large.web_refused(413, "Request larger than allowed: 11 > 10 bytes.");
    let fits = ask(Method::Post, "a").body("text/plain", "x".repeat(10));
    assert_eq!(fits.send(&api).status, 204);
    // A preflight request runs nothing, so it is free.
    assert_eq!(ask(Method::Options, "a").send(&api).status, 200);
    assert_eq!(ask(Method::Get, "a").send(&api).status, 204);
    // 11.11-286
    let refused = ask(Method::Get, "a").send(&api);
    refused.web_refused(
        429,
        "Too many requests in the last minute (count: 4, allowed: 3).",
    );
    assert_eq!(refused.header("Access-Control-Allow-Origin"), Some("*"));
    assert_eq!(refused.header("x-openwhisk-activation-id"), None);
}
