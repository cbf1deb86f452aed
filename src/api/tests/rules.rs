//! Checklist 11.6 and the rules' part of 11.2: rules.

use super::*;

fn overwrite(name: &str) -> String {
    format!("{}?overwrite=true", rule(name))
}

fn body(trigger: &str, action: &str) -> Value {
    json!({"trigger": format!("/_/{trigger}"), "action": format!("/_/{action}")})
}

const MISSING: &str = "The requested resource does not exist.";

/// A namespace with the trigger `t`, the action `a` and a rule `r` between them.
fn world() -> Api {
    let api = Api::new();
    api.create("a");
    api.trigger("t");
    api.rule("r", "t", "a");
    api
}

impl Api {
    fn status(&self, name: &str) -> Value {
        self.get(&rule(name)).value()["status"].clone()
    }

    fn set(&self, name: &str, status: &str) -> Reply {
        // The command line sends nulls along.
        let body = json!({"status": status, "trigger": null, "action": null});
        self.post(&rule(name), body)
    }

    fn links(&self, name: &str) -> Value {
        self.get(&trigger(name)).value()["rules"].clone()
    }
}

#[test]
fn create_and_read() {
    let api = Api::new();
    api.create("a");
    api.trigger("t");
    // 11.6-142, 11.6-143
    let sent = json!({"name": "r", "status": "", "trigger": "_/t", "action": "/_/a"});
    let created = api.put(&format!("{}?overwrite=false", rule("r")), sent);
    assert_eq!(created.status, 200, "{}", created.body);
    let created = created.value();
    assert_eq!(
        created,
        json!({"namespace": "guest", "name": "r", "status": "active",
            "trigger": {"path": "guest", "name": "t"}, "action": {"path": "guest", "name": "a"},
            "version": "0.0.1", "publish": false, "annotations": [],
            "updated": created["updated"]})
    );
    assert_eq!(api.get(&rule("r")).value(), created);
    // 11.6-148
    api.put(&rule("r"), body("t", "a"))
        .refused(409, "resource already exists");
    // 11.6-149
    let mut bare = created.clone();
    bare.as_object_mut().unwrap().remove("status");
    assert_eq!(api.get(RULES).value(), json!([bare]));
}

#[test]
fn references() {
    let api = world();
    let short = "The request content was malformed:\nrequirement failed: The fully qualified name \
                 of the entity must contain at least the namespace and the name of the entity.";
    // 11.6-144
    for sent in [
        json!({"trigger": "t", "action": "/_/a"}),
        json!({"trigger": "/_/t", "action": "a"}),
    ] {
        api.put(&rule("s"), sent).refused(400, short);
    }
    // 11.6-145
    for sent in [
        json!({}),
        json!({"trigger": "/_/t"}),
        json!({"action": "/_/a"}),
    ] {
        api.put(&rule("s"), sent)
            .refused(400, "rule requires a valid trigger and a valid action");
    }
    // 11.6-146
    let no_action = "action /guest/x does not exist";
    let no_trigger = "trigger /guest/x does not exist";
    api.put(&rule("s"), body("t", "x")).refused(400, no_action);
    api.put(&rule("s"), body("x", "a")).refused(400, no_trigger);
    api.put(&rule("s"), body("x", "x")).refused(400, no_trigger);
    api.put(&rule("s"), body("a", "a"))
        .refused(400, "trigger /guest/a does not exist");
    // 11.6-153
    api.put(&overwrite("r"), json!({"action": "_/x"}))
        .refused(400, no_action);
    api.put(&overwrite("r"), json!({"trigger": "_/x"}))
        .refused(400, no_trigger);
    assert_eq!(api.delete(&action("a")).status, 200);
    api.put(&overwrite("r"), json!({}))
        .refused(400, "action /guest/a does not exist");
    assert_eq!(api.status("r"), "active");
    assert_eq!(api.get(RULES).value().as_array().unwrap().len(), 1);
}

#[test]
fn rights() {
    let api = world();
    api.other_namespace();
    let text = "The supplied authentication is not authorized to access 'other/r'.";
    let of = "/api/v1/namespaces/other/rules/r";
    api.get(of).refused(403, text);
    api.put(of, body("t", "a")).refused(403, text);
    api.post(of, json!({"status": "active"})).refused(403, text);
    api.delete(of).refused(403, text);
    let refused = |sent: Value, what: &str| {
        api.put(&rule("s"), sent).refused(
            403,
            &format!("The supplied authentication is not authorized to access '{what}'."),
        );
    };
    refused(
        json!({"trigger": "other/t", "action": "/other/a"}),
        "other/a, other/t",
    );
    refused(
        json!({"trigger": "_/t", "action": "/other/p/a"}),
        "other/p/a",
    );
    api.put(&rule("s"), body("t", "p/a")).refused(404, MISSING);
}

