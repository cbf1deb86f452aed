//! Checklist 11.9, first part: what sequences are defined as.

use super::*;

fn sequence(components: &[&str]) -> Value {
    json!({"exec": {"kind": "sequence", "components": components}})
}

fn overwrite(name: &str) -> String {
    format!("{}?overwrite=true", action(name))
}

#[test]
fn create_and_read() {
    let api = Api::new();
    api.package("p", json!({}));
    for name in ["a", "p/b"] {
        api.create(name);
    }
    // 11.9-215
    let mut body = sequence(&["/_/a", "guest/p/b", "/guest/a"]);
    body["parameters"] = json!([{"key": "x", "value": 1}]);
    let created = api.put(&action("s"), body).value();
    let names = json!(["/guest/a", "/guest/p/b", "/guest/a"]);
    assert_eq!(
        created["exec"],
        json!({"kind": "sequence", "components": names})
    );
    assert_eq!(
        created["parameters"],
        json!([{"key": "_actions", "value": names}])
    );
    assert_eq!(
        created["annotations"],
        json!([{"key": "provide-api-key", "value": false}, {"key": "exec", "value": "sequence"}])
    );
    for query in ["", "?code=false"] {
        assert_eq!(api.get(&format!("{}{query}", action("s"))).value(), created);
    }
    let row = &api.get("/api/v1/namespaces/_/actions?limit=1").value()[0];
    assert_eq!(row["exec"], json!({"binary": false}));
    // In a package, and changed into code and back.
    assert_eq!(api.put(&action("p/s"), sequence(&["_/a"])).status, 200);
    // 11.3-89
    let code = api.put(&overwrite("s"), json!({"exec": exec("1")})).value();
    assert_eq!(code["parameters"], json!([]));
    assert_eq!(api.get(&action("s")).value()["exec"]["code"], "1");
    let back = api.put(&overwrite("s"), sequence(&["_/a"])).value();
    assert_eq!(back["exec"].get("code"), None);
    assert_eq!(api.get(&action("s")).value()["exec"], back["exec"]);
    let parameters = json!([{"key": "y", "value": 2}]);
    let body = json!({"exec": exec("1"), "parameters": parameters});
    assert_eq!(
        api.put(&overwrite("s"), body).value()["parameters"],
        parameters
    );
}

#[test]
fn refused() {
    let api = Api::new();
    api.create("a");
    api.package("p", json!({}));
    api.package("b", json!({"binding": {"namespace": "_", "name": "p"}}));
    let put = |name: &str, components: &[&str]| api.put(&overwrite(name), sequence(components));
    assert_eq!(put("s", &["_/a"]).status, 200);
    assert_eq!(put("p/s", &["_/a"]).status, 200);
    // 11.9-216
    for name in ["s", "new"] {
        put(name, &[]).refused(400, "No component specified for the sequence.");
    }
    // 11.9-217
    api.put(&action("new"), json!({"exec": {"kind": "sequence"}}))
        .refused(
            400,
            "The request content was malformed:\n'components' must be defined for sequence kind",
        );
    // 11.9-218
    put("new", &["_/a"; 51]).refused(400, "Too many actions in the sequence.");
    assert_eq!(put("fifty", &["_/a"; 50]).status, 200);
    // 11.9-219
    let missing = "Sequence component does not exist.";
    put("new", &["_/a", "_/missing"]).refused(400, missing);
    put("new", &["_/p/missing"]).refused(400, missing);
    put("new", &["_/missing/a"]).refused(404, "The requested resource does not exist.");
    put("new", &["_/p"]).refused(
        409,
        "Resource by this name exists but is not in this collection.",
    );
    // 11.9-220
    let cycle = "Sequence may not refer to itself.";
    put("new", &["_/new"]).refused(400, cycle);
    put("new", &["_/a", "_/new"]).refused(400, cycle);
    put("a", &["_/s"]).refused(400, cycle);
    put("p/s", &["_/b/s"]).refused(400, cycle);
    assert_eq!(put("s", &["_/b/s"]).status, 200);
    put("p/s", &["_/a", "_/s"]).refused(400, cycle);
    // 11.9-221
    put("new", &["a"]).refused(
        400,
        "The request content was malformed:\nrequirement failed: The fully qualified name of the \
         entity must contain at least the namespace and the name of the entity.",
    );
    // 11.9-222
    assert_eq!(put("two", &["_/a", "_/a"]).status, 200);
    assert_eq!(put("four", &["_/two", "_/two"]).status, 200);
    let fours = ["_/four"; 13];
    assert_eq!(put("new", &fours[..12]).status, 200);
    put("new", &fours).refused(400, "Too many actions in the sequence.");
}

#[test]
fn components_of_others() {
    let api = Api::new();
    api.other_namespace();
    let put_other = |path: &str, body: Value| {
        let path = format!("/api/v1/namespaces/other/{path}");
        let reply = Ask::new(Method::Put, &path).other().json(body).send(&api);
        assert_eq!(reply.status, 200, "{}", reply.body);
    };
    put_other("packages/public", json!({"publish": true}));
    put_other("actions/public/a", json!({"exec": exec("1")}));
    put_other("actions/a", json!({"exec": exec("1")}));
    let components = ["/other/public/a", "/_/b"];
    // Rights come before everything that is wrong otherwise.
    api.put(&action("s"), sequence(&["/other/z/b", "/_/b", "/other/a"]))
        .refused(
            403,
            "The supplied authentication is not authorized to access 'other/a, other/z/b'.",
        );
    api.create("b");
    assert_eq!(api.put(&action("s"), sequence(&components)).status, 200);
    assert_eq!(api.post(&action("s"), json!({})).status, 202);
    let call = api.script.calls.lock().unwrap().pop().unwrap();
    assert_eq!(call.action.exec.components().unwrap().len(), 2);
    // What may not be used any more is not run, nor is anything else.
    put_other("packages/public?overwrite=true", json!({"publish": false}));
    api.post(&action("s"), json!({})).refused(
        403,
        "The supplied authentication is not authorized to access 'other/public/a'.",
    );
    assert!(api.script.calls.lock().unwrap().is_empty());
    api.package("p", json!({}));
    api.create("p/c");
    let path = overwrite("s");
    assert_eq!(api.put(&path, sequence(&["_/p/c"])).status, 200);
    // A component that is missing is found out at run time, its package before.
    assert_eq!(api.delete(&action("p/c")).status, 200);
    assert_eq!(api.post(&action("s"), json!({})).status, 202);
    assert_eq!(api.delete(&package("p")).status, 200);
    api.post(&action("s"), json!({}))
        .refused(404, "The requested resource does not exist.");
}

#[test]
fn sizes() {
    let mut settings = Settings::default();
    settings.sizes.exec = 20;
    let api = Api::with(settings);
    api.create("abcd");
    let two = sequence(&["_/abcd", "_/abcd"]);
    assert_eq!(api.put(&action("s"), two).status, 200);
    let three = sequence(&["_/abcd", "_/abcd", "_/a"]);
    api.put(&action("t"), three)
        .refused(413, "exec larger than allowed: 27 > 20 bytes.");
}

#[test]
fn kinds_that_are_allowed() {
    let api = Api::with(Settings {
        allowed_kinds: Some(vec!["nodejs:20".into()]),
        ..Settings::default()
    });
    api.create("a");
    api.put(&action("s"), sequence(&["_/a"])).refused(
        403,
        "The supplied authentication is not authorized to access actions of kind 'sequence'.",
    );
}
