//! Checklist 11.4, third part: actions in packages, and through bindings.

use super::packages::{MISSING, forbidden};
use super::*;

fn of_other(rest: &str) -> String {
    format!("/api/v1/namespaces/other/{rest}")
}

/// Parameters with a value each.
fn parameters(pairs: &[(&str, u8)]) -> Value {
    let all = pairs.iter();
    all.map(|(key, value)| json!({"key": key, "value": value}))
        .collect()
}

/// A server with packages `public`, `private` of the second namespace, an action `a` in each, and
/// bindings of the guest to both.
fn world() -> Api {
    let api = Api::new();
    api.other_namespace();
    let put = |path: &str, body: Value| {
        let ask = Ask::new(Method::Put, &of_other(path)).other();
        let reply = ask.json(body).send(&api);
        assert_eq!(reply.status, 200, "{}", reply.body);
    };
    // A binding to a private package can only be made while it is public.
    for (name, publish) in [("public", true), ("private", false)] {
        let body = json!({"publish": true, "parameters": parameters(&[("p", 1), ("q", 1)])});
        put(&format!("packages/{name}"), body);
        let to = json!({"namespace": "other", "name": name});
        let own = parameters(&[("q", 2), ("r", 2)]);
        let bound = json!({"binding": to, "parameters": own, "publish": true});
        api.package(&format!("to-{name}"), bound);
        let path = format!("packages/{name}?overwrite=true");
        put(&path, json!({"publish": publish}));
        let action = json!({"exec": exec("1"), "parameters": parameters(&[("r", 3), ("s", 3)])});
        put(&format!("actions/{name}/a"), action);
    }
    api
}

#[test]
fn create_read_delete() {
    let api = Api::new();
    api.package(
        "p",
        json!({"parameters": parameters(&[("a", 1), ("b", 1)])}),
    );
    // 11.4-111
    let body = json!({"exec": exec("1"), "parameters": parameters(&[("b", 2)])});
    let created = api.put(&action("p/x"), body.clone()).value();
    assert_eq!(created["namespace"], "guest/p");
    assert_eq!(created["name"], "x");
    assert_eq!(created["parameters"], body["parameters"]);
    api.put(&action("p/x"), body)
        .refused(409, "resource already exists");
    // 11.4-115
    let mut merged = created.clone();
    merged["parameters"] = parameters(&[("a", 1), ("b", 2)]);
    assert_eq!(api.get(&action("p/x")).value(), merged);
    let mut bare = merged.clone();
    bare["exec"].as_object_mut().unwrap().remove("code");
    let query = format!("{}?code=false", action("p/x"));
    assert_eq!(api.get(&query).value(), bare);
    // An update does not take up what was inherited.
    let path = format!("{}?overwrite=true", action("p/x"));
    let updated = api.put(&path, json!({})).value();
    assert_eq!(updated["version"], "0.0.2");
    assert_eq!(updated["parameters"], created["parameters"]);
    // The same name elsewhere is another action.
    api.create("x");
    let deleted = api.delete(&action("p/x"));
    assert_eq!((deleted.status, deleted.value()), (200, updated));
    // 11.4-118
    api.get(&action("p/x")).refused(404, MISSING);
    api.post(&action("p/x"), json!({})).refused(404, MISSING);
    api.delete(&action("p/x")).refused(404, MISSING);
    assert_eq!(api.get(&action("x")).status, 200);
    assert_eq!(
        *api.script.retired.lock().unwrap(),
        ["guest/p/x", "guest/p/x"]
    );
}

#[test]
fn packages_that_are_none() {
    let api = Api::new();
    api.create("a");
    let put = |path: &str| api.put(&action(path), json!({"exec": exec("1")}));
    // 11.4-112
    put("p/a").refused(404, MISSING);
    api.delete(&action("p/a")).refused(404, MISSING);
    api.get(&action("p/a")).refused(404, MISSING);
    api.post(&action("p/a"), json!({})).refused(404, MISSING);
    api.get(&action("p/")).refused(404, MISSING);
    let text = "Resource by this name exists but is not in this collection.";
    put("a/a").refused(409, text);
    api.delete(&action("a/a")).refused(409, text);
    api.get(&action("a/a")).refused(409, text);
    api.post(&action("a/a"), json!({})).refused(409, text);
    api.get(&action("a/")).refused(409, text);
    // The package is looked at before the body.
    Ask::new(Method::Put, &action("p/a"))
        .body("text/plain", "x")
        .send(&api)
        .refused(404, MISSING);
    let reply = Ask::new(Method::Patch, &action("p/a")).send(&api);
    assert_eq!(reply.header("Allow"), Some("DELETE, GET, POST, PUT"));
}

#[test]
fn through_bindings() {
    let api = world();
    // 11.4-116
    let read = api.get(&action("to-public/a")).value();
    assert_eq!(read["namespace"], "other/public");
    assert_eq!(read["exec"]["code"], "1");
    assert_eq!(
        read["parameters"],
        parameters(&[("p", 1), ("q", 2), ("r", 3), ("s", 3)])
    );
    assert_eq!(read.get("binding"), None);
    let bare = api.get(&format!("{}?code=false", action("to-public/a")));
    assert_eq!(bare.value()["binding"], "guest/to-public");
    assert_eq!(bare.value()["exec"].get("code"), None);
    assert_eq!(api.post(&action("to-public/a"), json!({})).status, 202);
    // 11.4-113
    let text = "Operation not permitted on package binding.";
    for name in ["to-public/a", "to-public/new", "to-private/a"] {
        api.put(&action(name), json!({"exec": exec("1")}))
            .refused(400, text);
        api.delete(&action(name)).refused(400, text);
    }
    // 11.4-117
    let text = forbidden("guest/to-private");
    api.get(&action("to-private/a")).refused(403, &text);
    api.post(&action("to-private/a"), json!({}))
        .refused(403, &text);
    api.get(&action("to-private/")).refused(403, &text);
    let gone = format!("{}?force=true", of_other("packages/public"));
    let gone = Ask::new(Method::Delete, &gone).other().send(&api);
    assert_eq!(gone.status, 200);
    let text = forbidden("guest/to-public");
    api.get(&action("to-public/a")).refused(403, &text);
    api.post(&action("to-public/a"), json!({}))
        .refused(403, &text);
    // A binding is its owner's alone, though it says that it is published.
    let ask = |method| {
        let path = "/api/v1/namespaces/guest/actions/to-private/a";
        Ask::new(method, path).other().send(&api)
    };
    ask(Method::Get).refused(403, &forbidden("guest/to-private"));
    ask(Method::Post).refused(403, &forbidden("guest/to-private"));
}

