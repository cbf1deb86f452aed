//! The API gateway, as the CLI's `wsk api` uses it.

use serde_json::{Value, json};
use surf::http::Method;

use crate::client::{Answer, Client, GUEST, as_json};
use crate::daemon::{Daemon, Setup};

const APIMGMT: &str = "/api/v1/web/whisk.system/apimgmt";

const WHO: &str = "function main(a) { return { body: { id: a.id, name: a.name, \
    method: a.__ow_method, path: a.__ow_path } } }";

/// Creates a web action.
fn web_action(client: &Client, name: &str, annotations: &[(&str, Value)]) {
    let mut all = vec![json!({"key": "web-export", "value": true})];
    for (key, value) in annotations {
        all.push(json!({"key": key, "value": value}));
    }
    let body = json!({"exec": {"kind": "quickjs:1", "code": WHO}, "annotations": all});
    let made = client.put(&format!("actions/{name}"), &body);
    assert_eq!(made.status, 200, "{made}");
}

/// The query that the CLI sends with every request, with the uuid part of its key.
fn query(key: &str) -> String {
    let (uuid, _) = key.split_once(':').expect("a uuid and a key");
    format!("accesstoken=DUMMY+TOKEN&responsetype=http&spaceguid={uuid}")
}

/// What the CLI sends for `wsk api create /base <path> <method> <action>`.
fn create(client: &Client, key: &str, path: &str, method: &str, action: &str) -> Answer {
    let apidoc = json!({
        "namespace": "_", "gatewayBasePath": "/base", "gatewayPath": path,
        "gatewayMethod": method, "id": "API:_:/base",
        "action": {
            "name": action, "namespace": "_", "backendMethod": method,
            "backendUrl": format!("http://h/api/v1/web/_/default/{action}.http"),
            "authkey": key,
        },
    });
    created(client, key, apidoc)
}

fn created(client: &Client, key: &str, apidoc: Value) -> Answer {
    let path = format!("{APIMGMT}/createApi.http?{}", query(key));
    client.post(&path, &json!({ "apidoc": apidoc }))
}

fn list(client: &Client, key: &str, filter: &str) -> Value {
    let path = format!("{APIMGMT}/getApi.http?{}{filter}", query(key));
    let answer = client.get(&path);
    assert_eq!(answer.status, 200, "{answer}");
    answer.json()
}

fn delete(client: &Client, key: &str, filter: &str) -> Answer {
    client.delete(&format!("{APIMGMT}/deleteApi.http?{}{filter}", query(key)))
}

/// What a request to an API of the guest answers.
fn called(owl: &Daemon, method: Method, path: &str) -> Answer {
    let nobody = owl.client_with(None);
    nobody.send(method, &format!("/api/guest{path}"), &[], None)
}

fn paths(list: &Value) -> Vec<&str> {
    let apis = list["apis"].as_array().expect("a list");
    let paths = apis.iter().flat_map(|api| {
        let paths = &api["value"]["apidoc"]["paths"];
        paths.as_object().expect("paths").keys()
    });
    paths.map(String::as_str).collect()
}

/// Starts a daemon with a store that has a second namespace; gives that one's uuid and key.
fn with_other(folder: &std::path::Path) -> (Daemon, String) {
    let made = std::process::Command::new(env!("CARGO_BIN_EXE_owl"))
        .args(["key", "--data-dir"])
        .arg(folder)
        .args(["create", "other"])
        .output()
        .expect("run owl key");
    assert!(made.status.success(), "{made:?}");
    let key = String::from_utf8(made.stdout).expect("a key is text");
    let owl = Setup::new().data_dir(folder).start();
    (owl, key.trim().to_string())
}

#[test]
fn created_called_listed_deleted_and_kept() {
    let folder = tempfile::tempdir().expect("make a folder");
    let owl = Setup::new().data_dir(folder.path()).start();
    let guest = owl.client();
    web_action(&guest, "who", &[]);
    let answer = create(&guest, GUEST, "/hello", "GET", "who");
    assert_eq!(answer.status, 200, "{answer}");
    let base = format!("http://{}/api/guest/base", owl.address());
    assert_eq!(answer.json()["gwApiUrl"], base.as_str());
    let operation = &answer.json()["apidoc"]["paths"]["/hello"]["get"]["x-openwhisk"];
    assert_eq!(
        (&operation["action"], &operation["package"]),
        (&json!("who"), &json!("default"))
    );
    for (path, method) in [
        ("/books/{id}", "GET"),
        ("/books/{id}", "PUT"),
        ("/books/new", "GET"),
    ] {
        assert_eq!(create(&guest, GUEST, path, method, "who").status, 200);
    }

    let hello = called(&owl, Method::Get, "/base/hello?name=x");
    assert_eq!(hello.status, 200, "{hello}");
    assert_eq!(
        hello.json(),
        json!({"name": "x", "method": "get", "path": ""})
    );
    let book = called(&owl, Method::Put, "/base/books/7%20b");
    assert_eq!(
        book.json(),
        json!({"id": "7 b", "method": "put", "path": "/base/books/7%20b"})
    );
    assert_eq!(
        called(&owl, Method::Get, "/base/books/new")
            .json()
            .get("id"),
        None
    );
    let wrong = called(&owl, Method::Put, "/base/hello");
    assert_eq!(
        (wrong.status, wrong.header("Allow")),
        (405, Some("GET, HEAD, OPTIONS"))
    );
    let options = called(&owl, Method::Options, "/base/books/1");
    assert_eq!(options.status, 200);
    assert_eq!(
        options.header("Access-Control-Allow-Methods"),
        Some("GET, HEAD, OPTIONS, PUT")
    );
    called(&owl, Method::Get, "/base/nothing")
        .expect_error(404, "The requested resource could not be found.");

    // They are there after a restart.
    drop(owl);
    let owl = Setup::new().data_dir(folder.path()).start();
    let guest = owl.client();
    assert_eq!(called(&owl, Method::Get, "/base/hello").status, 200);
    let all = list(&guest, GUEST, "&limit=30&skip=0");
    assert_eq!(paths(&all), ["/books/new", "/books/{id}", "/hello"]);
    let one = list(
        &guest,
        GUEST,
        "&basepath=%2Fbase&relpath=%2Fhello&operation=GET",
    );
    assert_eq!(paths(&one), ["/hello"]);

    let put = "&basepath=%2Fbase&relpath=%2Fbooks%2F%7Bid%7D&operation=PUT";
    assert_eq!(delete(&guest, GUEST, put).status, 200);
    assert_eq!(called(&owl, Method::Put, "/base/books/7").status, 405);
    assert_eq!(delete(&guest, GUEST, "&basepath=%2Fbase").status, 200);
    assert_eq!(called(&owl, Method::Get, "/base/hello").status, 404);
    assert_eq!(list(&guest, GUEST, ""), json!({"apis": []}));
    let gone = delete(&guest, GUEST, "&basepath=%2Fbase");
    gone.expect_error(404, "API deletion failure: API '/base' does not exist.");
}

