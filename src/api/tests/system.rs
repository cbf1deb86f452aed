//! Checklist 11.1: server, keys, routes.

use super::*;

#[test]
fn without_a_key() {
    let api = Api::new();
    let get = |path| Ask::new(Method::Get, path).no_key().send(&api);
    // 11.1-1
    let ping = get("/ping");
    assert_eq!((ping.status, ping.body.as_str()), (200, "pong"));
    // 11.1-2
    let info = get("/");
    assert_eq!(info.status, 200);
    assert_eq!(info.header("Content-Type"), Some("application/json"));
    let info = info.value();
    assert_eq!(info["description"], "OpenWhisk");
    assert_eq!(info["api_paths"], json!(["/api/v1"]));
    assert_eq!(info["limits"].as_object().unwrap().len(), 16);
    assert_eq!(info["limits"]["max_action_memory"], 512 << 20);
    assert!(info["support"]["github"].is_string() && info["support"]["slack"].is_string());
    // 11.1-3
    let node = &info["runtimes"]["nodejs"][1];
    assert_eq!(
        *node,
        json!({"kind": "nodejs:20", "image": "openwhisk/action-nodejs-v20:nightly",
            "deprecated": false, "default": true, "attached": true, "requireMain": false})
    );
    // 11.1-4
    for path in ["/api/v1", "/api/v1/", "//api/v1"] {
        let info = get(path);
        assert_eq!(info.status, 200, "{path}");
        assert_eq!(info.value()["api_version"], "1.0.0");
        assert_eq!(info.value()["api_version_path"], "v1");
    }
    // 11.1-23
    assert_eq!(get("/invokers/ready").value(), json!({"healthy": "1/1"}));
    assert_eq!(get("/invokers").value(), json!({"invoker0/0": "up"}));
    assert_eq!(get("/invokers/healthy/count").body, "1");
    get("/nothing").refused(404, "The requested resource could not be found.");
    Ask::new(Method::Post, "/ping")
        .send(&api)
        .refused(405, "HTTP method not allowed, supported methods: GET");
}

#[test]
fn default_kind_follows_docker() {
    let api = Api::new();
    api.docker.store(false, Ordering::Relaxed);
    let kinds = api.get("/").value()["runtimes"]["nodejs"].clone();
    assert_eq!(kinds[2]["kind"], "quickjs:1");
    assert_eq!(kinds[2]["default"], true);
}

#[test]
fn keys() {
    let api = Api::new();
    let other = api.other_namespace();
    let path = "/api/v1/namespaces";
    let ask = || Ask::new(Method::Get, path);
    // 11.1-5
    let none = ask().no_key().send(&api);
    // 11.1-9: each error that a test expects is looked at for its form.
    none.refused(
        401,
        "The resource requires authentication, which was not supplied with the request",
    );
    let challenge = none.header("WWW-Authenticate").unwrap();
    assert!(challenge.starts_with("Basic realm=\"OpenWhisk secure realm\""));
    assert_eq!(none.header("Access-Control-Allow-Origin"), None);
    let invalid = "The supplied authentication is invalid";
    // 11.1-6
    let header = |value: &str| ask().header("Authorization", value).send(&api);
    header("Basic eHh4").refused(401, invalid);
    ask()
        .key(GUEST_UUID, "short")
        .send(&api)
        .refused(401, invalid);
    // 11.1-7
    let wrong = "x".repeat(64);
    ask()
        .key(GUEST_UUID, &wrong)
        .send(&api)
        .refused(401, invalid);
    ask().key("nobody", &wrong).send(&api).refused(401, invalid);
    // 11.1-8
    header("Bearer x").refused(401, invalid);
    // The guest's key is known to anybody: it is good on this machine only.
    ask().peer("192.0.2.1:1").send(&api).refused(401, invalid);
    let claims = ask().peer("192.0.2.1:1");
    let claims = claims.header("X-Forwarded-For", "127.0.0.1");
    claims.send(&api).refused(401, invalid);
    let own_key = "k".repeat(64);
    let remote = ask().peer("192.0.2.1:1").key(other, &own_key).send(&api);
    assert_eq!(remote.value(), json!(["other"]));
}

#[test]
fn transactions() {
    let api = Api::new();
    let with = |id| {
        let ask = Ask::new(Method::Get, "/api/v1/x");
        ask.header("x-request-id", id).send(&api)
    };
    // 11.1-10
    let echoed = with("my-id");
    assert_eq!(echoed.header("X-Request-ID"), Some("my-id"));
    assert_eq!(echoed.value()["code"], "my-id");
    // 11.1-11
    let fresh = with("sid_my-id");
    assert_eq!(fresh.header("X-Request-ID").unwrap().len(), 32);
    // 11.1-12
    assert_eq!(api.get("/ping").header("X-Request-ID").unwrap().len(), 32);
}

