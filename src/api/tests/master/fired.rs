//! Triggers that are fired while there is a master.

use futures_lite::future::poll_once;

use super::*;
use crate::entity::GUEST_UUID;
use crate::master::journal::Replayer;
use crate::master::whose;
use crate::store::ActivationFilter;

/// The master's document of the trigger `t` with a rule to an action. Those whose names begin with
/// `cloud` do not run here.
fn document(action: &str, priority: i64) -> Value {
    json!({"namespace": "guest", "name": "t", "parameters": [], "limits": {}, "version": "0.0.2",
        "publish": false, "annotations": [{"key": "owl-priority", "value": priority}],
        "rules": {"guest/r": {"action": {"path": "guest", "name": action}, "status": "active"}},
        "updated": 5})
}

const MISSING_THERE: &str = "The requested resource does not exist.";

/// Answers questions about entities as a master that has the trigger alone.
fn entities(seen: &Seen, trigger: Value) -> Play {
    match seen.line.as_str() {
        "GET /api/v1/namespaces/guest/triggers/t" => answer(200, trigger),
        _ => answer(404, json!({"error": MISSING_THERE, "code": "c"})),
    }
}

fn is_fire(seen: &Seen) -> bool {
    seen.line.starts_with("POST ")
}

/// The requests to fire since the master was asked last.
fn fired(master: &Scripted) -> Vec<Seen> {
    let seen = std::mem::take(&mut *lock(&master.seen));
    seen.into_iter().filter(is_fire).collect()
}

/// An answer to a trigger that was fired under an id.
fn accepted(id: &str) -> Play {
    let headers = vec![("x-from", "there".into())];
    Play::Answer(202, headers, json!({"activationId": id}).to_string())
}

const THERE: &str = "abababababababababababababababab";

/// The fired triggers of a server's store, as they are after a restart, with the same master.
fn restarted(api: &Api, master: &Arc<Scripted>) -> Fires {
    restarted_at(api, master, URL)
}

/// The same with the master at another URL.
fn restarted_at(api: &Api, master: &Arc<Scripted>, url: &str) -> Fires {
    whose::settle(&api.store, url).unwrap();
    Fires::open(rooms(api, master, url), FIRES).unwrap()
}

fn rooms(api: &Api, master: &Arc<Scripted>, url: &str) -> fires::Rooms {
    let before = api.server.state().master().unwrap();
    fires::Rooms {
        store: api.store.clone(),
        upstream: Upstream::new(url, master.clone()),
        executor: api.executor.clone(),
        keys: before.keys.clone(),
        journal: before.journal.clone(),
    }
}

fn deliver(api: &Api, fires: &Fires) {
    let delivered = smol::block_on(api.executor.run(fires.deliver_waiting()));
    delivered.unwrap();
}

/// The id of a trigger that was stored.
#[track_caller]
fn stored(reply: &Reply) -> String {
    assert_eq!(reply.status, 202, "{}", reply.body);
    assert!(reply.header("X-Owl-Offline").is_some());
    let id = reply.value()["activationId"].as_str().unwrap().to_owned();
    assert_eq!(reply.header("x-openwhisk-activation-id"), Some(&*id));
    id
}

fn record(api: &Api, id: &str) -> Value {
    let reply = api.get(&format!("/api/v1/namespaces/_/activations/{id}"));
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply.value()
}

#[test]
fn one_whose_actions_all_run_here_runs_here() {
    let (api, master) = with_master(|seen| entities(seen, document("a", 0)));
    let reply = api.post(&trigger("t"), json!({"n": 1}));
    assert_eq!((reply.status, reply.header("X-Owl-Offline")), (202, None));
    assert!(fired(&master).is_empty());
    let fires = lock(&api.script.fires);
    assert_eq!((fires.len(), fires[0].id), (1, None));
}

