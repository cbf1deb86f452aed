//! Checklist 11.11: web actions in packages and through bindings.

use super::invoke::ID;
use super::web::{MISSING, exported, given};
use super::*;

/// A parameter named after its owner, and one that all have.
fn parameters(of: &str) -> Value {
    json!([{"key": of, "value": of}, {"key": "all", "value": of}])
}

/// Makes an exported action in a package of the guest.
fn packaged(api: &Api, package: &str) {
    api.package(
        package,
        json!({"publish": true, "parameters": parameters(package)}),
    );
    let body = json!({"exec": exec("1"), "parameters": parameters("a"),
        "annotations": [{"key": "web-export", "value": true}]});
    let reply = api.put(&action(&format!("{package}/a")), body);
    assert_eq!(reply.status, 200, "{}", reply.body);
}

/// Binds a package of the guest.
fn bind(api: &Api, namespace: &str, name: &str, package: &str) {
    let annotations = json!([{"key": "web-export", "value": false},
        {"key": "web-custom-options", "value": true}]);
    let body = json!({"binding": {"namespace": "guest", "name": package},
        "parameters": parameters(name), "annotations": annotations});
    let path = format!("/api/v1/namespaces/{namespace}/packages/{name}");
    let ask = Ask::new(Method::Put, &path);
    let ask = if namespace == "guest" {
        ask
    } else {
        ask.other()
    };
    let reply = ask.json(body).send(api);
    assert_eq!(reply.status, 200, "{}", reply.body);
}

/// Parameters of the action that was called last, as `key=value`.
fn merged(api: &Api) -> Vec<String> {
    let calls = api.script.calls.lock().unwrap();
    let parameters = &calls.last().unwrap().action.parameters.0;
    let shown = parameters.iter();
    shown.map(|p| format!("{}={}", p.key, p.value)).collect()
}

#[test]
fn packages_and_bindings() {
    let api = exported();
    api.other_namespace();
    packaged(&api, "private");
    packaged(&api, "public");
    bind(&api, "guest", "own", "private");
    bind(&api, "other", "theirs", "public");
    bind(&api, "other", "refused", "private");
    // A binding to a private package of somebody else can only be made while that is public.
    api.package("private", json!({"publish": false}));
    let get = |path: &str| {
        let path = format!("/api/v1/web/{path}?query=1");
        Ask::new(Method::Get, &path).no_key().send(&api)
    };
    assert_eq!(get("guest/private/a").status, 204);
    // 11.11-265
    let inherited = [r#"private="private""#, r#"all="a""#, r#"a="a""#];
    assert_eq!(merged(&api), inherited);
    assert_eq!(given(&api)["query"], "1");
    // 11.11-291
    let own = get("guest/own/a");
    assert_eq!(own.status, 204);
    assert_eq!(own.header("x-openwhisk-activation-id"), Some(ID));
    // Annotations of bindings and packages are not those of the action.
    assert_eq!(own.header("Access-Control-Allow-Origin"), Some("*"));
    let inherited = [
        r#"private="private""#,
        r#"all="a""#,
        r#"own="own""#,
        r#"a="a""#,
    ];
    assert_eq!(merged(&api), inherited);
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
    get("guest/private/b").web_refused(404, MISSING);
    get("guest/a/a").web_refused(404, MISSING);
}

#[test]
fn sequences_and_what_is_in_them() {
    let api = exported();
    api.other_namespace();
    packaged(&api, "public");
    let create = |components: Value| {
        let body = json!({"exec": {"kind": "sequence", "components": components},
            "annotations": [{"key": "web-export", "value": true}]});
        let ask = Ask::new(Method::Put, "/api/v1/namespaces/other/actions/s").other();
        let reply = ask.json(body).send(&api);
        assert_eq!(reply.status, 200, "{}", reply.body);
    };
    create(json!(["/guest/public/a"]));
    let get = || Ask::new(Method::Get, "/api/v1/web/other/default/s").send(&api);
    assert_eq!(get().status, 204);
    assert_eq!(given(&api)["__ow_user"], "guest");
    // The caller may use it, but the sequence runs as its owner, who may no longer.
    api.package("public", json!({"publish": false}));
    get().web_refused(
        403,
        "The supplied authentication is not authorized to access 'guest/public/a'.",
    );
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
