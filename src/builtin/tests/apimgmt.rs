//! The actions that manage APIs, called as the web calls them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::entity::{GUEST_KEY, GUEST_UUID};

/// What the CLI sends for `wsk api create /base /hello get a`.
fn cli(action: &str, path: &str) -> Value {
    json!({
        "accesstoken": "DUMMY TOKEN", "responsetype": "json", "spaceguid": GUEST_UUID,
        "apidoc": {
            "namespace": "_", "gatewayBasePath": "/base", "gatewayPath": path,
            "gatewayMethod": "GET", "id": "API:_:/base",
            "action": {
                "name": action, "namespace": "_", "backendMethod": "GET",
                "backendUrl": "http://h/api/v1/web/_/default/a.http",
                "authkey": "uuid:key",
            },
        },
    })
}

impl Place {
    /// A call with the key of a namespace, as the server passes it on.
    fn called(&self, name: &str, user: &str, key: &str, mut arguments: Value) -> Value {
        arguments["__ow_user"] = json!(user);
        arguments["__ow_method"] = json!("post");
        arguments["__ow_headers"] = json!({
            "host": "gateway:3233",
            "authorization": format!("Basic {}", STANDARD.encode(key)),
        });
        self.plain(name, arguments)
    }

    /// A call as it is.
    fn plain(&self, name: &str, arguments: Value) -> Value {
        let action = format!("whisk.system/apimgmt/{name}");
        let output = self.run(&action, &arguments.to_string());
        serde_json::from_str(output.result.get()).unwrap()
    }

    fn guest(&self, name: &str, arguments: Value) -> Value {
        self.called(
            name,
            "guest",
            &format!("{GUEST_UUID}:{GUEST_KEY}"),
            arguments,
        )
    }

    /// What a call by the guest answers with status 200.
    fn done(&self, name: &str, arguments: Value) -> Value {
        let result = self.guest(name, arguments);
        assert_eq!(result["statusCode"], 200, "{result}");
        assert_eq!(result["headers"]["Content-Type"], "application/json");
        result["body"].clone()
    }

    fn apis(&self, arguments: Value) -> Vec<String> {
        let body = self.done("getApi", arguments);
        let apis = body["apis"].as_array().unwrap();
        apis.iter()
            .map(|api| api["id"].as_str().unwrap().to_owned())
            .collect()
    }
}

#[track_caller]
fn failed(result: &Value, status: u16, message: &str) {
    assert_eq!(result["error"]["statusCode"], status, "{result}");
    assert_eq!(
        result["error"]["body"],
        json!({"error": message, "code": "tid"})
    );
}

#[test]
fn the_cli_creates_gets_lists_and_deletes() {
    let place = Place::new();
    let created = place.done("createApi", cli("p/a", "/hello"));
    assert_eq!(created["gwApiUrl"], "http://gateway:3233/api/guest/base");
    let operation = &created["apidoc"]["paths"]["/hello"]["get"];
    assert_eq!(
        operation["x-openwhisk"],
        json!({"action": "a", "namespace": "guest", "package": "p",
            "url": "http://gateway:3233/api/v1/web/guest/p/a.json"})
    );
    assert!(operation["operationId"].is_string() && operation["responses"].is_object());
    assert!(!created.to_string().contains("uuid:key"));

    let got = place.done("getApi", json!({"basepath": "/base"}));
    let api = &got["apis"][0];
    assert_eq!(api["id"], "API:guest:/base");
    assert_eq!(api["key"], api["id"]);
    assert_eq!(api["value"], created);
    assert_eq!(api["value"]["apidoc"]["info"]["title"], "/base");
    assert_eq!(place.apis(json!({"limit": "30", "skip": "0"})).len(), 1);
    assert!(place.apis(json!({"skip": 1})).is_empty());
    assert!(place.apis(json!({"basepath": "/other"})).is_empty());
    assert!(place.apis(json!({"apiname": "Other"})).is_empty());

    place.done("createApi", cli("b", "/more"));
    let one = json!({"basepath": "/base", "relpath": "/more", "operation": "GET"});
    assert_eq!(place.done("deleteApi", one), json!({}));
    let left = place.done("getApi", json!({}));
    let paths = left["apis"][0]["value"]["apidoc"]["paths"]
        .as_object()
        .unwrap();
    assert_eq!(paths.keys().collect::<Vec<_>>(), ["/hello"]);
    place.done("deleteApi", json!({"basepath": "/base", "force": "true"}));
    assert!(place.apis(json!({})).is_empty());
}

