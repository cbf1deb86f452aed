//! Web actions and APIs with a master.

use super::*;

/// Whether a request went to the master.
fn went_on(reply: &Reply) -> bool {
    reply.header("X-There").is_some()
}

fn there() -> (Api, Arc<Scripted>) {
    with_master(|seen| {
        assert!(
            !seen.line.starts_with("GET /api/v1/namespaces "),
            "{seen:?}"
        );
        Play::Answer(200, vec![("x-there", "1".into())], "there".into())
    })
}

#[test]
fn actions_of_namespaces_without_a_key_here() {
    let (api, master) = there();
    let path = "/api/v1/web/other/default/a.json/rest?x=1";
    let reply = Ask::new(Method::Post, path)
        .no_key()
        .body("text/x", "b")
        .send(&api);
    assert!(went_on(&reply));
    assert_eq!(reply.header("Access-Control-Allow-Origin"), None);
    let seen = master.only();
    assert_eq!(seen.line, format!("POST {path}"));
    assert_eq!(seen.body, "b");
    assert!(!seen.headers.contains_key("authorization"));
}

#[test]
fn apis_are_the_masters_to_manage() {
    let (api, _) = there();
    for path in [
        "/api/v1/web/whisk.system/apimgmt/getApi.http",
        "/api/guest/base/path",
        "/api/other",
    ] {
        assert!(went_on(&api.get(path)), "{path}");
    }
}

#[test]
fn without_an_answer() {
    let (api, _) = with_master(|_| Play::Unreachable);
    let reply = api.get("/api/v1/web/other/default/a");
    assert_eq!(reply.status, 503);
    assert!(reply.body.contains("master"), "{}", reply.body);
}