#[test]
fn of_other_namespaces() {
    let api = world();
    // 11.4-119
    let read = api.get(&of_other("actions/public/a")).value();
    assert_eq!(
        read["parameters"],
        parameters(&[("p", 1), ("q", 1), ("r", 3), ("s", 3)])
    );
    assert_eq!(
        api.post(&of_other("actions/public/a"), json!({})).status,
        202
    );
    let call = api.script.calls.lock().unwrap().pop().unwrap();
    assert_eq!(call.identity.namespace, "guest");
    assert_eq!(call.action.path(), "other/public/a");
    assert_eq!(call.binding, None);
    for name in ["private", "missing"] {
        let text = forbidden(&format!("other/{name}"));
        let path = of_other(&format!("actions/{name}/a"));
        api.get(&path).refused(403, &text);
        api.post(&path, json!({})).refused(403, &text);
        api.get(&of_other(&format!("actions/{name}/")))
            .refused(403, &text);
    }
    api.get(&of_other("actions/public/missing"))
        .refused(404, MISSING);
    // 11.4-114
    for path in [of_other("actions/public/a"), of_other("actions/public/new")] {
        let text = forbidden("other/public");
        api.put(&path, json!({"exec": exec("1")}))
            .refused(403, &text);
        api.delete(&path).refused(403, &text);
    }
}

#[test]
fn inherited_parameters_at_invocation() {
    let api = world();
    assert_eq!(
        api.post(&action("to-public/a"), json!({"s": 4})).status,
        202
    );
    let call = api.script.calls.lock().unwrap().pop().unwrap();
    assert_eq!(call.binding.as_deref(), Some("guest/to-public"));
    assert_eq!(call.action.path(), "other/public/a");
    assert_eq!(
        serde_json::to_value(&call.action.parameters).unwrap(),
        parameters(&[("p", 1), ("q", 2), ("r", 3), ("s", 3)])
    );
    assert_eq!(call.payload.unwrap().get(), "{\"s\":4}");
    // What is inherited is final, too.
    api.package("p", json!({"parameters": parameters(&[("k", 1)])}));
    let last = json!({"exec": exec("1"), "annotations": [{"key": "final", "value": true}]});
    assert_eq!(api.put(&action("p/a"), last).status, 200);
    api.post(&action("p/a"), json!({"k": 2})).refused(
        400,
        "Request defines parameters that are not allowed (e.g., reserved properties).",
    );
    assert_eq!(api.post(&action("p/a"), json!({"l": 2})).status, 202);
}

#[test]
fn lists() {
    let api = world();
    api.package("p", json!({}));
    for name in ["p/a", "p/b", "c"] {
        later();
        api.create(name);
    }
    later();
    let list = |path: &str| api.get(&action(path)).value();
    let names = |value: Value| -> Vec<String> {
        let rows = value.as_array().unwrap().iter();
        rows.map(|row| {
            let text = |key: &str| row[key].as_str().unwrap();
            format!("{}/{}", text("namespace"), text("name"))
        })
        .collect()
    };
    // 11.4-120
    assert_eq!(names(list("p/")), ["guest/p/b", "guest/p/a"]);
    assert_eq!(names(list("to-public/")), ["other/public/a"]);
    assert_eq!(names(list("p/?limit=30&skip=1")), ["guest/p/a"]);
    assert_eq!(names(list("p/?limit=1")), ["guest/p/b"]);
    assert_eq!(list("p/?count=true"), json!({"actions": 2}));
    assert_eq!(list("p/?count=true&skip=1"), json!({"actions": 1}));
    assert_eq!(list("to-public/?count=true"), json!({"actions": 1}));
    let other = api.get(&of_other("actions/public/")).value();
    assert_eq!(names(other), ["other/public/a"]);
    api.get(&action("p/?limit=201")).refused(
        400,
        "The query parameter 'limit' was malformed:\nThe value '201' is not in the range of 0 to \
         200 for actions.",
    );
    // 11.4-122
    assert_eq!(
        names(api.get("/api/v1/namespaces/_/actions").value()),
        ["guest/c", "guest/p/b", "guest/p/a"]
    );
    let path = format!("{}?overwrite=true", action("p/a"));
    assert_eq!(api.put(&path, json!({})).status, 200);
    assert_eq!(names(list("p/")), ["guest/p/a", "guest/p/b"]);
    assert_eq!(api.delete(&action("p/b")).status, 200);
    assert_eq!(names(list("p/")), ["guest/p/a"]);
    // 11.4-123
    for method in [Method::Delete, Method::Post, Method::Put] {
        Ask::new(method, &action("p/"))
            .json(json!({}))
            .send(&api)
            .refused(404, "The requested resource could not be found.");
    }
}