#[test]
fn routes() {
    let api = Api::new();
    // 11.1-13
    for path in [
        "/api/v1/x",
        "/api/v1/namespaces/_",
        "/api/v1/namespaces/_/x",
    ] {
        let reply = api.get(path);
        reply.refused(404, "The requested resource could not be found.");
        assert_eq!(reply.header("Access-Control-Allow-Origin"), None);
        // 11.1-14
        let reply = Ask::new(Method::Get, path).no_key().send(&api);
        assert_eq!(reply.error().0, 401);
    }
    // 11.1-16
    for path in ["/api/v1/namespaces", "/api/v1/namespaces/"] {
        let reply = api.get(path);
        assert_eq!((reply.status, reply.body.as_str()), (200, "[\"guest\"]"));
        assert_eq!(reply.header("Access-Control-Allow-Origin"), Some("*"));
    }
    // 11.1-17, 11.1-26, 11.2-40, 11.8-207
    let id = "0".repeat(32);
    let activation = format!("/api/v1/namespaces/_/activations/{id}");
    for path in [
        "/api/v1/namespaces",
        "/api/v1/namespaces/_/limits",
        "/api/v1/namespaces/_/actions",
        "/api/v1/namespaces/_/packages",
        "/api/v1/namespaces/_/triggers",
        "/api/v1/namespaces/_/rules",
        "/api/v1/namespaces/_/activations",
        &activation,
    ] {
        for method in [Method::Put, Method::Post, Method::Delete, Method::Head] {
            let reply = Ask::new(method, path).send(&api);
            reply.refused(405, "HTTP method not allowed, supported methods: GET");
            assert_eq!(reply.header("Allow"), Some("GET"));
        }
    }
    let reply = Ask::new(Method::Head, &action("a")).send(&api);
    assert_eq!(reply.status, 405);
    for method in [Method::Get, Method::Put, Method::Post, Method::Delete] {
        let reply = Ask::new(method, "/api/v1/namespaces/_").send(&api);
        assert_eq!(reply.status, 404);
    }
}

#[test]
fn options() {
    let api = Api::new();
    let ask = |path| Ask::new(Method::Options, path).no_key().send(&api);
    // 11.1-15
    let reply = ask("/api/v1/namespaces/_/actions");
    assert_eq!((reply.status, reply.body.as_str()), (200, "OK"));
    assert_eq!(reply.header("Access-Control-Allow-Origin"), Some("*"));
    assert_eq!(
        reply.header("Access-Control-Allow-Methods"),
        Some("GET, DELETE, POST, PUT, HEAD")
    );
    assert_eq!(
        reply.header("Access-Control-Allow-Headers"),
        Some("Authorization, Origin, X-Requested-With, Content-Type, Accept, User-Agent")
    );
    assert_eq!(
        ask("/anything").header("Access-Control-Allow-Methods"),
        Some("OPTIONS, GET, POST")
    );
}

#[test]
fn names() {
    let api = Api::new();
    let long = "n".repeat(257);
    // 11.1-18
    api.get(&format!("/api/v1/namespaces/{long}/actions"))
        .refused(400, "Namespace longer than allowed: 257 > 256.");
    api.get("/api/v1/namespaces/a%23b/actions")
        .refused(400, "The namespace contains illegal characters.");
    // 11.1-19
    for name in [&long, &format!("pkg/{long}"), &format!("{long}/a")] {
        let text = "Name segement longer than allowed: 257 > 256.";
        api.get(&action(name)).refused(400, text);
    }
    // 11.1-20
    let illegal = "The name of the entity contains illegal characters.";
    for name in [
        "a%23b",
        "a%2Fb",
        "%C3%A9",
        "a%20",
        "a#b%23".trim_start_matches("a#"),
    ] {
        api.get(&action(name)).refused(400, illegal);
    }
    // 11.1-21, 11.1-22
    for name in ["action%20with%20spaces", "TWICE", "twice"] {
        api.create(name);
    }
    assert_eq!(
        api.get(&action("action%20with%20spaces")).value()["name"],
        "action with spaces"
    );
    assert_eq!(api.get(&action("TWICE")).value()["name"], "TWICE");
    api.package("package%20with%20spaces", json!({}));
    api.create("package%20with%20spaces/action%20with%20spaces");
    let read = api.get(&action("package%20with%20spaces/action%20with%20spaces"));
    assert_eq!(read.value()["namespace"], "guest/package with spaces");
}

#[test]
fn limits() {
    let api = Api::with(Settings::default());
    // 11.1-24
    for path in [
        "/api/v1/namespaces/_/limits",
        "/api/v1/namespaces/guest/limits/",
    ] {
        assert_eq!(
            api.get(path).value(),
            json!({"invocationsPerMinute": 60, "concurrentInvocations": 30, "firesPerMinute": 60,
                "minActionMemory": 128, "maxActionMemory": 512, "minActionLogs": 0,
                "maxActionLogs": 10, "minActionTimeout": 100, "maxActionTimeout": 300_000,
                "minActionConcurrency": 1, "maxActionConcurrency": 1,
                "maxParameterSize": "1048576 B", "maxActionInstances": 30})
        );
    }
    api.get("/api/v1/namespaces/_/limits/x").refused(
        400,
        "Inner entity level routes for limits are not yet implemented.",
    );
    api.get("/api/v1/namespaces/other/limits").refused(
        403,
        "The supplied authentication is not authorized to access 'other'.",
    );
    // 11.1-25
    let mut settings = Settings::with_rates(rates(5, 6, 7));
    settings.allowed_kinds = Some(vec!["quickjs:1".into()]);
    let limits = Api::with(settings)
        .get("/api/v1/namespaces/_/limits")
        .value();
    assert_eq!(limits["invocationsPerMinute"], 5);
    assert_eq!(limits["concurrentInvocations"], 6);
    assert_eq!(limits["maxActionInstances"], 6);
    assert_eq!(limits["allowedKinds"], json!(["quickjs:1"]));
}

#[test]
fn negotiation() {
    let api = Api::new();
    let with = |accept| {
        let ask = Ask::new(Method::Get, "/api/v1/namespaces");
        ask.header("Accept", accept).send(&api)
    };
    assert_eq!(with("application/json").status, 200);
    assert_eq!(with("text/html, */*;q=0.8").status, 200);
    with("text/plain").refused(
        406,
        "Resource representation is only available with these types:\napplication/json",
    );
}