#[test]
fn another_is_the_masters() {
    let (api, master) = with_master(|seen| match is_fire(seen) {
        true => accepted(THERE),
        false => entities(seen, document("cloud", 0)),
    });
    let reply = Ask::new(Method::Post, &trigger("t"))
        .header("X-Own", "1")
        .header("X-Owl-Via", "other")
        .json(json!({"n": 1}))
        .send(&api);
    assert_eq!((reply.status, reply.header("x-from")), (202, Some("there")));
    assert_eq!(reply.value(), json!({"activationId": THERE}));
    let fired = fired(&master);
    assert_eq!(fired.len(), 1);
    assert_eq!(fired[0].line, "POST /api/v1/namespaces/guest/triggers/t");
    assert_eq!(fired[0].body, r#"{"n":1}"#);
    let headers = &fired[0].headers;
    assert_eq!(headers["x-own"], "1");
    assert_eq!(headers["x-owl-via"], format!("other, {OWN_ID}"));
    let id = headers["x-owl-activation-id"].to_str().unwrap();
    assert!(id.parse::<ActivationId>().is_ok());
    assert!(lock(&api.script.fires).is_empty());
    assert_eq!(api.server.state().master().unwrap().fires.waiting(), 0);
}

#[test]
fn refusals_are_passed_on() {
    for status in [404, 413, 429, 501] {
        let (api, _) = with_master(move |seen| match is_fire(seen) {
            true => answer(status, json!({"error": "no", "code": "c"})),
            false => entities(seen, document("cloud", 0)),
        });
        let reply = api.post(&trigger("t"), json!({}));
        assert_eq!(reply.status, status, "{}", reply.body);
        assert_eq!(api.server.state().master().unwrap().fires.waiting(), 0);
    }
    let (api, master) = with_master(|seen| entities(seen, document("cloud", 0)));
    api.post(&trigger("none"), json!({}))
        .refused(404, MISSING_THERE);
    assert!(fired(&master).is_empty());
}

#[test]
fn one_without_an_answer_is_delivered_later_under_its_id() {
    let tries = AtomicUsize::new(0);
    let (api, master) = with_master(move |seen| match is_fire(seen) {
        true if tries.fetch_add(1, Ordering::Relaxed) == 0 => Play::NoAnswer,
        true => accepted(THERE),
        false => entities(seen, document("cloud", 0)),
    });
    let reply = Ask::new(Method::Post, &trigger("t"))
        .header("X-Own", "1")
        .json(json!({"n": 1}))
        .send(&api);
    let id = stored(&reply);
    let waiting = record(&api, &id);
    assert_eq!(waiting["name"], "t");
    assert_eq!(waiting["version"], "0.0.2");
    assert_eq!(waiting["response"]["result"], json!({"n": 1}));
    assert_eq!(waiting["annotations"][0]["value"]["url"], URL);
    assert_eq!(waiting["logs"], json!([]));
    let info = api.get("/").value();
    assert_eq!(info["master"]["fires"], json!({"waiting": 1}));
    // Another one waits behind it, though the master would answer.
    let second = stored(&api.post(&trigger("t"), json!({"n": 2})));
    assert_eq!(fired(&master).len(), 1);

    let fires = restarted(&api, &master);
    assert_eq!(fires.waiting(), 2);
    deliver(&api, &fires);
    assert_eq!(fires.waiting(), 0);
    let fired = fired(&master);
    let bodies: Vec<&str> = fired.iter().map(|seen| &*seen.body).collect();
    assert_eq!(bodies, [r#"{"n":1}"#, r#"{"n":2}"#]);
    let ids = fired
        .iter()
        .map(|seen| &seen.headers["x-owl-activation-id"]);
    assert!(ids.eq([&id, &second]));
    assert_eq!(fired[0].headers["x-own"], "1");
    assert!(fired[0].headers.contains_key("authorization"));
    let delivered = record(&api, &id);
    let tier = &delivered["annotations"][0]["value"];
    assert_eq!(tier["activationId"], THERE);
    let entry: Value = serde_json::from_str(delivered["logs"][0].as_str().unwrap()).unwrap();
    let expected = json!({"master": URL, "statusCode": 0, "success": true, "activationId": THERE});
    assert_eq!(entry, expected);
    assert_eq!(restarted(&api, &master).waiting(), 0);
}

#[test]
fn one_that_nobody_here_knows_is_kept_while_the_master_is_away() {
    let answers = Arc::new(AtomicBool::new(false));
    let is_there = answers.clone();
    let (api, master) = with_master(move |_| match is_there.load(Ordering::Relaxed) {
        true => answer(404, json!({"error": "no such thing", "code": "c"})),
        false => Play::Unreachable,
    });
    let id = stored(&api.post(&trigger("t"), json!({})));
    assert!(fired(&master).is_empty());
    answers.store(true, Ordering::Relaxed);
    let fires = restarted(&api, &master);
    deliver(&api, &fires);
    assert_eq!((fires.waiting(), fired(&master).len()), (0, 1));
    let refused = record(&api, &id);
    assert_eq!(refused["response"]["status"], "application error");
    let error = refused["response"]["result"]["error"].as_str().unwrap();
    assert_eq!(error, "the master answered 404 Not Found: no such thing");
    let text = api.get("/metrics").body;
    assert!(text.contains("owl_fires_total{end=\"stored\"} 1"), "{text}");
    assert_eq!(fires.figures().counts.refused, 1);
}

#[test]
fn trouble_there_loses_nothing() {
    let status = Arc::new(AtomicUsize::new(500));
    let now = status.clone();
    let (api, master) = with_master(move |seen| match is_fire(seen) {
        true => match now.load(Ordering::Relaxed) {
            202 => accepted(THERE),
            status => answer(status as u16, json!({"error": "trouble", "code": "c"})),
        },
        false => entities(seen, document("cloud", 0)),
    });
    stored(&api.post(&trigger("t"), json!({})));
    for trouble in [500, 503, 429] {
        status.store(trouble, Ordering::Relaxed);
        let fires = restarted(&api, &master);
        deliver(&api, &fires);
        assert_eq!((fires.waiting(), fired(&master).is_empty()), (1, false));
    }
    status.store(202, Ordering::Relaxed);
    let fires = restarted(&api, &master);
    deliver(&api, &fires);
    assert_eq!(fires.waiting(), 0);
}

#[test]
fn without_room_the_oldest_of_the_lowest_priority_go() {
    let (api, master) = with_master(|_| Play::Unreachable);
    let large = |name: &str| {
        let reply = api.post(&trigger(name), json!({"text": "x".repeat(400 << 10)}));
        stored(&reply)
    };
    let [first, second, third] = ["a", "b", "a"].map(large);
    let fires = restarted(&api, &master);
    assert_eq!(fires.waiting(), 2);
    assert_eq!(fires.figures().counts.displaced, 1);
    let gone = record(&api, &first);
    assert_eq!(gone["response"]["status"], "whisk internal error");
    let error = gone["response"]["result"]["error"].as_str().unwrap();
    assert!(error.contains("OWL_FIRES_SIZE"), "{error}");
    for id in [second, third] {
        assert_eq!(record(&api, &id)["response"]["success"], true);
    }
    let text = api.get("/metrics").body;
    for line in [
        "owl_fires_waiting 2",
        "owl_fires_total{end=\"displaced\"} 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
}

#[test]
fn what_has_waited_too_long_is_given_up() {
    let (api, master) = with_master(|seen| match is_fire(seen) {
        true => Play::NoAnswer,
        false => entities(seen, document("cloud", 0)),
    });
    let id = stored(&api.post(&trigger("t"), json!({})));
    let rooms = rooms(&api, &master, URL);
    let at_once = fires::Limits {
        age: Duration::ZERO,
        ..FIRES
    };
    later();
    fired(&master);
    let fires = Fires::open(rooms, at_once).unwrap();
    deliver(&api, &fires);
    assert_eq!((fires.waiting(), fires.figures().counts.expired), (0, 1));
    assert!(fired(&master).is_empty());
    let error = record(&api, &id)["response"]["result"]["error"].to_string();
    assert!(error.contains("OWL_FIRES_AGE"), "{error}");
}

#[test]
fn ids_that_are_given() {
    let (api, master) = with_master(|_| Play::Unreachable);
    let fire = |name: &str, id: &str| {
        let ask = Ask::new(Method::Post, &trigger(name)).header("X-Owl-Activation-Id", id);
        ask.json(json!({})).send(&api)
    };
    for wrong in ["", "1", &THERE.to_uppercase(), &format!("{THERE},{THERE}")] {
        let (status, error) = fire("t", wrong).error();
        assert_eq!(status, 400, "{wrong}");
        assert!(error.contains("x-owl-activation-id"), "{error}");
    }
    assert_eq!(stored(&fire("t", THERE)), THERE);
    // Sent once more, it waits once.
    assert_eq!(fire("t", THERE).status, 202);
    assert_eq!(restarted(&api, &master).waiting(), 1);
    // Of another trigger, and of another namespace.
    assert_eq!(fire("u", THERE).error().0, 409);
    let key = Secret::new("k".repeat(64));
    let learned = api.store.learn_key("other", OTHER_UUID, &key, clock::now());
    smol::block_on(learned).unwrap();
    let ask = Ask::new(Method::Post, &trigger("t")).header("X-Owl-Activation-Id", THERE);
    assert_eq!(ask.other().json(json!({})).send(&api).error().0, 409);
    let filter = ActivationFilter::default();
    assert_eq!(api.store.count_activations("other", &filter).unwrap(), 0);
    assert_eq!(record(&api, THERE)["name"], "t");
}

/// Where another master is.
const ELSEWHERE: &str = "http://elsewhere";

/// A master that takes fired triggers, once the switch says that it is there.
fn with_master_away() -> (Api, Arc<Scripted>, Arc<AtomicBool>) {
    let is_there = Arc::new(AtomicBool::new(false));
    let answers = is_there.clone();
    let (api, master) = with_master(move |seen| match answers.load(Ordering::Relaxed) {
        true if is_fire(seen) => accepted(THERE),
        _ => Play::Unreachable,
    });
    (api, master, is_there)
}

/// A record as the store has it, whoever the master is.
fn kept_record(api: &Api, id: &str) -> Value {
    let kept = api.store.activation("guest", id.parse().unwrap());
    let (head, tail) = kept.unwrap().unwrap();
    serde_json::from_slice(&crate::entity::record(&head, &tail).unwrap()).unwrap()
}

/// What decides about the fired triggers of a server's store, as `owl sync` does.
fn book(api: &Api) -> fires::Book {
    fires::Book::new(api.store.clone())
}

#[test]
fn what_is_for_one_master_is_not_sent_to_another() {
    let (api, master, is_there) = with_master_away();
    whose::settle(&api.store, URL).unwrap();
    let id = stored(&api.post(&trigger("t"), json!({"n": 1})));
    is_there.store(true, Ordering::Relaxed);

    let fires = restarted_at(&api, &master, ELSEWHERE);
    assert_eq!((fires.waiting(), fires.elsewhere()), (0, 1));
    deliver(&api, &fires);
    assert!(fired(&master).is_empty());
    assert_eq!(
        kept_record(&api, &id)["annotations"][0]["value"]["url"],
        URL
    );

    // When theirs is set again, it comes through.
    let fires = restarted(&api, &master);
    assert_eq!((fires.waiting(), fires.elsewhere()), (1, 0));
    deliver(&api, &fires);
    assert_eq!((fires.waiting(), fired(&master).len()), (0, 1));
    let entry = kept_record(&api, &id)["logs"][0]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(entry.contains(URL) && entry.contains(THERE), "{entry}");
}

#[test]
fn what_is_for_another_master_goes_to_this_one_if_somebody_says_so() {
    let (api, master, is_there) = with_master_away();
    whose::settle(&api.store, URL).unwrap();
    let ids: Vec<String> = (0..50)
        .map(|n| stored(&api.post(&trigger("t"), json!({"n": n}))))
        .collect();
    let other = stored(&api.post(&trigger("u"), json!({})));
    is_there.store(true, Ordering::Relaxed);
    let fires = restarted_at(&api, &master, ELSEWHERE);
    let book = book(&api);
    let retry = |name| fires::retry(&book, name).unwrap();
    let retried = |here, without_key| fires::Retried { here, without_key };
    assert_eq!(retry("guest/none"), retried(0, 0));
    // Nobody has shown the key to the master that is set now.
    assert_eq!(retry("guest/t"), retried(0, 50));
    let key = Secret::new("k".repeat(64));
    let learned = api.store.learn_key("guest", GUEST_UUID, &key, clock::now());
    smol::block_on(learned).unwrap();
    assert_eq!(retry("guest/t"), retried(50, 0));
    assert_eq!(retry("guest/t"), retried(0, 0));
    // A daemon that runs finds out, and delivers them in their order.
    deliver(&api, &fires);
    assert_eq!((fires.waiting(), fires.elsewhere()), (0, 1));
    let sent = fired(&master);
    let sent = sent
        .iter()
        .map(|seen| seen.headers["x-owl-activation-id"].to_str().unwrap());
    assert!(sent.eq(&ids));
    let tier = &kept_record(&api, &ids[0])["annotations"][0]["value"];
    assert_eq!(tier["url"], ELSEWHERE);

    assert_eq!(fires::discard(&book, "guest/u").unwrap(), 1);
    deliver(&api, &fires);
    assert_eq!((fires.elsewhere(), fires.figures().bytes), (0, 0));
    assert_eq!(fires.figures().counts.dropped, 1);
    assert!(fired(&master).is_empty());
    let gone = kept_record(&api, &other);
    let error = gone["response"]["result"]["error"].as_str().unwrap();
    assert!(error.contains("owl sync drop"), "{error}");
    assert_eq!(gone["annotations"][0]["value"]["url"], URL);
}

#[test]
fn what_is_given_up_while_the_daemon_runs_is_not_sent_and_leaves_its_room() {
    let (api, master, is_there) = with_master_away();
    let large = json!({"text": "x".repeat(400 << 10)});
    for name in ["a", "b"] {
        stored(&api.post(&trigger(name), large.clone()));
    }
    let book = book(&api);
    assert_eq!(fires::discard(&book, "guest/a").unwrap(), 1);
    assert_eq!(fires::discard(&book, "guest/a").unwrap(), 0);
    // There is room for one more: nothing has to go for it.
    stored(&api.post(&trigger("c"), large));
    let fires = &api.server.state().master().unwrap().fires;
    assert_eq!((fires.waiting(), fires.figures().counts.displaced), (2, 0));
    is_there.store(true, Ordering::Relaxed);
    let fires = restarted(&api, &master);
    deliver(&api, &fires);
    let sent = fired(&master);
    let targets = sent
        .iter()
        .map(|seen| seen.line.rsplit('/').next().unwrap());
    assert!(targets.eq(["b", "c"]));
    assert_eq!(fires.figures().counts.dropped, 1);
}

#[test]
fn what_waits_for_a_change_is_delivered_as_soon_as_the_master_has_that() {
    let there = Arc::new(AtomicBool::new(false));
    let answers = there.clone();
    let made = json!({"namespace": "guest", "name": "u", "version": "0.0.1", "publish": false,
        "parameters": [], "limits": {}, "annotations": [], "updated": 5});
    let (api, master) = with_master(move |seen| match answers.load(Ordering::Relaxed) {
        false => Play::Unreachable,
        true if is_fire(seen) => accepted(THERE),
        true if seen.line.starts_with("PUT ") => answer(200, made.clone()),
        true => answer(404, json!({"error": MISSING_THERE, "code": "c"})),
    });
    assert_eq!(api.put(&trigger("u"), json!({})).status, 200);
    stored(&api.post(&trigger("t"), json!({})));
    there.store(true, Ordering::Relaxed);

    let rooms = rooms(&api, &master, URL);
    let (journal, upstream) = (rooms.journal.clone(), rooms.upstream.clone());
    let credentials = Arc::new(rooms.keys.clone());
    let fires = Fires::open(rooms, FIRES).unwrap();
    // However often it has come in vain before.
    for _ in 0..3 {
        deliver(&api, &fires);
    }
    assert!(fired(&master).is_empty());
    let mut settled = journal.listen_settled();
    let mut replayer = Replayer::new(journal.clone(), upstream, Via::new(OWN_ID), credentials);
    let replayed = smol::block_on(api.executor.run(replayer.replay_first()));
    assert!(replayed.unwrap() && journal.waiting() == 0);
    assert!(smol::block_on(poll_once(&mut settled)).is_some());
    deliver(&api, &fires);
    assert_eq!((fires.waiting(), fired(&master).len()), (0, 1));
}
