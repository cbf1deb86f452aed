//! Checklist 11.7: invoking, as far as the API decides.

use std::time::Duration;

use serde_json::value::RawValue;

use super::*;
use crate::entity::{Activation, Response, Status};
use crate::store::{CodeChange, Collection, EntityWrite, Expect};

/// Makes the invoker answer with a finished activation.
pub(super) fn finish(api: &Api, status: Status, result: Option<&'static str>) {
    *api.script.answer.lock().unwrap() = Box::new(move |call| {
        Ok(Outcome::Finished(Arc::new(Activation {
            id: ActivationId::from_bytes([0xab; 16]),
            namespace: call.identity.namespace.clone(),
            name: call.action.name.clone(),
            filter_name: call.action.name.clone(),
            subject: call.identity.subject.clone(),
            version: call.action.version.clone(),
            cause: None,
            start: 1,
            end: Some(3),
            duration: Some(1),
            response: Response {
                status,
                result: result.map(|text| RawValue::from_string(text.into()).unwrap()),
                size: None,
            },
            logs: Vec::new(),
            annotations: Vec::new(),
        })))
    });
}

pub(super) const ID: &str = "abababababababababababababababab";

#[test]
fn non_blocking() {
    let api = Api::new();
    api.create("a");
    // 11.7-164, 11.7-165
    for query in [
        "",
        "?blocking=false&result=false",
        "?result=true",
        "?timeout=5",
    ] {
        let reply = api.post(&format!("{}{query}", action("a")), json!({"x": 1}));
        assert_eq!(reply.status, 202);
        let id = reply.value()["activationId"].as_str().unwrap().to_string();
        assert_eq!(id.len(), 32);
        assert_eq!(reply.header("x-openwhisk-activation-id"), Some(id.as_str()));
        assert_eq!(reply.header("Access-Control-Allow-Origin"), Some("*"));
    }
    for call in api.script.calls.lock().unwrap().iter() {
        assert_eq!(call.wait, None);
        assert_eq!(call.payload.as_ref().unwrap().get(), "{\"x\":1}");
        assert_eq!(call.action.name, "a");
    }
}

#[test]
fn blocking() {
    let api = Api::new();
    api.create("a");
    finish(&api, Status::Success, Some("{\"n\":1.00}"));
    // 11.7-166
    let reply = api.post(
        &format!("{}?blocking=true&result=false", action("a")),
        json!({}),
    );
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("x-openwhisk-activation-id"), Some(ID));
    assert_eq!(reply.header("Content-Type"), Some("application/json"));
    let record = reply.value();
    assert_eq!(record["activationId"], ID);
    assert_eq!(record["logs"], json!([]));
    assert_eq!(
        record["response"],
        json!({"status": "success", "success": true, "result": {"n": 1.0}})
    );
    assert_eq!(record.get("statusCode"), None);
    // 11.7-167
    let reply = api.post(
        &format!("{}?blocking=true&result=true", action("a")),
        json!({}),
    );
    assert_eq!((reply.status, reply.body.as_str()), (200, "{\"n\":1.00}"));
    let waits: Vec<_> = api
        .script
        .calls
        .lock()
        .unwrap()
        .iter()
        .map(|c| c.wait)
        .collect();
    // 11.7-173: nobody waits longer than this.
    assert_eq!(waits, [Some(Duration::from_secs(60)); 2]);
    // The wait has run out.
    *api.script.answer.lock().unwrap() =
        Box::new(|_| Ok(Outcome::Accepted(ActivationId::from_bytes([0xab; 16]))));
    // 11.7-172
    let reply = api.post(
        &format!("{}?blocking=true&timeout=100", action("a")),
        json!({}),
    );
    assert_eq!(
        (reply.status, reply.value()),
        (202, json!({"activationId": ID}))
    );
    let wait = api.script.calls.lock().unwrap().last().unwrap().wait;
    assert_eq!(wait, Some(Duration::from_millis(100)));
}

