//! Checklist 11.4, second part: bindings.

use super::packages::{MISSING, forbidden, of_other};
use super::*;
use crate::store::{CodeChange, Collection, EntityWrite, Expect};

fn binding(namespace: &str, name: &str) -> Value {
    json!({"binding": {"namespace": namespace, "name": name}})
}

#[test]
fn bindings() {
    let api = Api::new();
    api.other_namespace();
    api.put_other(&of_other("private"), json!({}));
    let public = json!({"publish": true,
        "parameters": [{"key": "a", "value": 1}, {"key": "b", "value": 1}]});
    api.put_other(&of_other("public"), public);
    api.put_other(
        "/api/v1/namespaces/other/actions/public/hello",
        json!({"exec": exec("1")}),
    );
    api.package("own", json!({}));
    // 11.4-99
    let mut body = binding("other", "public");
    body["annotations"] = json!([{"key": "binding", "value": "mine"}, {"key": "x", "value": 1}]);
    body["parameters"] = json!([{"key": "b", "value": 2}, {"key": "c", "value": 2}]);
    let bound = api.put(&package("b"), body.clone()).value();
    assert_eq!(
        bound["binding"],
        json!({"namespace": "other", "name": "public"})
    );
    assert_eq!(
        bound["annotations"],
        json!([{"key": "x", "value": 1},
            {"key": "binding", "value": {"namespace": "other", "name": "public"}}])
    );
    assert_eq!(bound["parameters"], body["parameters"]);
    // 11.4-106
    let read = api.get(&package("b")).value();
    assert_eq!(
        read["parameters"],
        json!([{"key": "a", "value": 1}, {"key": "b", "value": 2}, {"key": "c", "value": 2}])
    );
    assert_eq!(
        (&read["name"], &read["namespace"]),
        (&json!("b"), &json!("guest"))
    );
    assert_eq!(read["actions"][0]["name"], "hello");
    // 11.4-100
    let own = api.put(&package("to-own"), binding("_", "own")).value();
    assert_eq!(own["binding"], json!({"namespace": "guest", "name": "own"}));
    assert_eq!(api.get(&package("to-own")).status, 200);
    // 11.4-101
    api.put(&package("x"), binding("guest", "missing"))
        .refused(400, "Binding references a package that does not exist.");
    // 11.4-102
    for name in ["private", "missing"] {
        api.put(&package("x"), binding("other", name))
            .refused(403, &forbidden(&format!("other/{name}")));
    }
    // 11.4-103
    let text = "Cannot bind to another package binding.";
    api.put(&package("x"), binding("_", "to-own"))
        .refused(400, text);
    api.put(
        &format!("{}?overwrite=true", package("b")),
        binding("_", "b"),
    )
    .refused(400, text);
    // 11.4-104
    api.create("a");
    api.put(&package("x"), binding("_", "a"))
        .refused(409, "Cannot bind to a resource that is not a package.");
    // 11.4-105
    api.put(
        &format!("{}?overwrite=true", package("own")),
        binding("other", "public"),
    )
    .refused(
        409,
        "Resource is a package and cannot be converted into a binding.",
    );
    api.put(&package("own"), binding("other", "public"))
        .refused(409, "resource already exists");
    // A binding may be pointed to something else; without the field it stays.
    let moved = api.package("b", binding("_", "own"));
    assert_eq!(moved["binding"]["namespace"], "guest");
    assert_eq!(moved["parameters"], body["parameters"]);
    assert_eq!(api.package("b", json!({}))["binding"], moved["binding"]);
    assert_eq!(api.get(&package("x")).status, 404);
}

#[test]
fn bindings_whose_package_is_gone() {
    let api = Api::new();
    api.other_namespace();
    api.put_other(&of_other("public"), json!({"publish": true}));
    api.package("own", json!({}));
    api.package("b", binding("other", "public"));
    api.package("c", binding("_", "own"));
    let gone = Ask::new(Method::Delete, &of_other("public"))
        .other()
        .send(&api);
    assert_eq!(gone.status, 200);
    assert_eq!(api.delete(&package("own")).status, 200);
    api.get(&package("b")).refused(403, &forbidden("guest/b"));
    api.get(&package("c"))
        .refused(404, "The requested resource 'guest/c' does not exist.");
    // 11.4-113
    for name in ["b", "c"] {
        let inside = action(&format!("{name}/a"));
        let text = "Operation not permitted on package binding.";
        api.put(&inside, json!({"exec": exec("1")}))
            .refused(400, text);
        api.delete(&inside).refused(400, text);
    }
    // A package that has become a binding is no package any more.
    api.package("p", json!({}));
    api.package("own", binding("_", "p"));
    api.get(&package("c"))
        .refused(404, "The requested resource 'guest/c' does not exist.");
    // 11.4-107
    for name in ["b", "c"] {
        let deleted = api.delete(&package(name));
        assert_eq!(
            (deleted.status, deleted.value()["name"].as_str()),
            (200, Some(name))
        );
    }
}

#[test]
fn a_binding_to_itself() {
    let api = Api::new();
    let document = json!({"namespace": "guest", "name": "b", "parameters": [],
        "binding": {"namespace": "guest", "name": "b"}, "version": "0.0.1", "publish": false,
        "annotations": [], "updated": 1});
    let written = api.store.put_entity(EntityWrite {
        path: "guest/b".into(),
        collection: Collection::Packages,
        document: document.to_string().into(),
        code: CodeChange::Remove,
        updated: 1,
        expect: Expect::Absent,
    });
    smol::block_on(written).unwrap();
    api.get(&package("b")).refused(
        422,
        "Package binding 'guest/b' contains a circular reference.",
    );
    api.get(&action("b/a")).refused(404, MISSING);
}
