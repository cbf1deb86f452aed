//! Checklist 11.4, first part: packages.

use super::*;
use crate::catalog::CatalogError;
use crate::store::CodeChange;

pub(super) const MISSING: &str = "The requested resource does not exist.";

pub(super) fn forbidden(resource: &str) -> String {
    format!("The supplied authentication is not authorized to access '{resource}'.")
}

pub(super) fn of_other(name: &str) -> String {
    format!("/api/v1/namespaces/other/packages/{name}")
}

impl Api {
    /// Something of the second namespace.
    pub(super) fn put_other(&self, path: &str, body: Value) {
        let ask = Ask::new(Method::Put, path).other();
        let reply = ask.json(body).send(self);
        assert_eq!(reply.status, 200, "{}", reply.body);
    }
}

#[test]
fn create_read_update_delete() {
    let api = Api::new();
    // 11.4-90
    let reply = api.put(&package("p"), json!({}));
    let created = reply.value();
    assert_eq!(reply.status, 200);
    assert_eq!(
        created,
        json!({"namespace": "guest", "name": "p", "binding": {}, "parameters": [],
            "version": "0.0.1", "publish": false, "annotations": [],
            "updated": created["updated"].as_u64().unwrap()})
    );
    api.put(&package("p"), json!({}))
        .refused(409, "resource already exists");
    // 11.4-91
    let mut full = created.clone();
    full["actions"] = json!([]);
    full["feeds"] = json!([]);
    assert_eq!(api.get(&package("p")).value(), full);
    api.create("p/a");
    let feed = json!({"exec": exec("1"), "annotations": [{"key": "feed", "value": false}]});
    api.put(&action("p/f"), feed);
    let read = api.get(&package("p")).value();
    assert_eq!(
        read["actions"],
        json!([{"name": "a", "version": "0.0.1", "annotations": [
            {"key": "provide-api-key", "value": false}, {"key": "exec", "value": "nodejs:20"}]}])
    );
    assert_eq!(read["feeds"].as_array().unwrap().len(), 1);
    assert_eq!(read["feeds"][0]["name"], "f");
    // 11.4-95
    let parameters = json!([{"key": "k", "value": 1.50}]);
    api.package("p", json!({"parameters": parameters}));
    let published = api.package("p", json!({"publish": true}));
    assert_eq!(published["version"], "0.0.3");
    assert_eq!(published["publish"], true);
    assert_eq!(published["parameters"], parameters);
    assert_eq!(published.get("actions"), None);
}

#[test]
fn missing_and_of_others() {
    let api = Api::new();
    api.other_namespace();
    api.put_other(&of_other("private"), json!({}));
    // 11.4-92
    api.get(&package("p"))
        .refused(404, "The requested resource 'guest/p' does not exist.");
    api.delete(&package("p")).refused(404, MISSING);
    // 11.4-93
    for name in ["private", "missing"] {
        let text = forbidden(&format!("other/{name}"));
        api.get(&of_other(name)).refused(403, &text);
        api.delete(&of_other(name)).refused(403, &text);
        api.put(&of_other(name), json!({})).refused(403, &text);
    }
    api.put_other(
        &format!("{}?overwrite=true", of_other("private")),
        json!({"publish": true}),
    );
    assert_eq!(api.get(&of_other("private")).value()["name"], "private");
    api.delete(&of_other("private"))
        .refused(403, &forbidden("other/private"));
    // 11.4-94
    for query in ["", "?overwrite=true"] {
        let reply = api.put(&format!("{}{query}", package("default")), json!([]));
        reply.refused(400, "Package name 'default' is reserved.");
    }
    // 11.4-109
    api.package("p", json!({}));
    api.get(&package("p/x"))
        .refused(404, "The requested resource could not be found.");
    let reply = api.post(&package("p"), json!({}));
    reply.refused(
        405,
        "HTTP method not allowed, supported methods: DELETE, GET, PUT",
    );
    assert_eq!(reply.header("Allow"), Some("DELETE, GET, PUT"));
}

#[test]
fn names_of_other_entities() {
    let api = Api::new();
    api.create("a");
    let text = "Resource by this name exists but is not in this collection.";
    api.get(&package("a")).refused(409, text);
    api.delete(&package("a")).refused(409, text);
    api.put(&package("a"), json!({})).refused(409, text);
    api.package("p", json!({}));
    api.put(&action("p"), json!({"exec": exec("1")}))
        .refused(409, text);
    // 11.4-121
    api.get(&action("p")).refused(409, text);
    api.post(&action("p"), json!({})).refused(409, text);
}