#[test]
fn failures() {
    let api = Api::new();
    api.create("a");
    let record = format!("{}?blocking=true", action("a"));
    let result = format!("{}?blocking=true&result=true", action("a"));
    // 11.7-174, 11.7-175
    for (status, text, http) in [
        (Status::ApplicationError, "application error", 502),
        (Status::DeveloperError, "action developer error", 502),
        (Status::InternalError, "whisk internal error", 500),
    ] {
        finish(&api, status, Some("{\"error\":{\"x\":1}}"));
        let reply = api.post(&record, json!({}));
        assert_eq!(reply.status, http);
        assert_eq!(reply.value()["response"]["status"], text);
        assert_eq!(reply.value()["response"]["success"], false);
        let reply = api.post(&result, json!({}));
        assert_eq!(
            (reply.status, reply.body.as_str()),
            (http, "{\"error\":{\"x\":1}}")
        );
        assert_eq!(reply.header("x-openwhisk-activation-id"), Some(ID));
    }
    // 11.7-176, 11.7-177
    for path in [&record, &result] {
        finish(&api, Status::Success, Some("[1,2]"));
        assert_eq!(api.post(path, json!({})).body, "[1,2]");
    }
    finish(&api, Status::Success, None);
    assert_eq!(api.post(&result, json!({})).body, "{}");
}

#[test]
fn bodies() {
    let api = Api::new();
    api.create("a");
    let post = |content_type: &str, body: &str| {
        let ask = Ask::new(Method::Post, &action("a"));
        ask.body(content_type, body).send(&api)
    };
    // 11.7-168
    assert_eq!(Ask::new(Method::Post, &action("a")).send(&api).status, 202);
    assert_eq!(post("text/plain", "").status, 202);
    assert_eq!(post("application/json", " \n").status, 202);
    for call in api.script.calls.lock().unwrap().drain(..) {
        assert!(call.payload.is_none());
    }
    // What wsk sends.
    assert_eq!(post("application/json", "{}\n").status, 202);
    // 11.7-169
    for body in ["[]", "\"a\"", "1"] {
        post("application/json", body).refused(
            400,
            "The request content was malformed:\nJSON object expected",
        );
    }
    assert_eq!(post("application/json", "{").status, 400);
    // 11.7-170
    assert_eq!(post("text/plain", "{}").status, 415);
    assert_eq!(post("application/x-www-form-urlencoded", "a=b").status, 415);
    // 11.7-194: nothing is written anew.
    let body = "{\"ü\" : 12345678901234567890.50}";
    assert_eq!(post("application/json", body).status, 202);
    let calls = api.script.calls.lock().unwrap();
    assert_eq!(calls.last().unwrap().payload.as_ref().unwrap().get(), body);
}

#[test]
fn sizes() {
    let api = Api::new();
    api.create("a");
    let post = |body: http_types::Body| {
        let ask = Ask::new(Method::Post, &action("a"));
        ask.body("application/json", body).send(&api)
    };
    let of_length = |length: usize| format!("{{\"x\":\"{}\"}}", "x".repeat(length - 8));
    // 11.7-182
    let text = "Request larger than allowed: 1048577 > 1048576 bytes.";
    post(of_length(1_048_577).into()).refused(413, text);
    // 11.7-183
    assert_eq!(post(of_length(1_048_576).into()).status, 202);
    // Bytes beyond the limit that nobody announced.
    let reader = smol::io::Cursor::new(of_length(3 << 20));
    let (status, text) = post(http_types::Body::from_reader(reader, None)).error();
    assert_eq!(status, 413);
    assert!(text.starts_with("Request larger than allowed: "));
    // What is announced is refused before any of it is read.
    let nothing = http_types::Body::from_reader(smol::io::empty(), Some(usize::MAX));
    assert_eq!(post(nothing).status, 413);
}

#[test]
fn queries() {
    let api = Api::new();
    api.create("a");
    let post = |query: &str| api.post(&format!("{}?{query}", action("a")), json!({}));
    // 11.7-171
    for timeout in ["0", "65000", "60001", "-1", "x", ""] {
        post(&format!("timeout={timeout}")).refused(
            400,
            "The query parameter 'timeout' was malformed:\nTimeout must be number of milliseconds \
             up to 60000.",
        );
    }
    post("blocking=2").refused(
        400,
        "The query parameter 'blocking' was malformed:\n'2' is not a valid Boolean value",
    );
    for yes in ["TRUE", "yes", "on", "1"] {
        post(&format!("blocking={yes}&timeout=60000"));
        let calls = api.script.calls.lock().unwrap();
        assert!(calls.last().unwrap().wait.is_some(), "{yes}");
    }
}

#[test]
fn final_parameters() {
    let api = Api::new();
    let body = json!({"exec": exec("1"),
        "parameters": [{"key": "set", "value": 1}, {"key": "open", "value": null}],
        "annotations": [{"key": "final", "value": true}]});
    api.put(&action("a"), body);
    // 11.7-181
    api.post(&action("a"), json!({"set": 2})).refused(
        400,
        "Request defines parameters that are not allowed (e.g., reserved properties).",
    );
    assert_eq!(api.post(&action("a"), json!({"open": 2})).status, 202);
    let body = json!({"annotations": [{"key": "final", "value": "true"}]});
    api.put(&format!("{}?overwrite=true", action("a")), body);
    assert_eq!(api.post(&action("a"), json!({"set": 2})).status, 202);
}

