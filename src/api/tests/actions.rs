//! Checklist 11.2 and 11.3: lists, and create, get, update, delete of actions.

use super::*;
use crate::store::{CodeChange, Collection, EntityWrite, Expect};

const MALFORMED: &str = "The request content was malformed:\n";

fn overwrite(name: &str) -> String {
    format!("{}?overwrite=true", action(name))
}

#[test]
fn create_and_read() {
    let api = Api::new();
    // 11.3-41, 11.3-42
    let created = api.create("a");
    let updated = created["updated"].as_u64().unwrap();
    assert_eq!(
        created,
        json!({"namespace": "guest", "name": "a",
            "exec": {"kind": "nodejs:20", "code": "1", "binary": false},
            "parameters": [],
            "limits": {"timeout": 60_000, "memory": 256, "logs": 10, "concurrency": 1},
            "version": "0.0.1", "publish": false,
            "annotations": [{"key": "provide-api-key", "value": false},
                {"key": "exec", "value": "nodejs:20"}],
            "updated": updated})
    );
    // 11.3-67
    let reply = api.get(&action("a"));
    assert_eq!(reply.value(), created);
    assert_eq!(reply.header("Content-Type"), Some("application/json"));
    let mut bare = created.clone();
    bare["exec"].as_object_mut().unwrap().remove("code");
    let query = format!("{}?code=false", action("a"));
    assert_eq!(api.get(&query).value(), bare);
    let query = format!("{}?code=maybe", action("a"));
    api.get(&query).refused(
        400,
        "The query parameter 'code' was malformed:\n'maybe' is not a valid Boolean value",
    );
    // 11.3-68
    let missing = "The requested resource does not exist.";
    api.get(&action("b")).refused(404, missing);
    // 11.3-72
    let deleted = api.delete(&action("a"));
    assert_eq!((deleted.status, deleted.value()), (200, created));
    api.delete(&action("a")).refused(404, missing);
    api.get(&action("a")).refused(404, missing);
}

#[test]
fn kinds_and_code() {
    let api = Api::new();
    let put = |exec: Value| api.put(&overwrite("a"), json!({"exec": exec})).value();
    // 11.3-45
    let kind = |value: &Value| value["exec"]["kind"].as_str().map(String::from);
    let node = put(json!({"kind": "nodejs:default", "code": ""}));
    assert_eq!(kind(&node).as_deref(), Some("nodejs:20"));
    // 11.3-88
    assert_eq!(node["exec"]["code"], "");
    api.docker.store(false, Ordering::Relaxed);
    let quick = put(json!({"kind": "nodejs:default", "code": ""}));
    assert_eq!(kind(&quick).as_deref(), Some("quickjs:1"));
    // 11.3-66: the server finds out by itself what is base64, and says so.
    let binary = put(json!({"kind": "nodejs:20", "code": "RHViZWU=", "binary": false}));
    assert_eq!(binary["exec"]["binary"], true);
    assert_eq!(binary["exec"]["code"], "RHViZWU=");
    // 11.3-64, 11.3-65
    let image = |code: Value| put(json!({"kind": "blackbox", "image": "a/b", "code": code}));
    assert_eq!(
        image(json!(""))["exec"],
        json!({"kind": "blackbox", "image": "a/b", "binary": false})
    );
    assert_eq!(api.get(&action("a")).value()["exec"].get("code"), None);
    assert_eq!(image(json!("x"))["exec"]["code"], "x");
    // 11.3-61
    let reply = api.put(
        &overwrite("a"),
        json!({"exec": {"kind": "cobol:1", "code": ""}}),
    );
    let (status, text) = reply.error();
    assert_eq!(status, 400);
    assert!(text.starts_with(&format!(
        "{MALFORMED}The specified runtime 'cobol:1' is not supported by this platform. Valid \
         values are: 'dotnet:3.1', "
    )));
    assert!(text.ends_with(
        "'quickjs:1', 'ruby:2.5', 'rust:1.34', 'swift:5.3', 'swift:5.7', 'sequence', 'blackbox'."
    ));
}

#[test]
fn update() {
    let api = Api::new();
    // 11.3-48
    let created = api.put(&overwrite("a"), json!({"exec": exec("1")})).value();
    assert_eq!(created["version"], "0.0.1");
    // 11.3-47
    for path in [action("a"), format!("{}?overwrite=false", action("a"))] {
        api.put(&path, json!({"exec": exec("2")}))
            .refused(409, "resource already exists");
    }
    // 11.3-49
    let parameters = json!([{"key": "p", "value": {"b": 1.0, "a": "ä"}}]);
    let updated = api
        .put(&overwrite("a"), json!({"parameters": parameters}))
        .value();
    assert_eq!(updated["version"], "0.0.2");
    assert_eq!(updated["parameters"], parameters);
    assert_eq!(updated["exec"], created["exec"]);
    assert_eq!(updated["limits"], created["limits"]);
    // 11.3-50
    assert!(updated["updated"].as_u64() > created["updated"].as_u64());
    let replaced = api
        .put(
            &overwrite("a"),
            json!({"exec": exec("2"), "parameters": [], "limits": {"memory": 128}}),
        )
        .value();
    assert_eq!(replaced["exec"]["code"], "2");
    assert_eq!(replaced["parameters"], json!([]));
    assert_eq!(replaced["limits"]["memory"], 128);
    assert_eq!(api.get(&action("a")).value(), replaced);
    // What wsk sends for an update without a file.
    let body = json!({"namespace": "_", "name": "a"});
    assert_eq!(api.put(&overwrite("a"), body).value()["version"], "0.0.4");
}

