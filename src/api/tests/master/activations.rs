//! Activations here and at the master.

use super::super::activations::{recent, store};
use super::*;

const LIST: &str = "/api/v1/namespaces/_/activations";

/// The summary of an activation at the master.
fn summary(number: u8, start: u64) -> Value {
    json!({"name": "there", "activationId": id(number), "start": start, "annotations": []})
}

fn id(number: u8) -> String {
    ActivationId::from_bytes([number; 16]).to_string()
}

/// A master that has these activations, whatever is asked for but `docs`, `skip` and `limit`.
fn master_with(rows: Vec<Value>) -> (Api, Arc<Scripted>) {
    with_master(move |seen| {
        let url = Url::parse(&format!(
            "http://m{}",
            seen.line.strip_prefix("GET ").unwrap()
        ));
        let url = url.unwrap();
        let query: std::collections::HashMap<_, _> = url.query_pairs().into_owned().collect();
        let number = |name: &str| query.get(name).map(|text| text.parse::<u64>().unwrap());
        if query.contains_key("count") {
            return answer(200, json!({"activations": rows.len()}));
        }
        let within = |row: &&Value| {
            let start = row["start"].as_u64().unwrap();
            number("since").is_none_or(|since| since <= start)
                && number("upto").is_none_or(|upto| start <= upto)
        };
        let rows = rows.iter().filter(within);
        let rows = rows.skip(number("skip").unwrap_or(0) as usize);
        let mut rows: Vec<Value> = rows
            .take(number("limit").unwrap() as usize)
            .cloned()
            .collect();
        if query.contains_key("docs") {
            for row in &mut rows {
                row["logs"] = json!(["there"]);
            }
        }
        answer(200, json!(rows))
    })
}

/// The ids of a list.
fn ids(reply: &Reply) -> Vec<String> {
    assert_eq!(reply.status, 200, "{}", reply.body);
    let list = reply.value();
    let rows = list.as_array().unwrap().iter();
    rows.map(|row| row["activationId"].as_str().unwrap().into())
        .collect()
}

#[test]
fn both_lists_as_one() {
    let at = recent();
    // 2 is in both.
    let rows = vec![
        summary(9, at + 40),
        summary(2, at + 20),
        summary(8, at + 15),
    ];
    let (api, master) = master_with(rows);
    for (number, start) in [(1, at + 10), (2, at + 20), (3, at + 30)] {
        store(&api, number, "a", start);
    }
    let order = [9, 3, 2, 8, 1].map(id);
    let reply = api.get(&format!("{LIST}?name=p/a&since=5"));
    assert_eq!(reply.header("X-Owl-Offline"), None);
    assert_eq!(reply.header("Content-Type"), Some("application/json"));
    let asked = master.only();
    let path = "GET /api/v1/namespaces/_/activations?name=p%2Fa&since=5&skip=0&limit=30";
    assert_eq!(asked.line, path);
    assert_eq!(asked.headers["x-owl-via"], OWN_ID);
    assert!(asked.headers.contains_key("authorization"));
    // What is here is here, whatever it is called.
    assert_eq!(ids(&reply), [id(9), id(8)]);
    assert_eq!(ids(&api.get(LIST)), order);
    assert_eq!(
        ids(&api.get(&format!("{LIST}?skip=1&limit=2"))),
        order[1..3]
    );
    assert_eq!(
        ids(&api.get(&format!("{LIST}?upto={}", at + 25))),
        order[2..]
    );
    let docs = api.get(&format!("{LIST}?docs=true"));
    assert_eq!(ids(&docs), order);
    let docs = docs.value();
    let logs: Vec<&Value> = docs
        .as_array()
        .unwrap()
        .iter()
        .map(|row| &row["logs"][0])
        .collect();
    assert_eq!(
        logs,
        [
            "there",
            "t stdout: hi",
            "t stdout: hi",
            "there",
            "t stdout: hi"
        ]
    );
    let docs = api.get(&format!("{LIST}?docs=true&upto={}", at + 10));
    assert_eq!(ids(&docs), order[4..]);
}

#[test]
fn numbers() {
    let (api, _) = master_with(vec![summary(9, 40), summary(8, 15)]);
    store(&api, 1, "a", recent());
    let count = |query: &str| api.get(&format!("{LIST}?count=true{query}")).value();
    assert_eq!(count(""), json!({"activations": 3}));
    assert_eq!(count("&skip=2"), json!({"activations": 1}));
}

