//! A master, or whatever is in its place, that means no good.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Fake, Reply};
use crate::client::{GUEST, base64};
use crate::daemon::{Daemon, Setup};

fn gateway(fake: &Fake) -> Daemon {
    Setup::new().env("OWL_NEXT_OPENWHISK", fake.url()).start()
}

/// Asks for something under `/api/v1/namespaces/_/`, and takes whatever comes.
fn try_get(gateway: &Daemon, path: &str) {
    let mut stream = TcpStream::connect(gateway.address()).expect("the gateway");
    let patience = Some(Duration::from_secs(60));
    stream.set_read_timeout(patience).expect("an open socket");
    let key = base64(GUEST);
    let request = format!(
        "GET /api/v1/namespaces/_/{path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\
         Authorization: Basic {key}\r\n\r\n"
    );
    stream
        .write_all(request.as_bytes())
        .expect("an open socket");
    // It may be cut off, as the answer was.
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok();
}

#[test]
fn answers_that_nobody_should_give() {
    let fake = Fake::start(|seen| {
        let last = seen.line.rsplit('/').next().unwrap_or_default();
        let number = |index: usize| last.split('-').nth(index).unwrap_or_default();
        let answer = match number(0) {
            "status" => format!("HTTP/1.1 {} X\r\nContent-Length: 3\r\n\r\nabc", number(1)),
            "length" => format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\nabc",
                number(1)
            ),
            "lengths" => {
                "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 7\r\n\r\nabc".into()
            }
            "both" => "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n\
                       3\r\nabc\r\n0\r\n\r\n"
                .into(),
            "chunk" => format!(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{}\r\nabc",
                number(1)
            ),
            "headers" => {
                let headers = "X-Bomb: 1\r\n".repeat(100_000);
                format!("HTTP/1.1 200 OK\r\n{headers}\r\n")
            }
            "early" => format!(
                "{}HTTP/1.1 200 OK\r\n\r\n",
                "HTTP/1.1 103 X\r\n\r\n".repeat(9999)
            ),
            _ => "garbage\0\r\n\r\n".into(),
        };
        Reply::Raw(answer.into_bytes())
    });
    let gateway = gateway(&fake);
    let client = gateway.client();
    for what in [
        "status-101",
        "status-199",
        "status-204",
        "status-304",
        "status-599",
        "status-600",
        "status-999",
        "status-0",
        "length-99",
        "length-99999999999999999999",
        "length--1",
        "lengths",
        "both",
        "chunk-ffffffffffffffff",
        "chunk-ffffffffffffffffffff",
        "chunk-x",
        "headers",
        "early",
        "garbage",
    ] {
        // While the gateway thinks ill of its master, that is not asked.
        while fake.seen().is_empty() {
            try_get(&gateway, &format!("strange/{what}"));
            thread::sleep(Duration::from_millis(20));
        }
        // It is there, and what it has is there.
        assert_eq!(client.get("limits").status, 200, "after {what}");
    }
    let peak = gateway.peak_memory() >> 20;
    assert!(peak < 48, "the daemon had {peak} MiB");
}

#[test]
fn redirects_are_the_clients_to_follow() {
    let elsewhere = Fake::start(|_| Reply::Json(200, json!({})));
    let location = format!("{}/api/v1/namespaces/_/strange", elsewhere.url());
    let fake = Fake::start(move |_| {
        let answer = format!("HTTP/1.1 307 X\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
        Reply::Raw(answer.into_bytes())
    });
    let gateway = gateway(&fake);
    let client = gateway.client();
    assert_eq!(client.get("strange").status, 307);
    // What is asked for copies and lists, too.
    assert_eq!(client.get("actions/a").status, 503);
    assert_eq!(client.get("activations").json(), json!([]));
    assert_eq!(client.put("triggers/t", &json!({})).status, 307);
    assert_eq!(client.get("triggers/t").status, 503);
    let there: Vec<String> = elsewhere.seen().into_iter().map(|seen| seen.line).collect();
    assert!(there.is_empty(), "a key went over: {there:?}");
}

#[test]
fn documents_of_other_names_are_nobodys_copy() {
    let fake = Fake::start(|seen| {
        let document = |namespace: &str, name: &str, exec: Value| {
            json!({"namespace": namespace, "name": name, "version": "0.0.1", "publish": false,
                "annotations": [], "parameters": [], "limits": {}, "exec": exec})
        };
        let code = json!({"kind": "quickjs:1", "code": "function main() { return {}; }"});
        Reply::Json(
            200,
            match seen.line.split(['/', '?']).nth(6).unwrap_or_default() {
                "name" => document("guest", "other", code),
                "namespace" => document("other", "namespace", code),
                "package" => document("guest/p", "package", code),
                "codeless" => document("guest", "codeless", json!({"kind": "quickjs:1"})),
                "numbers" => {
                    let mut document = document("guest", "numbers", code);
                    document["limits"] = json!({"timeout": u64::MAX, "memory": u32::MAX,
                        "logs": u32::MAX, "concurrency": u32::MAX});
                    document["updated"] = json!(u64::MAX);
                    document
                }
                _ => json!(null),
            },
        )
    });
    let gateway = gateway(&fake);
    let client = gateway.client();
    for name in ["name", "namespace", "package", "codeless", "null"] {
        let reply = client.post(&format!("actions/{name}?blocking=true"), &json!({}));
        assert_eq!(reply.status, 503, "{name}: {reply}");
    }
    // What nobody may set is not run.
    let reply = client.post("actions/numbers?blocking=true", &json!({}));
    assert!(
        reply.to_string().contains("exceeds allowed threshold"),
        "{reply}"
    );
}
