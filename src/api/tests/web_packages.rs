//! Checklist 11.11: web actions in packages and through bindings.

use super::invoke::ID;
use super::web::{MISSING, exported, given};
use super::*;
use crate::entity::{ActionRanges, Binding, NewAction, Package, Parameters};
use crate::store::CodeChange;

/// A package with a parameter, or a binding.
fn package(api: &Api, path: &str, publish: bool, binding: Option<(&str, &str)>) {
    let (namespace, name) = path.split_once('/').unwrap();
    let parameters = json!([{"key": name, "value": "package"}, {"key": "all", "value": name}]);
    let annotations = json!([{"key": "web-export", "value": false},
        {"key": "web-custom-options", "value": true}]);
    let parse = |value: Value| -> Parameters { serde_json::from_value(value).unwrap() };
    let package = Package {
        namespace: namespace.into(),
        name: name.into(),
        binding: binding.map(|(namespace, name)| Binding {
            namespace: namespace.into(),
            name: name.into(),
        }),
        parameters: parse(parameters),
        version: "0.0.1".into(),
        publish,
        annotations: parse(annotations),
        updated: 1,
        revision: 0,
    };
    smol::block_on(Catalog::new(api.store.clone()).create(package)).unwrap();
}

/// An exported action in a package, with a parameter.
fn packaged(api: &Api, package: &str) {
    let body = json!({"exec": {"kind": "nodejs:20", "code": "1"},
        "annotations": [{"key": "web-export", "value": true}],
        "parameters": [{"key": "a", "value": "action"}, {"key": "all", "value": "action"}]});
    let catalog = Catalog::new(api.store.clone());
    let manifest = Manifest::built_in();
    let action = NewAction::parse(body.to_string().as_bytes(), &manifest.kinds(true))
        .unwrap()
        .create(package, "a", &ActionRanges::default(), 1)
        .unwrap();
    let code = CodeChange::Set("1".into());
    smol::block_on(catalog.create_action(action, code)).unwrap();
}

/// Parameters of the action that was called last, as `key=value`.
fn parameters(api: &Api) -> Vec<String> {
    let calls = api.script.calls.lock().unwrap();
    let parameters = &calls.last().unwrap().action.parameters.0;
    let shown = parameters.iter();
    shown.map(|p| format!("{}={}", p.key, p.value)).collect()
}

#[test]
fn packages_and_bindings() {
    let api = exported();
    api.other_namespace();
    package(&api, "guest/private", false, None);
    packaged(&api, "guest/private");
    package(&api, "guest/public", true, None);
    packaged(&api, "guest/public");
    package(&api, "guest/own", false, Some(("guest", "private")));
    package(&api, "other/theirs", false, Some(("guest", "public")));
    package(&api, "other/refused", false, Some(("guest", "private")));
    package(&api, "other/gone", false, Some(("other", "nothing")));
    let get = |path: &str| {
        let path = format!("/api/v1/web/{path}?query=1");
        Ask::new(Method::Get, &path).no_key().send(&api)
    };
    assert_eq!(get("guest/private/a").status, 204);
    // 11.11-265
    let inherited = [r#"private="package""#, r#"all="action""#, r#"a="action""#];
    assert_eq!(parameters(&api), inherited);
    assert_eq!(given(&api)["query"], "1");
    // 11.11-291
    let own = get("guest/own/a");
    assert_eq!(own.status, 204);
    assert_eq!(own.header("x-openwhisk-activation-id"), Some(ID));
    // Annotations of bindings and packages are not those of the action.
    assert_eq!(own.header("Access-Control-Allow-Origin"), Some("*"));
    assert_eq!(parameters(&api).len(), 4);
    assert_eq!(get("other/theirs/a").status, 204);
    {
        let calls = api.script.calls.lock().unwrap();
        let call = calls.last().unwrap();
        assert_eq!(call.identity.namespace, "other");
        assert_eq!(call.binding.as_deref(), Some("other/theirs"));
    }
    get("other/refused/a").web_refused(
        403,
        "The supplied authentication is not authorized to access 'other/refused'.",
    );
    get("other/gone/a").web_refused(404, MISSING);
    get("guest/private/b").web_refused(404, MISSING);
    get("guest/a/a").web_refused(404, MISSING);
}

#[test]
fn built_in_actions_run_as_their_own_namespace() {
    let api = exported();
    let path = "/api/v1/web/whisk.system/apimgmt/getApi.http";
    let reply = Ask::new(Method::Get, path).send(&api);
    assert_eq!(reply.header("x-openwhisk-activation-id"), Some(ID));
    assert_eq!(given(&api)["__ow_user"], "guest");
    let calls = api.script.calls.lock().unwrap();
    assert_eq!(calls.last().unwrap().identity.namespace, "whisk.system");
}
