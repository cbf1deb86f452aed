//! Changes: the master's answer is the client's, and what the copy becomes.

use std::ops::ControlFlow;

use super::*;
use crate::store::NoteKind;

/// A master that takes every change, as another server does.
fn willing() -> (Api, Arc<Scripted>) {
    let there = Mutex::new(Api::new());
    with_master(move |seen| {
        let (method, target) = seen.line.split_once(' ').unwrap();
        let ask = Ask::new(method.parse().unwrap(), target);
        let ask = match seen.body.is_empty() {
            true => ask,
            false => ask.body("application/json", seen.body.clone()),
        };
        let reply = ask.send(&lock(&there));
        let headers = vec![
            ("content-type", "application/json".into()),
            ("x-there", "1".into()),
        ];
        Play::Answer(reply.status, headers, reply.body)
    })
}

#[test]
fn goes_to_the_master_as_it_is() {
    let (api, master) = willing();
    let path = format!("{}?overwrite=true", action("a"));
    let made = api.put(&path, json!({"exec": exec("1")}));
    assert_eq!((made.status, made.header("X-There")), (200, Some("1")));
    assert_eq!(made.header("X-Request-ID"), None);
    let seen = master.only();
    assert_eq!(seen.line, format!("PUT {path}"));
    assert_eq!(seen.body, json!({"exec": exec("1")}).to_string());
    assert_eq!(seen.headers["content-type"], "application/json");
    assert_eq!(seen.headers["x-owl-via"], OWN_ID);
    // The copy is what it said.
    let catalog = Catalog::new(api.store.clone());
    let (copy, code) = catalog.action_with_code("guest/a").unwrap();
    let copy: Value = serde_json::from_slice(&copy.full(code.as_deref())).unwrap();
    assert_eq!(copy, made.value());
    assert_eq!(
        api.put(&action("a"), json!({"exec": exec("2")})).status,
        409
    );
    assert_eq!(catalog.action("guest/a").unwrap().version, "0.0.1");
    assert_eq!(api.delete(&action("a")).status, 200);
    assert!(catalog.action("guest/a").is_err());
}

#[test]
fn names_that_nothing_can_have_are_refused_here() {
    let (api, master) = willing();
    let reply = api.put(
        "/api/v1/namespaces/_/actions/%20",
        json!({"exec": exec("1")}),
    );
    assert_eq!(reply.status, 400);
    assert_eq!(master.lines(), [""; 0]);
}

#[test]
fn too_large_bodies_are_not_sent() {
    let (api, master) = willing();
    let body = vec![b' '; (50 << 20) + 1];
    let put = Ask::new(Method::Put, &action("a")).body("application/json", body);
    assert_eq!(put.send(&api).status, 413);
    assert_eq!(master.lines(), [""; 0]);
}

/// How many notes the journal has.
fn journaled(api: &Api) -> usize {
    let mut notes = 0;
    let visit = &mut |_, _: &[u8]| {
        notes += 1;
        ControlFlow::Continue(())
    };
    let visited = api.store.visit_notes(NoteKind::Journal, &[], None, visit);
    visited.unwrap();
    notes
}

#[test]
fn without_the_master_it_is_made_here_from_the_same_body() {
    let (api, master) = with_master(|_| Play::Unreachable);
    let made = api.put(&action("a"), json!({"exec": exec("1")}));
    assert_eq!(
        (made.status, made.header("X-Owl-Offline")),
        (200, Some("0"))
    );
    assert!(made.header("X-Request-ID").is_some());
    assert_eq!(made.value()["exec"]["code"], "1");
    let kept = journaled(&api);
    assert!(kept > 0);
    // What is refused is not kept for the master.
    let again = api.put(&action("a"), json!({"exec": exec("2")}));
    assert_eq!(
        (again.status, again.header("X-Owl-Offline")),
        (409, Some("0"))
    );
    let text = Ask::new(Method::Put, &action("b")).body("text/plain", "{}");
    assert_eq!(text.send(&api).status, 415);
    assert_eq!(journaled(&api), kept);
    assert_eq!(master.lines().len(), 1);
}

#[test]
fn what_is_refused_here_may_have_been_made_there() {
    // In a package that is not copied here.
    let put = |api: &Api| api.put(&action("p/a"), json!({"exec": exec("1")}));
    let (api, _) = with_master(|seen| match seen.line.starts_with("PUT") {
        true => Play::NoAnswer,
        false => Play::Unreachable,
    });
    let (status, text) = put(&api).error();
    assert!(status == 502 && text.contains("may or may not"), "{text}");
    assert_eq!(journaled(&api), 0);
    let (api, _) = with_master(|_| Play::Unreachable);
    let (status, text) = put(&api).error();
    assert!(status == 503 && text.contains("guest/p"), "{text}");
}

#[test]
fn of_what_was_never_copied_nobody_says_that_it_is_not_there() {
    let (api, _) = with_master(|_| Play::Unreachable);
    let enable = |api: &Api, name: &str| {
        let path = format!("/api/v1/namespaces/_/rules/{name}");
        api.post(&path, json!({"status": "active"}))
    };
    // The first finds out that the master is out of reach, the others know.
    for reply in [
        api.delete(&action("a")),
        api.delete(&action("a")),
        api.delete(&action("p/a")),
        api.delete("/api/v1/namespaces/_/packages/p?force=true"),
        enable(&api, "r"),
    ] {
        assert!(reply.header("X-Owl-Offline").is_some());
        let (status, text) = reply.error();
        assert!(
            status == 503 && text.contains("no copy of guest/"),
            "{text}"
        );
    }
    // What is others' is refused, whatever is there, and what was deleted here is known to be gone.
    assert_eq!(api.delete("/api/v1/namespaces/other/actions/a").status, 403);
    let made = api.put(&action("b"), json!({"exec": exec("1")}));
    assert_eq!(made.status, 200);
    let there = journaled(&api);
    for status in [200, 404] {
        assert_eq!(api.delete(&action("b")).status, status);
    }
    assert!(journaled(&api) > there);
}
