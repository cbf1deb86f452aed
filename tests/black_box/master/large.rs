//! Large bodies on their way to the master and back, many at a time: a gateway has little memory.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Fake, Reply, fake};
use crate::client::{GUEST, base64};
use crate::daemon::{Daemon, Setup};

/// Bytes of an action's code: nearly as many as it may have.
const LARGE: usize = 40 << 20;

/// Clients at the same time.
const CLIENTS: usize = 12;

/// Three times what a gateway has for large answers: what becomes of one (its code, pages of the
/// store) is as large. All at once would be ten times as much.
const MOST: u64 = 240 << 20;

/// What it has if all bodies go through in pieces.
const MOST_IN_PIECES: u64 = 48 << 20;

fn gateway(master: &str) -> Daemon {
    Setup::new().env("OWL_NEXT_OPENWHISK", master).start()
}

/// An action with its code, as an OpenWhisk answers it.
fn large_action(name: &str) -> Vec<u8> {
    let action = json!({
        "namespace": "guest", "name": name, "version": "0.0.2", "updated": 5, "publish": false,
        "exec": {"kind": "quickjs:1", "code": "CODE", "binary": false},
        "annotations": [], "parameters": [],
        "limits": {"timeout": 60_000, "memory": 256, "logs": 10, "concurrency": 1},
    });
    let action = action.to_string();
    let (before, after) = action.split_once("CODE").expect("the code");
    let length = before.len() + LARGE + after.len();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{before}");
    let mut answer = Vec::with_capacity(head.len() + length);
    answer.extend_from_slice(head.as_bytes());
    answer.resize(answer.len() + LARGE, b' ');
    answer.extend_from_slice(after.as_bytes());
    answer
}

#[test]
fn small_changes_with_large_answers() {
    let fake = Fake::start(|seen| match seen.line.split_once("/actions/") {
        Some((_, name)) => Reply::Raw(large_action(name.trim_end_matches("?overwrite=true"))),
        None => Reply::Json(
            200,
            json!({
                "namespace": "guest", "name": "t", "version": "0.0.1", "publish": false,
                "annotations": [], "parameters": [], "limits": {}, "updated": 5,
            }),
        ),
    });
    let gateway = gateway(&fake.url());
    let change = json!({"annotations": []});
    let answers: Vec<_> = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let (gateway, change) = (&gateway, &change);
                scope.spawn(move || {
                    let path = format!("actions/a{number}?overwrite=true");
                    gateway.client().put(&path, change)
                })
            })
            .collect();
        // What is small does not wait for them.
        for _ in 0..20 {
            let answer = gateway.client().put("triggers/t", &json!({}));
            assert_eq!(answer.status, 200, "{answer}");
        }
        clients
            .into_iter()
            .map(|client| client.join().expect("a client"))
            .collect()
    });
    let whole = answers.iter().filter(|answer| answer.status == 200);
    let whole = whole.inspect(|answer| assert!(answer.body.len() > LARGE));
    let whole = whole.count();
    assert!(whole > 0);
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        let told = answer.error(503);
        assert!(told.contains("has made the change"), "{told}");
    }
    let peak = gateway.peak_memory();
    println!("{whole} of {CLIENTS} were answered, {} MiB", peak >> 20);
    assert!(peak < MOST, "the daemon had {} MiB", peak >> 20);
}

/// Sends the head of a request to something that is only passed on.
fn passed_on(gateway: &Daemon, method: &str, length: usize) -> TcpStream {
    let mut stream = TcpStream::connect(gateway.address()).expect("the gateway");
    let head = format!(
        "{method} /api/v1/namespaces/_/strange HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
         Authorization: Basic {}\r\nContent-Length: {length}\r\n\r\n",
        base64(GUEST)
    );
    stream.write_all(head.as_bytes()).expect("a head");
    stream
}

#[test]
fn answers_that_nobody_reads_for_a_while() {
    let fake = Fake::start(|_| Reply::Raw(large_action("x")));
    let gateway = gateway(&fake.url());
    let streams: Vec<_> = (0..CLIENTS)
        .map(|_| passed_on(&gateway, "GET", 0))
        .collect();
    // All that lies between fills up.
    thread::sleep(Duration::from_secs(2));
    for mut stream in streams {
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        assert!(answer.len() > LARGE, "{} bytes", answer.len());
    }
    let peak = gateway.peak_memory();
    assert!(peak < MOST_IN_PIECES, "the daemon had {} MiB", peak >> 20);
}

#[test]
fn bodies_that_the_master_does_not_read_for_a_while() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("the port"));
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || {
                // The first line tells whether it is a question of the gateway's own.
                let mut first = [0; 4];
                stream.peek(&mut first).ok()?;
                if &first == b"PUT " {
                    thread::sleep(Duration::from_secs(2));
                }
                let seen = fake::read(&stream)?;
                let body = match &*seen.line {
                    "GET /api/v1/namespaces" => json!(["guest"]),
                    _ => Value::from(seen.body.len()),
                };
                let body = body.to_string();
                let length = body.len();
                let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}");
                stream.write_all(answer.as_bytes()).ok()
            });
        }
    });
    let gateway = gateway(&url);
    let body = vec![b'x'; LARGE];
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let mut stream = passed_on(&gateway, "PUT", LARGE);
                stream.write_all(&body).expect("a body");
                let mut answer = String::new();
                stream.read_to_string(&mut answer).expect("an answer");
                assert!(answer.ends_with(&format!("\r\n\r\n{LARGE}")), "{answer}");
            });
        }
    });
    let peak = gateway.peak_memory();
    assert!(peak < MOST_IN_PIECES, "the daemon had {} MiB", peak >> 20);
}