#[test]
fn lists() {
    let api = Api::new();
    api.other_namespace();
    let list = |namespace: &str, query: &str| {
        let path = format!("/api/v1/namespaces/{namespace}/packages{query}");
        api.get(&path).value()
    };
    let names = |value: Value| -> Vec<String> {
        let rows = value.as_array().unwrap().iter();
        rows.map(|row| row["name"].as_str().unwrap().into())
            .collect()
    };
    // 11.2-27
    assert_eq!(list("_", ""), json!([]));
    for name in ["private", "public", "open"] {
        later();
        let body = json!({"publish": name != "private"});
        api.put_other(&of_other(name), body);
    }
    let to_public = json!({"publish": true,
        "binding": {"namespace": "other", "name": "public"}});
    api.put_other(&of_other("bound"), to_public.clone());
    // 11.4-97
    assert_eq!(names(list("other", "")), ["open", "public"]);
    assert_eq!(
        names(list("other", "?skip=1&limit=5&public=true")),
        ["public"]
    );
    assert_eq!(names(list("other", "?limit=1")), ["open"]);
    assert_eq!(list("other", "?count=true"), json!({"packages": 2}));
    assert_eq!(list("other", "?count=true&skip=3"), json!({"packages": 0}));
    assert_eq!(list("other", "")[0]["binding"], false);
    // 11.4-98
    assert_eq!(list("nobody", ""), json!([]));
    assert_eq!(list("nobody", "?count=true"), json!({"packages": 0}));
    // 11.4-96
    api.package("p", json!({"parameters": [{"key": "k", "value": 1}]}));
    later();
    let bound = api.package("b", to_public);
    later();
    let rows = list("_", "/?limit=0&skip=0");
    assert_eq!(
        rows[0],
        json!({"namespace": "guest", "name": "b", "version": "0.0.1", "publish": true,
            "annotations": bound["annotations"], "updated": bound["updated"],
            "binding": {"namespace": "other", "name": "public"}})
    );
    assert_eq!(rows[1]["binding"], false);
    assert_eq!(rows[1].get("parameters"), None);
    // 11.2-34, 11.2-35, 11.2-36, 11.2-37, 11.2-39
    assert_eq!(names(list("guest", "")), ["b", "p"]);
    api.package("p", json!({}));
    assert_eq!(names(list("_", "")), ["p", "b"]);
    assert_eq!(names(list("_", "?skip=1&limit=1")), ["b"]);
    assert_eq!(list("_", "?count=true"), json!({"packages": 2}));
    assert_eq!(
        list("_", "?count=true&skip=1&limit=1"),
        json!({"packages": 1})
    );
}

#[test]
fn delete_what_is_not_empty() {
    let api = Api::new();
    api.package("p", json!({}));
    api.create("p/a");
    // 11.4-108
    let text = |what| {
        format!("Package not empty (contains {what}). Set force param or delete package contents.")
    };
    for query in ["", "?force=false"] {
        api.delete(&format!("{}{query}", package("p")))
            .refused(409, &text("1 entity"));
    }
    api.create("p/b");
    api.delete(&package("p")).refused(409, &text("2 entities"));
    api.create("b");
    let deleted = api.delete(&format!("{}?force=true", package("p")));
    assert_eq!(deleted.status, 200);
    assert_eq!(deleted.value().get("actions"), None);
    api.get(&action("p/a")).refused(404, MISSING);
    api.get(&package("p"))
        .refused(404, "The requested resource 'guest/p' does not exist.");
    let mut retired = api.script.retired.lock().unwrap().clone();
    retired.sort();
    assert_eq!(retired, ["guest/p/a", "guest/p/b"]);
    let left = api.get("/api/v1/namespaces/_/actions").value();
    assert_eq!(left.as_array().unwrap().len(), 1);
    // The name is free again, and nothing is in it.
    api.package("p", json!({}));
    assert_eq!(api.get(&package("p")).value()["actions"], json!([]));
    assert_eq!(api.delete(&package("p")).status, 200);
}

