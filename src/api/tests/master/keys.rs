//! Who may call where a master decides about keys.

use std::sync::atomic::AtomicBool;

use super::*;
use crate::api::tests::invoke::finish;
use crate::entity::{NamespaceLimits, Status};

const UUID: &str = "11111111-0f0c-4b55-9b0e-8d6c32a38d6c";

/// What needs a key and nothing else of the master.
const LIMITS: &str = "/api/v1/namespaces/_/limits";

const INVALID: &str = "The supplied authentication is invalid";

fn key() -> String {
    "a".repeat(64)
}

fn ask() -> Ask {
    Ask::new(Method::Get, LIMITS).key(UUID, &key())
}

fn authorization(uuid: &str, key: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{uuid}:{key}")))
}

/// A master that knows one key of the namespace `plant`.
fn knows_one(seen: &Seen) -> Play {
    assert_eq!(seen.line, "GET /api/v1/namespaces");
    match seen.headers["authorization"] == authorization(UUID, &key()) {
        true => answer(200, json!(["plant"])),
        false => answer(401, json!({"error": "no", "code": "x"})),
    }
}

#[test]
fn a_key_of_the_master_opens_and_no_other() {
    let (api, master) = with_master(knows_one);
    assert_eq!(ask().send(&api).status, 200);
    let question = master.only();
    assert_eq!(question.headers["x-owl-via"], OWN_ID);
    assert_eq!(question.body, "");
    // From now on it is known.
    assert_eq!(ask().send(&api).status, 200);
    assert!(master.lines().is_empty());
    // One that was made here is none.
    api.other_namespace();
    let other = || Ask::new(Method::Get, LIMITS).other();
    other().send(&api).refused(401, INVALID);
    assert_eq!(master.lines().len(), 1);
    other().send(&api).refused(401, INVALID);
    assert!(master.lines().is_empty(), "a refusal is remembered");
}

#[test]
fn the_guest_is_the_masters_too() {
    let (api, _) = with_master(knows_one);
    // Its key was accepted, and counts on this machine only.
    let guest = || Ask::new(Method::Get, LIMITS);
    assert_eq!(guest().send(&api).status, 200);
    let remote = guest().peer("192.0.2.1:1");
    remote.send(&api).refused(401, INVALID);
    smol::block_on(api.store.forget_key(GUEST_UUID)).unwrap();
    guest().send(&api).refused(401, INVALID);
}

#[test]
fn what_is_no_key_is_not_asked_about() {
    let (api, master) = with_master(knows_one);
    ask().key(UUID, "short").send(&api).refused(401, INVALID);
    ask().no_key().send(&api).refused(
        401,
        "The resource requires authentication, which was not supplied with the request",
    );
    assert!(master.lines().is_empty());
}

#[test]
fn nobody_can_say_whose_key_it_is() {
    let (api, _) = with_master(|_| Play::Unreachable);
    let (status, text) = ask().send(&api).error();
    assert_eq!(status, 503);
    let says = format!("the key cannot be checked: the master {URL}: ");
    assert!(text.starts_with(&says), "{text}");
    // That it is not known takes away nothing from those that are.
    assert_eq!(api.get(LIMITS).status, 200);
}

#[test]
fn a_known_key_outlives_the_master() {
    let gone = Arc::new(AtomicBool::new(false));
    let (api, _) = with_master({
        let gone = gone.clone();
        move |seen| match gone.load(Ordering::Relaxed) {
            true => Play::Unreachable,
            false => knows_one(seen),
        }
    });
    assert_eq!(ask().send(&api).status, 200);
    gone.store(true, Ordering::Relaxed);
    let stranger = ask().key(OTHER_UUID, &key()).send(&api);
    assert_eq!(stranger.status, 503);
    assert_eq!(ask().send(&api).status, 200);
    let wrong = ask().key(UUID, &"b".repeat(64));
    wrong.send(&api).refused(401, INVALID);
}

#[test]
fn limits_and_blocks_are_set_here() {
    let (api, _) = with_master(knows_one);
    let made_here = Secret::new("b".repeat(64));
    let store = &api.store;
    smol::block_on(store.put_key("plant", "made-here", &made_here)).unwrap();
    let limits = NamespaceLimits {
        fires_per_minute: Some(7),
        ..NamespaceLimits::default()
    };
    smol::block_on(store.set_limits("plant", &limits)).unwrap();
    assert_eq!(ask().send(&api).value()["firesPerMinute"], 7);
    smol::block_on(store.block_key("plant", true)).unwrap();
    ask().send(&api).refused(401, INVALID);
}

#[test]
fn web_actions_that_take_a_key() {
    let body = json!({
        "exec": exec("1"),
        "annotations": [
            {"key": "web-export", "value": true},
            {"key": "require-whisk-auth", "value": true},
        ],
    });
    let there = Api::new().put(&action("keyed"), body).value();
    let (api, _) = with_master(move |seen| match seen.line.contains("/actions/keyed") {
        true => answer(200, there.clone()),
        false => answer(500, json!({})),
    });
    finish(&api, Status::Success, Some("{}"));
    let other = Secret::new("k".repeat(64));
    let learned = api
        .store
        .learn_key("other", OTHER_UUID, &other, clock::now());
    smol::block_on(learned).unwrap();

    let ask = || Ask::new(Method::Get, "/api/v1/web/guest/default/keyed").no_key();
    assert_eq!(ask().other().send(&api).status, 204);
    for wrong in [ask(), ask().key(OTHER_UUID, &key())] {
        assert_eq!(wrong.send(&api).status, 401);
    }
    let unknown = ask().key(UUID, &key()).send(&api);
    assert_eq!(unknown.status, 503);
    assert!(
        unknown.body.contains("cannot be checked"),
        "{}",
        unknown.body
    );
}

/// Whether the guest's key comes to open nothing after a request.
fn forgets(api: &Api) -> bool {
    (0..1000).any(|_| {
        smol::block_on(api.executor.run(smol::future::yield_now()));
        let status = api.get(LIMITS).status;
        assert!(status == 200 || status == 401);
        status == 401
    })
}

#[test]
fn a_refusal_of_a_request_is_looked_into() {
    let portal = || Play::Answer(401, vec![], "<html>who are you?</html>".into());
    let refused = || answer(401, json!({"error": "no", "code": "x"}));
    let requests: [fn(&Api) -> Reply; 3] = [
        |api| api.put(&action("a"), json!({"exec": exec("1")})),
        |api| api.get(&action("a")),
        |api| api.get("/api/v1/namespaces/_/packages"),
    ];
    for request in requests {
        let (api, master) = with_master(move |_| refused());
        assert_eq!(request(&api).status, 401);
        assert!(forgets(&api), "{:?}", master.lines());
        // What comes from something on the way changes nothing.
        let (api, master) = with_master(move |_| portal());
        request(&api);
        let is_question = |line: &String| line == "GET /api/v1/namespaces";
        assert!(!forgets(&api), "{:?}", master.lines());
        assert!(
            master
                .lines()
                .iter()
                .filter(|line| is_question(line))
                .count()
                <= 1
        );
    }
}