#[test]
fn what_a_list_may_be_asked() {
    let (api, master) = master_with(vec![]);
    let text = "The query parameter 'skip' was malformed:\nThe value '10001' is more than 10000, \
                the most for a list that has the master's activations, too: use since and upto.";
    api.get(&format!("{LIST}?skip=10001")).refused(400, text);
    let both = "The parameter 'docs' is not permitted with 'count'.";
    api.get(&format!("{LIST}?docs=true&count=true"))
        .refused(400, both);
    let other = "/api/v1/namespaces/other/activations";
    assert_eq!(api.get(other).status, 403);
    let text = Ask::new(Method::Get, LIST).header("Accept", "text/plain");
    assert_eq!(text.send(&api).status, 406);
    assert_eq!(master.lines(), [""; 0]);
}

#[test]
fn without_the_master_only_what_is_here() {
    let plays = [
        || Play::Unreachable,
        || answer(500, json!({})),
        || answer(200, json!({"error": "none"})),
        || answer(401, json!({})),
    ];
    for play in plays {
        let (api, _) = with_master(move |_| play());
        store(&api, 1, "a", recent());
        for query in ["", "?docs=true", "?count=true"] {
            let reply = api.get(&format!("{LIST}{query}"));
            assert_eq!(reply.status, 200);
            assert_eq!(reply.header("X-Owl-Offline"), Some("0"), "{query}");
        }
        assert_eq!(ids(&api.get(LIST)), [id(1)]);
    }
}

#[test]
fn one_activation() {
    let (api, master) = with_master(|_| answer(200, json!({"logs": ["there"]})));
    let here = store(&api, 1, "a", recent());
    for view in ["", "/logs", "/result"] {
        assert_eq!(api.get(&format!("{LIST}/{here}{view}")).status, 200);
        assert_eq!(master.lines(), [""; 0], "{view}");
        let path = format!("{LIST}/{}{view}", id(2));
        assert_eq!(api.get(&path).value(), json!({"logs": ["there"]}));
        assert_eq!(master.only().line, format!("GET {path}"));
    }
    // One that is not finished is here, too.
    let running = ActivationId::from_bytes([3; 16]);
    smol::block_on(api.store.accept(running, b"{}".into())).unwrap();
    assert_eq!(api.get(&format!("{LIST}/{running}")).status, 404);
    // Nor can the master know one whose id is none, or another namespace's.
    assert_eq!(api.get(&format!("{LIST}/x")).status, 400);
    let other = format!("/api/v1/namespaces/other/activations/{}", id(2));
    assert_eq!(api.get(&other).status, 403);
    assert_eq!(master.lines(), [""; 0]);
}

#[test]
fn one_activation_without_the_master() {
    let (api, _) = with_master(|_| Play::Unreachable);
    let reply = api.get(&format!("{LIST}/{}", id(2)));
    assert_eq!(reply.status, 404);
    assert_eq!(reply.header("X-Owl-Offline"), Some("0"));
    let (api, _) = with_master(|_| answer(404, json!({"error": "none"})));
    let reply = api.get(&format!("{LIST}/{}", id(2)));
    assert_eq!(
        (reply.status, reply.value()),
        (404, json!({"error": "none"}))
    );
    assert_eq!(reply.header("X-Owl-Offline"), None);
}

#[test]
fn numbers_that_cannot_be() {
    let (api, _) = with_master(|_| answer(200, json!({"activations": u64::MAX})));
    store(&api, 1, "a", recent());
    let reply = api.get(&format!("{LIST}?count=true"));
    assert_eq!(reply.value(), json!({"activations": u64::MAX}));
}

#[test]
fn records_that_nobody_has_asked_for() {
    let at = recent();
    // Many more records than a page can have, and none of them the one that is wanted.
    let (api, _) = with_master(move |seen| {
        if !seen.line.contains("docs") {
            return answer(200, json!([summary(9, at + 1)]));
        }
        let mut rows = vec![summary(8, at + 2); 1000];
        rows.push(summary(9, at + 1));
        answer(200, json!(rows))
    });
    store(&api, 1, "a", at);
    let reply = api.get(&format!("{LIST}?docs=true"));
    assert_eq!(ids(&reply), [id(1)]);
}