#[test]
fn an_action_is_never_left_without_its_package() {
    let api = Api::new();
    let catalog = Catalog::new(api.store.clone());
    api.package("p", json!({}));
    let read = catalog.package("guest/p").unwrap();
    api.create("p/a");
    // Somebody who saw an empty package does not delete it.
    let deleted = smol::block_on(catalog.delete_empty_package(&read));
    assert!(matches!(deleted, Err(CatalogError::Changed)));
    let made = catalog.action("guest/p/a").unwrap();
    assert_eq!(
        api.delete(&format!("{}?force=true", package("p"))).status,
        200
    );
    // Somebody who saw the package does not create in what is gone, or is another one by now.
    for _ in 0..2 {
        let action = (*made).clone();
        let code = CodeChange::Set(b"1".to_vec());
        let created = smol::block_on(catalog.create_packaged_action(&read, action, code));
        assert!(matches!(created, Err(CatalogError::Changed)));
        api.package("p", json!({}));
    }
    assert_eq!(api.get("/api/v1/namespaces/_/actions").value(), json!([]));
}

#[test]
fn sizes() {
    let mut settings = Settings::default();
    settings.sizes.parameters = 100;
    settings.max_body = 1000;
    let api = Api::with(settings);
    let entry = json!([{"key": "k", "value": "x".repeat(101)}]);
    // 11.4-110
    api.put(&package("p"), json!({"parameters": entry}))
        .refused(413, "parameters larger than allowed: 104 > 100 bytes.");
    api.put(&package("p"), json!({"annotations": entry}))
        .refused(413, "annotations larger than allowed: 104 > 100 bytes.");
    api.put(&package("p"), json!({"x": "x".repeat(1000)}))
        .refused(
            413,
            "The request is larger than the server is willing or able to process.",
        );
    assert_eq!(api.get(&package("p")).status, 404);
}

#[test]
fn bad_bodies() {
    let api = Api::new();
    let put = |content_type: &str, body: &str| {
        let ask = Ask::new(Method::Put, &package("p"));
        ask.body(content_type, body).send(&api)
    };
    assert_eq!(put("text/plain", "{}").error().0, 415);
    put("application/json", "").refused(400, "Request entity expected but not supplied");
    put("application/json", "{\"parameters\":{}}").refused(
        400,
        "The request content was malformed:\nparameters malformed!",
    );
    put("application/json", "{\"binding\":{\"name\":\"x\"}}")
        .refused(400, "The request content was malformed:\nbinding malformed");
    api.put(&format!("{}?overwrite=maybe", package("p")), json!({}))
        .refused(
            400,
            "The query parameter 'overwrite' was malformed:\n'maybe' is not a valid Boolean value",
        );
    api.delete(&format!("{}?force=maybe", package("p")))
        .refused(
            400,
            "The query parameter 'force' was malformed:\n'maybe' is not a valid Boolean value",
        );
    assert_eq!(api.get(&package("p")).status, 404);
}

#[test]
fn refresh() {
    let api = Api::new();
    let path = package("refresh");
    let reply = Ask::new(Method::Post, &path).send(&api);
    assert_eq!(
        (reply.status, reply.body.as_str()),
        (200, r#"{"added":[],"updated":[],"deleted":[]}"#)
    );
    let other = "/api/v1/namespaces/other/packages/refresh";
    Ask::new(Method::Post, other)
        .send(&api)
        .refused(403, &forbidden("other"));
    // It is a name like any other, otherwise.
    api.package("refresh", json!({}));
    assert_eq!(api.get(&path).value()["name"], "refresh");
}

#[test]
fn long_rows() {
    let api = Api::new();
    api.package("p", json!({}));
    // Four rows of this are more than is kept in memory of a list.
    let large = json!([{"key": "text", "value": "x".repeat(90_000)}]);
    for name in ["a", "b", "c", "d", "e"] {
        let mut body = json!({"exec": exec("1"), "annotations": large});
        if name == "d" {
            let feed = json!({"key": "feed", "value": true});
            body["annotations"].as_array_mut().unwrap().push(feed);
        }
        later();
        assert_eq!(api.put(&action(&format!("p/{name}")), body).status, 200);
        api.package(name, json!({"annotations": large}));
    }
    let names = |rows: &Value| -> String {
        let rows = rows.as_array().unwrap().iter();
        rows.map(|row| {
            let text = &row["annotations"].as_array().unwrap()[0]["value"];
            assert_eq!(text.as_str().unwrap().len(), 90_000);
            row["name"].as_str().unwrap()
        })
        .collect()
    };
    let read = api.get(&package("p")).value();
    assert_eq!(names(&read["actions"]), "ecba");
    assert_eq!(names(&read["feeds"]), "d");
    assert_eq!(read["publish"], false);
    assert_eq!(names(&api.get(&action("p/")).value()), "edcba");
    assert_eq!(names(&api.get(&package("?limit=4")).value()), "edcb");
}
