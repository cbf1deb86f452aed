//! The descriptions of the API, and the page that shows them (reference section 1.1).

use super::*;
use crate::api::path::{Resource, Route, route};

fn document(api: &Api, path: &str) -> Value {
    let reply = Ask::new(Method::Get, path).no_key().send(api);
    assert_eq!(reply.status, 200, "{path}");
    assert_eq!(reply.header("Content-Type"), Some("application/json"));
    let document = reply.value();
    assert_eq!(document["swagger"], "2.0");
    document
}

/// Calls `see` with each `$ref` of a document.
fn references(value: &Value, see: &mut impl FnMut(&str)) {
    match value {
        Value::Object(members) => {
            if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
                see(reference);
            }
            members.values().for_each(|value| references(value, see));
        }
        Value::Array(elements) => elements.iter().for_each(|value| references(value, see)),
        _ => {}
    }
}

#[test]
fn what_is_described_can_be_found() {
    let api = Api::new();
    for path in ["/api/v1/api-docs", "/api-docs"] {
        let document = document(&api, path);
        let base = document["basePath"].as_str().unwrap().trim_end_matches('/');
        for path in document["paths"].as_object().unwrap().keys() {
            // What a placeholder is called is as good a name as any.
            let path = format!("{base}{}", path.replace(['{', '}'], ""));
            let route = route(&path);
            assert!(
                !matches!(route, Route::Unknown | Route::Api(Resource::Unknown)),
                "{path}"
            );
        }
        references(&document, &mut |reference| {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference}");
        });
    }
}

#[test]
fn collections_are_described() {
    let document = document(&Api::new(), "/api/v1/api-docs");
    assert_eq!(document["basePath"], "/api/v1");
    for (collection, entity) in [
        ("actions", "actionName"),
        ("triggers", "triggerName"),
        ("rules", "ruleName"),
        ("packages", "packageName"),
        ("activations", "activationid"),
    ] {
        let list = format!("/namespaces/{{namespace}}/{collection}");
        assert!(document["paths"][&list]["get"].is_object(), "{list}");
        let one = format!("{list}/{{{entity}}}");
        assert!(document["paths"][&one]["get"].is_object(), "{one}");
    }
    let required = &document["definitions"]["Activation"]["required"];
    assert!(
        required
            .as_array()
            .unwrap()
            .contains(&json!("activationId"))
    );
}

#[test]
fn the_page_runs_nothing_else() {
    let api = Api::new();
    let page = Ask::new(Method::Get, "/docs").no_key().send(&api);
    assert_eq!(page.status, 200);
    assert_eq!(page.header("Content-Type"), Some("text/html;charset=utf-8"));
    assert_eq!(api.get("/api/v1/docs").body, page.body);
    let policy = page.header("Content-Security-Policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; connect-src 'self'; "));
    for (tag, directive) in [("script", "script-src"), ("style", "style-src")] {
        let (_, rest) = page.body.split_once(&format!("<{tag}>")).unwrap();
        let (text, _) = rest.split_once(&format!("</{tag}>")).unwrap();
        let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
        let allowed = format!("{directive} 'sha256-{}';", STANDARD.encode(digest));
        assert!(policy.contains(&allowed), "{policy}");
    }
    assert!(!page.body.contains("http://") && !page.body.contains("https://"));
}