#[test]
fn bad_bodies() {
    let api = Api::new();
    let put = |content_type: &str, body: &str| {
        let ask = Ask::new(Method::Put, &action("a"));
        ask.body(content_type, body).send(&api)
    };
    // 11.3-56
    put("text/plain; charset=UTF-8", "{}").refused(
        415,
        "The request's Content-Type [text/plain; charset=UTF-8] is not supported. \
         Expected:\napplication/json",
    );
    put("application/json", "").refused(400, "Request entity expected but not supplied");
    // 11.3-57, 11.3-59
    for body in ["{", "[]", "x", "{\"exec\":\"\"}"] {
        let (status, text) = put("application/json", body).error();
        assert!(
            status == 400 && text.starts_with(MALFORMED),
            "{body}: {text}"
        );
    }
    // 11.3-58
    put("application/json; charset=utf-8", "{}").refused(400, "exec undefined");
    // 11.3-62
    put("application/json", "{\"parameters\":{}}")
        .refused(400, &format!("{MALFORMED}parameters malformed!"));
    assert_eq!(
        put("application/json", "{").header("Access-Control-Allow-Origin"),
        None
    );
}

#[test]
fn sizes() {
    let mut settings = Settings::default();
    settings.sizes.exec = 10;
    settings.sizes.parameters = 100;
    settings.max_body = 1000;
    let api = Api::with(settings);
    api.create("a");
    let big = "x".repeat(101);
    // 11.3-74
    for path in [action("b"), overwrite("a")] {
        api.put(&path, json!({"exec": exec("12345678901")}))
            .refused(413, "exec larger than allowed: 11 > 10 bytes.");
    }
    // 11.3-75, 11.3-76
    let entry = json!([{"key": "k", "value": big}]);
    api.put(&overwrite("a"), json!({"parameters": entry}))
        .refused(413, "parameters larger than allowed: 104 > 100 bytes.");
    api.put(
        &overwrite("a"),
        json!({"annotations": entry, "limits": {"memory": 1}}),
    )
    .refused(413, "annotations larger than allowed: 104 > 100 bytes.");
    let text = "The request is larger than the server is willing or able to process.";
    let body = json!({"x": "x".repeat(1000)});
    api.put(&overwrite("a"), body.clone()).refused(413, text);
    // A body that does not announce its length is stopped on the way.
    let reader = smol::io::Cursor::new(body.to_string());
    let body = http_types::Body::from_reader(reader, None);
    let ask = Ask::new(Method::Put, &overwrite("a")).body("application/json", body);
    ask.send(&api).refused(413, text);
}

#[test]
fn limits() {
    let api = Api::new();
    let put = |limits: Value| {
        let body = json!({"exec": exec("1"), "limits": limits});
        api.put(&overwrite("a"), body)
    };
    // 11.3-77
    put(json!({"memory": 513})).refused(
        400,
        "memory size 513 MB exceeds allowed threshold of 512 MB",
    );
    // 11.3-83
    put(json!({"instances": 31})).refused(
        400,
        "Max action instance concurrency must not exceed your namespace concurrency of 30.",
    );
    // 11.3-84
    let limits = json!({"timeout": 100, "memory": 512, "logs": 0, "concurrency": 1});
    assert_eq!(put(limits.clone()).value()["limits"], limits);
}