#[test]
fn update() {
    let api = world();
    // 11.6-150, 11.6-152
    let before = api.get(&rule("r")).value();
    let after = api.put(&overwrite("r"), json!({})).value();
    assert_eq!(after["version"], "0.0.2");
    for same in ["trigger", "action", "status", "annotations"] {
        assert_eq!(after[same], before[same], "{same}");
    }
    // 11.6-151
    api.trigger("u");
    for status in ["inactive", "active"] {
        api.set("r", status);
        for (to, from) in [("u", "t"), ("t", "u")] {
            let moved = json!({"trigger": format!("_/{to}")});
            let moved = api.put(&overwrite("r"), moved).value();
            assert_eq!(moved["status"], status);
            assert_eq!(api.status("r"), status);
            assert_eq!(api.links(from), json!({}));
            let link = json!({"action": {"path": "guest", "name": "a"}, "status": status});
            assert_eq!(api.links(to), json!({"guest/r": link}));
        }
    }
    // The trigger learns of another action, too.
    api.create("b");
    api.put(&overwrite("r"), json!({"action": "_/b"}));
    assert_eq!(api.links("t")["guest/r"]["action"]["name"], "b");
    // From a trigger that is gone, a rule comes as an inactive one.
    api.delete(&trigger("t"));
    let moved = api.put(&overwrite("r"), json!({"trigger": "_/u"})).value();
    assert_eq!(moved["status"], "inactive");
    assert_eq!(api.links("u")["guest/r"]["status"], "inactive");
}

#[test]
fn statuses() {
    let api = world();
    // 11.6-154
    let reply = api.set("r", "inactive");
    assert_eq!((reply.status, reply.body.as_str()), (200, "OK"));
    assert_eq!(api.status("r"), "inactive");
    assert_eq!(api.links("t")["guest/r"]["status"], "inactive");
    // 11.6-155
    let before = api.get(&trigger("t")).value();
    assert_eq!(api.set("r", "inactive").status, 200);
    assert_eq!(api.get(&trigger("t")).value(), before);
    // 11.6-156
    Ask::new(Method::Post, &rule("r"))
        .send(&api)
        .refused(400, "Request entity expected but not supplied");
    api.set("r", "xxx").refused(
        400,
        "The request content was malformed:\nrequirement failed: xxx is not a recognized rule \
         state",
    );
    assert_eq!(api.post(&rule("r"), json!({})).status, 400);
    // The body is read before the rule is looked for.
    assert_eq!(api.set("none", "xxx").status, 400);
    assert_eq!(api.set("r", "active").status, 200);
    assert_eq!(api.status("r"), "active");
}

#[test]
fn a_trigger_that_is_gone_or_knows_nothing() {
    let api = world();
    let gone = api.delete(&trigger("t")).value();
    assert_eq!(gone["rules"]["guest/r"]["status"], "active");
    // 11.6-157
    api.set("r", "active")
        .refused(404, "Only rules with existing triggers can be activated");
    assert_eq!(api.set("r", "inactive").status, 200);
    assert_eq!(api.status("r"), "inactive");
    // 11.6-159
    api.trigger("t");
    assert_eq!(api.status("r"), "inactive");
    // 11.6-158
    assert_eq!(api.set("r", "active").status, 200);
    assert_eq!(api.status("r"), "active");
    assert_eq!(api.links("t")["guest/r"]["status"], "active");
    // 11.6-160
    let deleted = api.delete(&rule("r"));
    assert_eq!(deleted.status, 200);
    assert_eq!(deleted.value()["status"], "inactive");
    assert_eq!(api.links("t"), json!({}));
    // 11.6-161
    api.rule("r", "t", "a");
    api.delete(&trigger("t"));
    assert_eq!(api.delete(&rule("r")).status, 200);
    // 11.6-162
    api.get(&rule("r")).refused(404, MISSING);
    api.delete(&rule("r")).refused(404, MISSING);
    api.set("r", "active").refused(404, MISSING);
}

#[test]
fn other_collections() {
    let api = world();
    let text = "Resource by this name exists but is not in this collection.";
    // 11.6-163
    for name in ["a", "t"] {
        api.get(&rule(name)).refused(409, text);
        api.put(&overwrite(name), body("t", "a")).refused(409, text);
        api.set(name, "active").refused(409, text);
        api.delete(&rule(name)).refused(409, text);
    }
    api.get(&trigger("r")).refused(409, text);
}

#[test]
fn list() {
    let api = Api::new();
    // 11.2-27, 11.2-32, 11.2-33, 11.2-34, 11.2-35, 11.2-36, 11.2-37, 11.2-38, 11.2-39
    api.create("a");
    api.trigger("t");
    check_list(&api, "rules", &|name| _ = api.rule(name, "t", "a"));
}