#[test]
fn missing() {
    let api = Api::new();
    // 11.7-199
    api.post(&action("a"), json!({}))
        .refused(404, "The requested resource does not exist.");
    assert!(api.script.calls.lock().unwrap().is_empty());
}

#[test]
fn newest_version_is_invoked() {
    let api = Api::new();
    api.create("a");
    let version = || {
        api.post(&action("a"), json!({}));
        let calls = api.script.calls.lock().unwrap();
        let action = &calls.last().unwrap().action;
        (action.version.clone(), action.revision)
    };
    let first = version();
    assert_eq!(first, version());
    // 11.7-191
    api.put(&format!("{}?overwrite=true", action("a")), json!({}));
    assert_eq!(version().0, "0.0.2");
    // 11.7-192
    api.delete(&action("a"));
    api.create("a");
    let again = version();
    assert_eq!(again.0, first.0);
    assert_ne!(again.1, first.1);
}

#[test]
fn throttles() {
    let api = Api::with(Settings::with_rates(rates(2, 3, 60)));
    api.create("a");
    let post = || api.post(&action("a"), json!({}));
    api.script.in_flight.store(3, Ordering::Relaxed);
    // 11.7-200
    post().refused(
        429,
        "Too many concurrent requests in flight (count: 3, allowed: 3).",
    );
    api.script.in_flight.store(2, Ordering::Relaxed);
    // A new minute may begin in between: then one more is allowed, and no more than that.
    let refused = (0..6).map(|_| post()).find(|reply| reply.status != 202);
    let (status, text) = refused.expect("two a minute are allowed").error();
    assert_eq!(status, 429);
    assert_eq!(
        text,
        "Too many requests in the last minute (count: 3, allowed: 2)."
    );
}

#[test]
fn refused_by_the_invoker() {
    let api = Api::new();
    api.create("a");
    *api.script.answer.lock().unwrap() =
        Box::new(|_| Err(InvokeError::Overloaded("the queue is full".into())));
    api.post(&action("a"), json!({}))
        .refused(429, "the queue is full");
    *api.script.answer.lock().unwrap() =
        Box::new(|_| Err(InvokeError::Unavailable("stopping".into())));
    api.post(&action("a"), json!({})).refused(503, "stopping");
}

#[test]
fn what_could_not_be_run_in_time() {
    let api = Api::new();
    api.create("a");
    for (refusal, status) in [
        (InvokeError::Overloaded as fn(String) -> InvokeError, 429),
        (InvokeError::Unavailable, 503),
    ] {
        *api.script.answer.lock().unwrap() = Box::new(move |_| {
            let id = ActivationId::from_bytes([0xab; 16]);
            Ok(Outcome::Refused(id, refusal("it was too much".into())))
        });
        let reply = api.post(&format!("{}?blocking=true", action("a")), json!({}));
        assert_eq!(reply.header("X-OpenWhisk-Activation-Id"), Some(ID));
        reply.refused(status, "it was too much");
    }
}

#[test]
fn what_may_run_elsewhere_needs_no_runtime_here() {
    let api = Api::new();
    let created = api.create("a");
    let put = |revision| {
        let mut document = created.clone();
        document["exec"] = json!({"kind": "cobol:1", "binary": false});
        let write = api.store.put_entity(EntityWrite {
            path: "guest/a".into(),
            collection: Collection::Actions,
            document: document.to_string().into(),
            code: CodeChange::Keep,
            updated: 1,
            expect: Expect::Revision(revision),
        });
        smol::block_on(write).unwrap();
    };
    let revision = || api.store.entity("guest/a").unwrap().unwrap().revision;
    put(revision());
    assert_eq!(api.post(&action("a"), json!({})).status, 400);
    api.script.tiers.store(true, Ordering::Relaxed);
    let post = Ask::new(Method::Post, &action("a")).json(json!({}));
    let reply = post.header("X-Owl-Via", "before").send(&api);
    assert_eq!(reply.status, 202);
    let calls = api.script.calls.lock().unwrap();
    let [call] = &calls[..] else {
        panic!("one call");
    };
    assert_eq!(call.via.as_deref(), Some("before"));
}