#[test]
fn deprecated_and_forbidden_kinds() {
    let mut settings = Settings::with_rates(rates(1000, 30, 60));
    settings.allowed_kinds = Some(vec!["nodejs:20".into(), "old:1".into()]);
    let api = Api::with(settings);
    let text = "The 'old:1' runtime is no longer supported. You may read and delete but not \
                update or invoke this action.";
    let old = json!({"kind": "old:1", "code": "x"});
    // 11.3-85
    api.put(&action("a"), json!({"exec": old}))
        .refused(400, text);
    let created = api.create("a");
    let mut document = created.clone();
    document["exec"] = json!({"kind": "old:1", "binary": false});
    let stored = api.store.entity("guest/a").unwrap().unwrap();
    let put = api.store.put_entity(EntityWrite {
        path: "guest/a".into(),
        collection: Collection::Actions,
        document: document.to_string().into(),
        code: CodeChange::Keep,
        updated: 1,
        expect: Expect::Revision(stored.revision),
    });
    smol::block_on(put).unwrap();
    api.put(&overwrite("a"), json!({"exec": old}))
        .refused(400, text);
    api.put(&overwrite("a"), json!({})).refused(400, text);
    api.post(&action("a"), json!({})).refused(400, text);
    assert_eq!(api.get(&action("a")).value()["exec"]["kind"], "old:1");
    let renewed = api.put(&overwrite("a"), json!({"exec": exec("2")}));
    assert_eq!(renewed.status, 200);
    assert_eq!(api.delete(&action("a")).status, 200);
    // 11.3-86
    api.put(
        &action("a"),
        json!({"exec": {"kind": "quickjs:1", "code": ""}}),
    )
    .refused(
        403,
        "The supplied authentication is not authorized to access actions of kind 'quickjs:1'.",
    );
}

#[test]
fn other_collections() {
    let api = Api::new();
    let put = |name: &str, collection, document: &str| {
        let written = api.store.put_entity(EntityWrite {
            path: format!("guest/{name}"),
            collection,
            document: document.into(),
            code: CodeChange::Remove,
            updated: 1,
            expect: Expect::Absent,
        });
        smol::block_on(written).unwrap();
    };
    put("t", Collection::Triggers, "{}");
    put("bad", Collection::Actions, "{}");
    // 11.3-69, 11.3-70, 11.3-71
    let text = "Resource by this name exists but is not in this collection.";
    api.get(&action("t")).refused(409, text);
    api.delete(&action("t")).refused(409, text);
    api.post(&action("t"), json!({})).refused(409, text);
    api.put(&action("t"), json!({"exec": exec("")}))
        .refused(409, text);
    api.put(&overwrite("t"), json!({"exec": exec("")}))
        .refused(409, text);
    api.get(&action("bad"))
        .refused(500, "Resource is corrupted and cannot be read.");
}

#[test]
fn other_namespaces() {
    let api = Api::new();
    let path = "/api/v1/namespaces/other/actions/a";
    // 11.3-73
    let text = "The supplied authentication is not authorized to access 'other/a'.";
    api.get(path).refused(403, text);
    api.delete(path).refused(403, text);
    api.post(path, json!({})).refused(403, text);
    api.put(path, json!({"exec": exec("")})).refused(403, text);
    // 11.2-38
    api.get("/api/v1/namespaces/other/actions").refused(
        403,
        "The supplied authentication is not authorized to access 'other'.",
    );
}

#[test]
fn lists() {
    // 11.2-27, 11.2-32, 11.2-33, 11.2-34, 11.2-35, 11.2-36, 11.2-37, 11.2-38, 11.2-39
    let api = Api::new();
    check_list(&api, "actions", &|name| _ = api.create(name));
    // 11.3-87
    let list = api.get("/api/v1/namespaces/_/actions?limit=1").value();
    let element = &list[0];
    let keys: Vec<_> = element.as_object().unwrap().keys().collect();
    let mut expected = vec![
        "namespace",
        "name",
        "version",
        "publish",
        "annotations",
        "limits",
        "exec",
        "updated",
    ];
    expected.sort_unstable();
    assert_eq!(keys, expected);
    assert_eq!(element["exec"], json!({"binary": false}));
}

#[test]
fn bad_lists() {
    let api = Api::new();
    for collection in ["actions", "packages", "triggers", "rules", "activations"] {
        for (query, parameter, detail) in [
            // 11.2-28, 11.2-29, 11.2-30, 11.2-31
            (
                "limit=201",
                "limit",
                "The value '201' is not in the range of 0 to 200 for",
            ),
            (
                "limit=-1",
                "limit",
                "The value '-1' is not in the range of 0 to 200 for",
            ),
            (
                "limit=string",
                "limit",
                "The value 'string' is not an integer for",
            ),
            (
                "skip=-1",
                "skip",
                "The value '-1' is not greater than or equal to 0 for",
            ),
            (
                "skip=string",
                "skip",
                "The value 'string' is not an integer for",
            ),
        ] {
            let path = format!("/api/v1/namespaces/_/{collection}?{query}");
            api.get(&path).refused(
                400,
                &format!(
                    "The query parameter '{parameter}' was malformed:\n{detail} {collection}."
                ),
            );
        }
    }
}

// 11.7-191, 11.7-192
#[test]
fn changed_and_deleted_actions_lose_their_sandboxes() {
    let api = Api::new();
    api.create("hello");
    assert!(api.script.retired.lock().unwrap().is_empty());
    assert_eq!(api.put(&overwrite("hello"), json!({})).status, 200);
    assert_eq!(api.delete(&action("hello")).status, 200);
    assert_eq!(
        *api.script.retired.lock().unwrap(),
        ["guest/hello", "guest/hello"]
    );
}
