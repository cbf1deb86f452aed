//! Credentials, routes, names and the form of answers (reference sections 1 and 11.1).

use serde_json::{Value, json};
use surf::http::Method;

use crate::client::GUEST;
use crate::daemon::Setup;

const LIST: &str = "/api/v1/namespaces/_/actions";

#[test]
fn without_credentials_everything_but_the_info_is_refused() {
    let owl = Setup::new().start();
    let nobody = owl.client_with(None);
    let ping = nobody.get("/ping");
    assert_eq!((ping.status, ping.body.as_slice()), (200, &b"pong"[..]));
    for path in ["/api/v1/namespaces", LIST, "/api/v1/no/such/path"] {
        let answer = nobody.get(path);
        answer.expect_error(
            401,
            "The resource requires authentication, which was not supplied with the request",
        );
        let realm = answer.header("WWW-Authenticate").unwrap_or_default();
        assert!(
            realm.starts_with("Basic realm=\"OpenWhisk secure realm\""),
            "{realm}"
        );
    }
}

#[test]
fn wrong_credentials_are_refused() {
    let owl = Setup::new().start();
    let (uuid, key) = GUEST.split_once(':').expect("uuid:key");
    let other_key = format!("{uuid}:{}", key.chars().rev().collect::<String>());
    let short_key = format!("{uuid}:{}", &key[..63]);
    let long_key = format!("{uuid}:{key}x");
    let other_uuid = format!("00000000-71f6-4ed5-8c54-816aa4f8c502:{key}");
    let no_colon = GUEST.replace(':', "");
    for key in [&other_key, &short_key, &long_key, &other_uuid, &no_colon] {
        let answer = owl.client_with(Some(key)).get(LIST);
        answer.expect_error(401, "The supplied authentication is invalid");
    }
    for header in [
        "Bearer x",
        "Basic",
        "Basic ????",
        "Basic eHh4",
        "Digest a=b",
    ] {
        let answer = owl.client().authorization(header).get(LIST);
        answer.expect_error(401, "The supplied authentication is invalid");
    }
    assert_eq!(owl.client().get(LIST).status, 200);
    assert!(!owl.log().contains(key), "a key is in the log");
}

#[test]
fn the_info_documents_say_what_clients_read() {
    let owl = Setup::new().start();
    let nobody = owl.client_with(None);
    let root = nobody.get("/");
    assert_eq!(root.status, 200);
    let content_type = root.header("Content-Type").unwrap_or_default();
    assert_eq!(content_type, "application/json");
    let info = root.json();
    assert_eq!(info["description"], "OpenWhisk");
    assert_eq!(info["api_paths"], json!(["/api/v1"]));
    assert!(info["support"]["github"].is_string() && info["support"]["slack"].is_string());
    let limits = info["limits"].as_object().expect("limits");
    assert_eq!(limits.len(), 16, "{limits:?}");
    assert!(limits.values().all(Value::is_u64), "{limits:?}");
    for (family, kinds) in info["runtimes"].as_object().expect("runtimes") {
        let kinds = kinds.as_array().expect("an array of kinds");
        let defaults = kinds.iter().filter(|kind| kind["default"] == true).count();
        assert_eq!(defaults, 1, "defaults of {family}");
        for kind in kinds {
            let mut keys: Vec<_> = kind.as_object().expect("a kind").keys().collect();
            keys.sort();
            let expected = [
                "attached",
                "default",
                "deprecated",
                "image",
                "kind",
                "requireMain",
            ];
            assert_eq!(keys, expected);
        }
    }
    for path in ["/api/v1", "/api/v1/"] {
        let info = nobody.get(path).json();
        assert_eq!(info["api_version"], "1.0.0", "{path}");
        assert_eq!(info["api_version_path"], "v1", "{path}");
        assert!(info["build"].is_string() && info["buildno"].is_string());
    }
}

#[test]
fn the_request_id_is_echoed_unless_it_is_reserved() {
    let owl = Setup::new().start();
    let client = owl.client();
    let ask = |headers: &[(&str, &str)]| {
        let answer = client.send(Method::Get, "actions/missing", headers, None);
        answer.expect_error(404, "The requested resource does not exist.");
        answer.header("X-Request-ID").expect("an id").to_string()
    };
    assert_eq!(ask(&[("X-Request-ID", "mine")]), "mine");
    for headers in [&[][..], &[("X-Request-ID", "sid_mine")]] {
        let made = ask(headers);
        assert_eq!(made.len(), 32, "{made}");
        assert!(made.chars().all(|c| c.is_ascii_alphanumeric()), "{made}");
    }
}

