//! Checklist 11.5 and the triggers' part of 11.2: triggers, as far as the API decides.

use super::*;

fn overwrite(name: &str) -> String {
    format!("{}?overwrite=true", trigger(name))
}

const MISSING: &str = "The requested resource does not exist.";

#[test]
fn create_read_delete() {
    let api = Api::new();
    // 11.5-124
    let created = api.trigger("t");
    let updated = created["updated"].as_u64().unwrap();
    assert_eq!(
        created,
        json!({"namespace": "guest", "name": "t", "parameters": [], "limits": {},
            "version": "0.0.1", "publish": false, "annotations": [], "updated": updated})
    );
    assert_eq!(api.get(&trigger("t")).value(), created);
    // 11.5-127
    api.put(&trigger("t"), json!({}))
        .refused(409, "resource already exists");
    let deleted = api.delete(&trigger("t"));
    assert_eq!((deleted.status, deleted.value()), (200, created));
    // 11.5-129
    api.get(&trigger("t")).refused(404, MISSING);
    api.delete(&trigger("t")).refused(404, MISSING);
    api.post(&trigger("t"), json!({})).refused(404, MISSING);
    // 11.5-141
    api.get(&trigger("t/x"))
        .refused(404, "The requested resource could not be found.");
}

#[test]
fn update() {
    let api = Api::new();
    let parameters = json!([{"key": "a", "value": 1}]);
    api.put(&trigger("t"), json!({"parameters": parameters}));
    // 11.5-126
    let feed = json!({"annotations": [{"key": "feed", "value": "a,b"}]});
    let changed = api.put(&overwrite("t"), feed).value();
    assert_eq!(changed["parameters"], parameters);
    assert_eq!(changed["version"], "0.0.2");
    assert_eq!(changed["annotations"][0]["value"], "a,b");
    // 11.5-125
    for (name, feed, status) in [("f", "xyz", 200), ("g", "", 400), ("g", "a,b", 400)] {
        let body = json!({"annotations": [{"key": "feed", "value": feed}]});
        let reply = api.put(&overwrite(name), body);
        assert_eq!(reply.status, status, "{feed}");
        if status == 400 {
            reply.refused(400, "Feed name is not valid");
        }
    }
    api.get(&trigger("g")).refused(404, MISSING);
}

#[test]
fn rules_are_kept_by_an_update_and_shown() {
    let api = Api::new();
    api.create("a");
    let before = api.trigger("t");
    api.rule("r", "t", "a");
    // 11.5-128
    let link = json!({"guest/r": {"action": {"path": "guest", "name": "a"}, "status": "active"}});
    let shown = api.get(&trigger("t")).value();
    assert_eq!(shown["rules"], link);
    assert_eq!(shown["version"], before["version"]);
    let changed = api.put(&overwrite("t"), json!({"publish": true})).value();
    assert_eq!(changed["rules"], link);
    assert_eq!(api.delete(&rule("r")).status, 200);
    assert_eq!(api.get(&trigger("t")).value()["rules"], json!({}));
}

#[test]
fn other_collections() {
    let api = Api::new();
    api.create("a");
    let text = "Resource by this name exists but is not in this collection.";
    // 11.5-130
    api.get(&trigger("a")).refused(409, text);
    api.put(&trigger("a"), json!({})).refused(409, text);
    api.put(&overwrite("a"), json!({})).refused(409, text);
    api.delete(&trigger("a")).refused(409, text);
    api.post(&trigger("a"), json!({})).refused(409, text);
    api.trigger("t");
    api.get(&action("t")).refused(409, text);
}

