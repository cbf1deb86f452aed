//! What goes to the master as it is.

use std::time::Duration;

use serde_json::{Value, json};
use surf::http::Method;

use super::{Both, Fake, Reply};
use crate::daemon::Setup;

#[test]
fn lists_of_the_master_or_else_of_what_is_here() {
    let both = Both::start(Setup::new());
    let (gateway, master) = both.clients();
    master.action("there", "quickjs:1", "function main() {}", json!({}));
    let list = gateway.get("actions");
    assert_eq!(list.json(), master.get("actions").json());
    assert_eq!(list.header("X-Owl-Offline"), None);

    both.link.cut();
    let list = gateway.get("actions");
    assert_eq!(list.status, 200, "{list}");
    assert!(list.header("X-Owl-Offline").is_some());
    // What nobody here knows nobody here answers.
    let reply = gateway.get("apis");
    assert!(reply.error(503).contains("master"), "{reply}");

    both.link.restore();
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while gateway.get("actions").header("X-Owl-Offline").is_some() {
        assert!(
            std::time::Instant::now() < deadline,
            "the master is not found again"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(gateway.get("actions").json(), master.get("actions").json());
}

#[test]
fn requests_and_answers_are_not_changed() {
    let fake = Fake::start(|_| {
        let answer = "HTTP/1.1 207 Many\r\nX-Own: 1\r\nX-Own: 2\r\nContent-Type: text/x\r\n\
                      Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
        Reply::Raw(answer.into())
    });
    let gateway = Setup::new().env("OWL_NEXT_OPENWHISK", fake.url()).start();
    // More than anything that is kept in memory for it, and as much as an action may have.
    let body: Vec<u8> = (0..48 << 20).map(|at: u32| (at % 251) as u8).collect();
    let path = "/api/v1/namespaces/_/strange/a%2Fb?x=%20&y";
    let headers = [("X-Mine", "3"), ("Accept", "text/x")];
    let reply = gateway
        .client()
        .send(Method::Put, path, &headers, Some(("text/y", body.clone())));
    assert_eq!((reply.status, &*reply.body), (207, &b"abcde"[..]));
    assert_eq!(reply.header("Content-Type"), Some("text/x"));
    assert_eq!(reply.header("X-Request-ID"), None);
    assert_eq!(reply.header("Transfer-Encoding"), Some("chunked"));
    let seen = fake.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].line, format!("PUT {path}"));
    assert_eq!(seen[0].header("x-mine"), Some("3"));
    assert_eq!(seen[0].header("accept"), Some("text/x"));
    assert_eq!(seen[0].header("content-type"), Some("text/y"));
    assert!(seen[0].header("authorization").is_some());
    assert_eq!(seen[0].header("x-owl-via").map(str::len), Some(16));
    assert!(seen[0].body == body, "{} bytes came", seen[0].body.len());
    let peak = gateway.peak_memory() >> 20;
    assert!(peak < 48, "the daemon had {peak} MiB");
}

#[test]
fn what_may_take_long_is_waited_for() {
    let fake = Fake::start(|_| {
        let reply = Reply::Json(200, json!({"late": true}));
        Reply::Late(Duration::from_secs(3), Box::new(reply))
    });
    let gateway = Setup::new()
        .env("OWL_NEXT_OPENWHISK", fake.url())
        .env("OWL_MASTER_TIMEOUT", "1")
        .start();
    // An action of somebody whose key is not known here.
    let reply = gateway.client().get("/api/v1/web/other/default/a.json");
    assert_eq!((reply.status, reply.json()), (200, json!({"late": true})));
    let reply = gateway.client().get("packages");
    assert_eq!((reply.status, reply.json()), (200, json!([])));
    assert!(reply.header("X-Owl-Offline").is_some());
}

#[test]
fn half_an_answer_is_no_answer() {
    let fake = Fake::start(|seen| match seen.line.contains("packages") {
        true => Reply::Close,
        false => Reply::Raw(b"HTTP/1.1 200 OK\r\ncontent-le".into()),
    });
    let gateway = Setup::new().env("OWL_NEXT_OPENWHISK", fake.url()).start();
    let client = gateway.client();
    assert_eq!(client.get("packages").json(), json!([]));
    let reply = client.put("strange", &Value::Null);
    assert!(matches!(reply.status, 502 | 503), "{reply}");
    // The gateway goes on.
    assert_eq!(client.get("limits").status, 200);
}