#[test]
fn unknown_routes_and_methods_are_told_apart() {
    let owl = Setup::new().start();
    let client = owl.client();
    let not_found = "The requested resource could not be found.";
    client
        .get("/api/v1/no/such/path")
        .expect_error(404, not_found);
    client
        .get("/api/v1/namespaces/_")
        .expect_error(404, not_found);
    client
        .get("activations/0123456789abcdef0123456789abcdef/bogus")
        .error(404);
    for (method, path) in [
        (Method::Post, "actions"),
        (Method::Post, "/api/v1/namespaces"),
        (Method::Put, "limits"),
        (Method::Post, "limits"),
        (Method::Delete, "limits"),
        (Method::Put, "activations/0123456789abcdef0123456789abcdef"),
        (
            Method::Delete,
            "activations/0123456789abcdef0123456789abcdef",
        ),
    ] {
        let answer = client.send(method, path, &[], None);
        let message = answer.error(405);
        assert!(
            message.starts_with("HTTP method not allowed, supported methods: "),
            "{method} {path}: {message}"
        );
        assert!(answer.header("Allow").is_some(), "{method} {path}");
    }
}

#[test]
fn browsers_may_ask_without_a_key() {
    let owl = Setup::new().start();
    let answer = owl.client_with(None).send(Method::Options, LIST, &[], None);
    assert_eq!(answer.status, 200);
    let header = |name| answer.header(name).unwrap_or_default().to_string();
    assert_eq!(header("Access-Control-Allow-Origin"), "*");
    assert_eq!(
        header("Access-Control-Allow-Methods"),
        "GET, DELETE, POST, PUT, HEAD"
    );
    assert_eq!(
        header("Access-Control-Allow-Headers"),
        "Authorization, Origin, X-Requested-With, Content-Type, Accept, User-Agent"
    );
    let listed = owl.client().get(LIST);
    assert_eq!(listed.header("Access-Control-Allow-Origin"), Some("*"));
}

#[test]
fn namespaces_and_limits_are_shown_to_their_owner_only() {
    let owl = Setup::new().start();
    let client = owl.client();
    for path in ["/api/v1/namespaces", "/api/v1/namespaces/"] {
        assert_eq!(client.get(path).json(), json!(["guest"]));
    }
    for path in ["limits", "limits/", "/api/v1/namespaces/guest/limits"] {
        let limits = client.get(path).json();
        assert_eq!(limits["maxActionMemory"], 512, "{path}");
        assert_eq!(limits["minActionTimeout"], 100, "{path}");
        assert_eq!(limits["maxParameterSize"], "1048576 B", "{path}");
        assert!(limits.get("allowedKinds").is_none());
    }
    for collection in ["actions", "activations"] {
        client
            .get(&format!("/api/v1/namespaces/stranger/{collection}"))
            .expect_error(
                403,
                "The supplied authentication is not authorized to access 'stranger'.",
            );
    }
    for method in [Method::Get, Method::Delete, Method::Post] {
        let path = "/api/v1/namespaces/stranger/actions/a";
        client.send(method, path, &[], None).expect_error(
            403,
            "The supplied authentication is not authorized to access 'stranger/a'.",
        );
    }
}

#[test]
fn names_are_checked_before_anything_is_looked_up() {
    let owl = Setup::new().start();
    let client = owl.client();
    let long = "n".repeat(257);
    let longest = "n".repeat(256);
    client
        .get(&format!("/api/v1/namespaces/{long}/actions"))
        .expect_error(400, "Namespace longer than allowed: 257 > 256.");
    client
        .get(&format!("actions/{long}"))
        .expect_error(400, "Name segement longer than allowed: 257 > 256.");
    for illegal in ["a%23b", "%40a", "a%20", "%C3%A9", "a%2Bb", "a%00b"] {
        client
            .get(&format!("actions/{illegal}"))
            .expect_error(400, "The name of the entity contains illegal characters.");
    }
    client
        .get("/api/v1/namespaces/a%23b/actions")
        .expect_error(400, "The namespace contains illegal characters.");
    for legal in [
        &longest,
        "with%20some%20spaces",
        "a@b.c-d&e",
        "TWICE",
        "twice",
    ] {
        client.action(legal, "quickjs:1", "function main() {}", json!({}));
        assert_eq!(client.get(&format!("actions/{legal}")).status, 200);
    }
}