#[test]
fn response_types_and_documents_as_texts() {
    let place = Place::new();
    let url = |arguments: Value| {
        let created = place.done("createApi", arguments);
        let operation = &created["apidoc"]["paths"]["/hello"]["get"];
        operation["x-openwhisk"]["url"].as_str().unwrap().to_owned()
    };
    let mut arguments = cli("a", "/hello");
    for kind in ["http", "html", "svg", "text"] {
        arguments["responsetype"] = json!(kind);
        assert!(url(arguments.clone()).ends_with(&format!("/default/a.{kind}")));
    }
    arguments.as_object_mut().unwrap().remove("responsetype");
    assert!(url(arguments.clone()).ends_with("/default/a.http"));
    arguments["apidoc"]["action"]["backendUrl"] = json!("http://h/api/v1/web/_/default/a");
    arguments["apidoc"] = json!(arguments["apidoc"].to_string());
    assert!(url(arguments.clone()).ends_with("/default/a.json"));
    arguments["responsetype"] = json!("exe");
    failed(
        &place.guest("createApi", arguments),
        400,
        "API creation failure: the response type 'exe' is none of http, json, html, svg, text",
    );
}

#[test]
fn only_the_namespace_whose_key_came_is_managed() {
    let place = Place::new();
    let key = "k".repeat(64);
    let uuid = "8d6c32a3-0f0c-4b55-9b0e-111111111111";
    block_on(
        place
            .services
            .store
            .put_key("other", uuid, &Secret::new(key.clone())),
    )
    .unwrap();
    place.done("createApi", cli("a", "/hello"));

    // The other namespace sees nothing of it, whatever it says.
    let other = format!("{uuid}:{key}");
    let seen = place.called("getApi", "other", &other, json!({"spaceguid": GUEST_UUID}));
    assert_eq!(seen["body"], json!({"apis": []}));
    let gone = place.called("deleteApi", "other", &other, json!({"basepath": "/base"}));
    failed(
        &gone,
        404,
        "API deletion failure: API '/base' does not exist.",
    );
    let mut named = cli("a", "/hello");
    named["apidoc"]["namespace"] = json!("guest");
    failed(
        &place.called("createApi", "other", &other, named),
        403,
        "API creation failure: The supplied authentication is not authorized to access 'guest'.",
    );

    // Nobody gets in without a key, or by saying that he has one.
    let required = "A valid auth key is required.";
    let wrong = format!("{GUEST_UUID}:{}", "x".repeat(64));
    for refused in [
        place.called("getApi", "guest", &other, json!({})),
        place.called("getApi", "guest", &wrong, json!({})),
        place.plain("getApi", json!({})),
        place.plain("getApi", json!({"__ow_user": "guest"})),
        place.plain(
            "getApi",
            json!({"namespace": "guest", "spaceguid": GUEST_UUID}),
        ),
        place.plain(
            "getApi",
            json!({"spaceguid": GUEST_UUID, "accesstoken": "DUMMY TOKEN"}),
        ),
        place.plain(
            "getApi",
            json!({"spaceguid": GUEST_UUID, "accesstoken": GUEST_KEY}),
        ),
        place.plain(
            "getApi",
            json!({"spaceguid": GUEST_UUID, "accesstoken": key}),
        ),
    ] {
        failed(&refused, 401, required);
    }
    // A uuid and its own key in the query are as good as a header.
    let in_query = place.plain("getApi", json!({"spaceguid": uuid, "accesstoken": key}));
    assert_eq!(in_query["body"], json!({"apis": []}));
    assert_eq!(place.apis(json!({})), ["API:guest:/base"]);
}