#[test]
fn tenants_do_not_touch_each_others_apis() {
    let folder = tempfile::tempdir().expect("make a folder");
    let (owl, key) = with_other(folder.path());
    let (guest, other, nobody) = (
        owl.client(),
        owl.client_with(Some(&key)),
        owl.client_with(None),
    );
    web_action(&guest, "who", &[]);
    assert_eq!(create(&guest, GUEST, "/hello", "GET", "who").status, 200);

    // Whatever the other says about who it is.
    assert_eq!(list(&other, GUEST, ""), json!({"apis": []}));
    assert_eq!(delete(&other, GUEST, "&basepath=%2Fbase").status, 404);
    let mine = json!({
        "namespace": "guest", "gatewayBasePath": "/base", "gatewayPath": "/hello",
        "gatewayMethod": "GET", "action": {"name": "x", "namespace": "_"},
    });
    assert_eq!(created(&other, GUEST, mine).status, 403);
    // Nobody manages anything without a key.
    let required = "A valid auth key is required.";
    let path = format!("{APIMGMT}/getApi.http?{}", query(GUEST));
    nobody.get(&path).expect_error(401, required);
    let spoofed = nobody.get(&format!("{path}&__ow_user=guest"));
    assert_eq!(spoofed.status, 400, "{spoofed}");
    assert_eq!(delete(&nobody, GUEST, "&basepath=%2Fbase").status, 401);
    // Nor by invoking the actions as actions.
    let action = "/api/v1/namespaces/whisk.system/actions/apimgmt/getApi?blocking=true";
    let invoked = other.post(action, &json!({"__ow_user": "guest"}));
    assert_eq!(invoked.status, 403, "{invoked}");

    // The same base path is another API there, and leads to another's action.
    assert_eq!(create(&other, &key, "/hello", "GET", "who").status, 200);
    assert_eq!(called(&owl, Method::Get, "/base/hello").status, 200);
    let others = nobody.get("/api/other/base/hello");
    assert_eq!(others.status, 404, "it has no such action: {others}");
    assert_eq!(delete(&other, &key, "&basepath=%2Fbase").status, 200);
    assert_eq!(called(&owl, Method::Get, "/base/hello").status, 200);
}

#[test]
fn secure_keys_and_documents() {
    let owl = Setup::new().start();
    let guest = owl.client();
    web_action(&guest, "secure", &[("require-whisk-auth", json!(4711))]);
    let operation = |key: Value| {
        json!({
            "namespace": "_", "gatewayBasePath": "/safe", "gatewayPath": "/in",
            "gatewayMethod": "GET",
            "action": {"name": "secure", "namespace": "_", "secureKey": key},
        })
    };
    assert_eq!(created(&guest, GUEST, operation(Value::Null)).status, 200);
    assert_eq!(called(&owl, Method::Get, "/safe/in").status, 401);
    let made = created(&guest, GUEST, operation(json!(4711)));
    assert!(!made.to_string().contains("4711"), "{made}");
    assert_eq!(called(&owl, Method::Get, "/safe/in").status, 200);

    web_action(&guest, "who", &[]);
    let mut swagger = json!({
        "swagger": "2.0", "basePath": "/club", "info": {"title": "Club", "version": "1"},
        "paths": {"/who/{name}": {"get": {"x-openwhisk": {"action": "who", "namespace": "_",
            "package": "default", "url": "http://h/api/v1/web/_/default/who.json"}}}},
    });
    let sent = json!({"namespace": "_", "swagger": swagger.to_string()});
    assert_eq!(created(&guest, GUEST, sent).status, 200);
    let who = called(&owl, Method::Get, "/club/who/owl").json();
    assert_eq!(who["body"]["name"], "owl");
    // A protection that is not done is not left out in silence.
    swagger["securityDefinitions"] = json!({"client_id": {"type": "apiKey"}});
    let sent = json!({"namespace": "_", "swagger": swagger.to_string()});
    let refused = created(&guest, GUEST, sent).error(400);
    assert!(refused.contains("securityDefinitions"), "{refused}");
    let path = format!("{APIMGMT}/createApi.http");
    let text = guest.send(
        Method::Post,
        &path,
        &[],
        Some(as_json(
            &json!({"apidoc": {"namespace": "_", "swagger": "a: b"}}),
        )),
    );
    assert!(text.error(400).contains("YAML"), "{text}");
}
