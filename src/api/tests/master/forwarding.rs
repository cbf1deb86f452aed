//! What goes to the master, and what comes back.

use super::*;

#[test]
fn what_is_not_answered_here_goes_on_as_it_is() {
    let (api, master) = with_master(|_| {
        let headers = vec![("content-type", "text/x".into()), ("x-own", "1".into())];
        Play::Answer(418, headers, "tea".into())
    });
    let reply = Ask::new(Method::Put, "/api/v1/namespaces/_/apis/a%20b?x=%2F&y")
        .header("X-Mine", "2")
        .header("X-Request-ID", "mine")
        .body("text/y", "body")
        .send(&api);
    assert_eq!((reply.status, &*reply.body), (418, "tea"));
    assert_eq!(reply.header("Content-Type"), Some("text/x"));
    assert_eq!(reply.header("X-Own"), Some("1"));
    // Nothing is added to what the master says.
    assert_eq!(reply.header("X-Request-ID"), None);
    assert_eq!(reply.header("Access-Control-Allow-Origin"), None);
    let seen = master.only();
    assert_eq!(seen.line, "PUT /api/v1/namespaces/_/apis/a%20b?x=%2F&y");
    assert_eq!(seen.body, "body");
    for (name, value) in [
        ("x-mine", "2"),
        ("x-request-id", "mine"),
        ("content-type", "text/y"),
        ("x-owl-via", OWN_ID),
    ] {
        assert_eq!(seen.headers[name], value, "{name}");
    }
    assert!(
        seen.headers["authorization"]
            .to_str()
            .unwrap()
            .starts_with("Basic ")
    );
}

#[test]
fn without_an_answer() {
    let path = "/api/v1/namespaces/_/apis";
    let (api, _) = with_master(|_| Play::Unreachable);
    let reply = api.get(path);
    let (status, text) = reply.error();
    assert_eq!((status, reply.header("X-Owl-Offline")), (503, Some("0")));
    assert!(
        text.contains("master") && text.contains("connection refused"),
        "{text}"
    );
    let (api, _) = with_master(|_| Play::NoAnswer);
    let (status, text) = api.put(path, json!({})).error();
    assert_eq!(status, 502);
    assert!(
        text.ends_with("Whether it has done what was asked is not known."),
        "{text}"
    );
}

#[test]
fn lists_come_from_the_master_or_else_from_here() {
    let (api, master) = with_master(|_| answer(200, json!(["there"])));
    for path in ["actions", "packages", "triggers", "rules", "actions/p/"] {
        let path = format!("/api/v1/namespaces/_/{path}?limit=1");
        assert_eq!(api.get(&path).value(), json!(["there"]), "{path}");
        assert_eq!(master.only().line, format!("GET {path}"));
    }
    for play in [
        || Play::Unreachable,
        || Play::NoAnswer,
        || answer(503, json!({})),
    ] {
        let (api, _) = with_master(move |_| play());
        let reply = api.get("/api/v1/namespaces/_/actions");
        assert_eq!((reply.status, &*reply.body), (200, "[]"));
        assert_eq!(reply.header("X-Owl-Offline"), Some("0"));
    }
    // A refusal is an answer.
    let (api, _) = with_master(|_| answer(403, json!({"error": "no"})));
    let reply = api.get("/api/v1/namespaces/_/actions");
    assert_eq!((reply.status, reply.value()), (403, json!({"error": "no"})));
}

#[test]
fn requests_do_not_go_in_circles() {
    let (api, master) = with_master(|_| answer(200, json!({})));
    let ask = |via: &str, path: &str| {
        let path = format!("/api/v1/namespaces/_/{path}");
        Ask::new(Method::Get, &path)
            .header("X-Owl-Via", via)
            .send(&api)
    };
    assert_eq!(ask("a, b", "apis").status, 200);
    assert_eq!(
        master.only().headers["x-owl-via"],
        format!("a, b, {OWN_ID}")
    );
    let (status, text) = ask(&format!("a, {OWN_ID}"), "apis").error();
    assert_eq!(status, 508);
    assert!(text.contains("OWL_NEXT_OPENWHISK"), "{text}");
    // In whichever line it stands.
    let mut two = Ask::new(Method::Get, "/api/v1/namespaces/_/apis").header("X-Owl-Via", OWN_ID);
    two.request.append_header("X-Owl-Via", "a");
    assert_eq!(two.send(&api).error().0, 508);
    let mut two = Ask::new(Method::Get, "/api/v1/namespaces/_/apis").header("X-Owl-Via", "a");
    two.request.append_header("X-Owl-Via", "b, c");
    assert_eq!(two.send(&api).status, 200);
    let onward = format!("a, b, c, {OWN_ID}");
    assert_eq!(master.only().headers["x-owl-via"], onward);
    // What would be answered here waits for nothing that waits for it.
    assert_eq!(ask(OWN_ID, "limits").status, 508);
    let many = "1,2,3,4,5,6,7,8";
    assert_eq!(ask(many, "apis").status, 508);
    assert_eq!(ask(many, "limits").status, 200);
    assert_eq!(master.lines(), [""; 0]);
}