#[test]
fn documents_that_are_refused() {
    let place = Place::new();
    let refused = |arguments: Value, message: &str| {
        let message = format!("API creation failure: {message}");
        failed(&place.guest("createApi", arguments), 400, &message);
    };
    refused(json!({}), "apidoc is required.");
    refused(
        json!({"apidoc": 1}),
        "apidoc field should be a JSON object or a JSON string of one.",
    );
    let without = |name: &str| {
        let mut arguments = cli("a", "/hello");
        arguments["apidoc"].as_object_mut().unwrap().remove(name);
        arguments
    };
    for name in ["gatewayBasePath", "gatewayPath", "gatewayMethod", "action"] {
        refused(
            without(name),
            &format!("apidoc is missing the {name} field"),
        );
    }
    let with = |name: &str, value: Value| {
        let mut arguments = cli("a", "/hello");
        arguments["apidoc"][name] = value;
        arguments
    };
    refused(
        with("gatewayMethod", json!("TRACE")),
        "'TRACE' is not a method that an API can have.",
    );
    refused(
        with("gatewayPath", json!("hello")),
        "the path 'hello' does not begin with '/'",
    );
    refused(
        with("swagger", json!("{}")),
        "swagger and gatewayBasePath are mutually exclusive and cannot be specified together.",
    );
    refused(
        with("action", json!({"namespace": "_"})),
        "action is missing the name field",
    );
    refused(
        with("action", json!({"name": "a", "secureKey": "a\nb"})),
        "secureKey cannot be sent in a header.",
    );
    refused(
        json!({"apidoc": {"namespace": "_", "swagger": "swagger: '2.0'"}}),
        "swagger field cannot be parsed. Ensure it is valid JSON: YAML is not supported.",
    );
    failed(
        &place.guest("deleteApi", json!({})),
        400,
        "API deletion failure: basepath is required.",
    );
    failed(
        &place.guest(
            "deleteApi",
            json!({"basepath": "/base", "operation": "get"}),
        ),
        400,
        "API deletion failure: When specifying an operation, the path is required.",
    );
    failed(
        &place.guest("getApi", json!({"limit": "x"})),
        400,
        "limit is not a whole number.",
    );
    assert!(place.apis(json!({})).is_empty());
}

#[test]
fn a_swagger_document_becomes_an_api() {
    let place = Place::new();
    let swagger = json!({
        "swagger": "2.0", "basePath": "/club", "info": {"title": "Club", "version": "1"},
        "paths": {"/books": {"get": {"x-openwhisk": {"action": "books", "namespace": "_"}}}},
    });
    let sent = json!({"apidoc": {"namespace": "_", "swagger": swagger.to_string()}});
    let created = place.done("createApi", sent);
    assert_eq!(created["gwApiUrl"], "http://gateway:3233/api/guest/club");
    assert_eq!(created["apidoc"], swagger);
    assert_eq!(place.apis(json!({"apiname": "Club"})), ["API:guest:/club"]);
    place.done("deleteApi", json!({"basepath": "Club"}));
    assert!(place.apis(json!({})).is_empty());
}

#[test]
fn secure_keys_are_kept_and_not_shown() {
    let place = Place::new();
    for (key, kept) in [
        (json!("my key"), "my key"),
        (json!(9007199254740991_u64), "9007199254740991"),
    ] {
        let mut arguments = cli("a", "/hello");
        arguments["apidoc"]["action"]["secureKey"] = key;
        let created = place.done("createApi", arguments);
        assert!(!created.to_string().contains(kept));
        let routed = place.services.apis.route(
            "guest",
            &["base".into(), "hello".into()],
            Some(crate::gateway::Verb::Get),
        );
        match routed.unwrap() {
            crate::gateway::Routed::To { secure_key, .. } => {
                assert_eq!(secure_key.unwrap().expose(), kept);
            }
            other => panic!("{other:?}"),
        }
    }
}