#[test]
fn fire() {
    let api = Api::new();
    api.create("a");
    api.trigger("t");
    // 11.5-131
    let reply = api.post(&trigger("t"), json!({}));
    assert_eq!((reply.status, reply.body.as_str()), (204, ""));
    api.rule("r", "t", "a");
    api.post(&rule("r"), json!({"status": "inactive"}));
    // 11.5-132
    assert_eq!(api.post(&trigger("t"), json!({})).status, 204);
    api.post(&rule("r"), json!({"status": "active"}));
    // 11.5-133
    let reply = Ask::new(Method::Post, &trigger("t"))
        .header("X-Request-ID", "tid")
        .header("X-Custom", "some")
        .header("X-OW-EXTRA-LOGGING", "on")
        .json(json!({"n": 1}))
        .send(&api);
    assert_eq!(reply.status, 202, "{}", reply.body);
    let id = reply.value()["activationId"].as_str().unwrap().to_string();
    assert_eq!(reply.value(), json!({"activationId": id}));
    assert_eq!(reply.header("x-openwhisk-activation-id"), Some(&*id));

    let fires = api.script.fires.lock().unwrap();
    let fire = fires.last().unwrap();
    assert_eq!(fire.payload.as_ref().unwrap().get(), r#"{"n":1}"#);
    assert_eq!(fire.transaction_id, "tid");
    assert_eq!(fire.identity.namespace, "guest");
    let names: Vec<&str> = fire.headers.iter().map(|(name, _)| &**name).collect();
    assert!(names.contains(&"x-custom") && names.contains(&"x-request-id"));
    for kept_back in [
        "authorization",
        "content-type",
        "content-length",
        "x-ow-extra-logging",
    ] {
        assert!(!names.contains(&kept_back), "{names:?}");
    }
}

#[test]
fn bodies() {
    let api = Api::new();
    api.create("a");
    api.trigger("t");
    api.rule("r", "t", "a");
    let empty = Ask::new(Method::Post, &trigger("t")).send(&api);
    assert_eq!(empty.status, 202);
    assert!(api.script.fires.lock().unwrap()[0].payload.is_none());
    api.post(&trigger("t"), json!([1])).refused(
        400,
        "The request content was malformed:\nJSON object expected",
    );
    let text = Ask::new(Method::Post, &trigger("t")).body("text/plain", "x");
    assert_eq!(text.send(&api).status, 415);
    // 11.5-139
    let large = json!({"x": "y".repeat(1 << 20)});
    let size = large.to_string().len();
    api.post(&trigger("t"), large).refused(
        413,
        &format!("Request larger than allowed: {size} > 1048576 bytes."),
    );
    assert_eq!(api.script.fires.lock().unwrap().len(), 1);
    let parameters = json!({"parameters": [{"key": "x", "value": "y".repeat(1 << 20)}]});
    api.put(&overwrite("t"), parameters).refused(
        413,
        "parameters larger than allowed: 1048579 > 1048576 bytes.",
    );
    let nothing = Ask::new(Method::Put, &trigger("u")).send(&api);
    nothing.refused(400, "Request entity expected but not supplied");
}

#[test]
fn rate() {
    let api = Api::with(Settings::with_rates(rates(1000, 30, 2)));
    api.create("a");
    api.trigger("t");
    api.rule("r", "t", "a");
    // Refused ones count, and so do those that fire nothing; all may be in another minute once.
    let statuses: Vec<u16> = (0..6)
        .map(|_| api.post(&trigger("t"), json!({})).status)
        .collect();
    // 11.5-140
    assert_eq!(statuses[..2], [202, 202]);
    let refused = statuses.iter().filter(|status| **status == 429).count();
    assert!(refused >= 2, "{statuses:?}");
    let none = Api::with(Settings::with_rates(rates(1000, 30, 0)));
    none.post(&trigger("t"), json!({})).refused(
        429,
        "Too many requests in the last minute (count: 1, allowed: 0).",
    );
}

#[test]
fn of_another_namespace() {
    let api = Api::new();
    api.other_namespace();
    let of = "/api/v1/namespaces/other/triggers/t";
    let text = "The supplied authentication is not authorized to access 'other/t'.";
    api.get(of).refused(403, text);
    api.put(of, json!({})).refused(403, text);
    api.delete(of).refused(403, text);
    api.post(of, json!({})).refused(403, text);
}

#[test]
fn list() {
    let api = Api::new();
    // 11.2-27, 11.2-32, 11.2-33, 11.2-34, 11.2-35, 11.2-36, 11.2-37, 11.2-38, 11.2-39
    check_list(&api, "triggers", &|name| _ = api.trigger(name));
    let element = api.get(&format!("{TRIGGERS}?limit=1")).value()[0].clone();
    let mut keys: Vec<&String> = element.as_object().unwrap().keys().collect();
    keys.sort();
    assert_eq!(
        keys,
        [
            "annotations",
            "name",
            "namespace",
            "publish",
            "updated",
            "version"
        ]
    );
}
