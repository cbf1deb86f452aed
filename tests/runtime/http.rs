//! The server's manners, whatever the language.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::client::{Runtime, read_answer, wait_until};

fn exchange(runtime: &Runtime, request: &[u8]) -> (u16, String) {
    let mut connection = runtime.connect();
    connection.write_all(request).unwrap();
    let (status, body) = read_answer(&mut connection).unwrap();
    (status, String::from_utf8(body).unwrap())
}

#[test]
fn other_paths_methods_and_bodies_are_refused_in_json() {
    let mut runtime = Runtime::start("quickjs", &[]);
    assert_eq!(
        exchange(&runtime, b"POST /x HTTP/1.1\r\nHost: x\r\n\r\n").0,
        404
    );
    let (status, body) = exchange(&runtime, b"GET /run HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!((status, body.starts_with(r#"{"error":"#)), (405, true));
    assert_eq!(runtime.init("function main(p) { return p }").0, 200);
    for body in ["", "x", "[]", "{", "\u{0}"] {
        let (status, answer) = runtime.post("/run", body).unwrap();
        assert_eq!(status, 400, "{answer}");
    }
    assert_eq!(runtime.run(json!({"a": 1})), (200, json!({"a": 1})));
}

#[test]
fn malformed_requests_get_400_and_hurt_nobody() {
    let mut runtime = Runtime::start("quickjs", &[]);
    let long_head = format!("POST /run HTTP/1.1\r\nX: {}\r\n\r\n", "y".repeat(100_000));
    for request in [
        &b"nonsense\r\n\r\n"[..],
        b"POST /run HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    ] {
        assert_eq!(exchange(&runtime, request).0, 400);
    }
    let mut connection = runtime.connect();
    // The server may close before it has read all of it.
    let _ = connection.write_all(long_head.as_bytes());
    let mut answer = Vec::new();
    let _ = connection.read_to_end(&mut answer);
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431"));
    assert_eq!(runtime.init("function main(p) { return p }").0, 200);
}

#[test]
fn a_body_over_the_limit_is_refused_and_not_held() {
    let mut runtime = Runtime::start("quickjs", &[]);
    runtime.init("function main(p) { return p }");
    let body = format!(r#"{{"value":"{}"}}"#, "x".repeat(9 << 20));
    let (status, answer) = runtime.post("/run", &body).unwrap();
    assert_eq!(status, 413, "{answer}");
    let mut fresh = Runtime::start("quickjs", &[]);
    assert_eq!(fresh.init("function main(p) { return p }").0, 200);
}

#[test]
fn chunked_bodies_and_pipelined_requests_are_read() {
    let runtime = Runtime::start("quickjs", &[]);
    let init = r#"{"value":{"code":"function main(p) { return p }"}}"#;
    let mut connection = runtime.connect();
    write!(
        connection,
        "POST /init HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{init}\r\n0\r\n\r\n",
        init.len()
    )
    .unwrap();
    assert_eq!(read_answer(&mut connection).unwrap().0, 200);
    let run = r#"{"value":{"a":1}}"#;
    let request = format!(
        "POST /run HTTP/1.1\r\nContent-Length: {}\r\n\r\n{run}",
        run.len()
    );
    connection.write_all(request.repeat(3).as_bytes()).unwrap();
    for _ in 0..3 {
        assert_eq!(
            read_answer(&mut connection).unwrap(),
            (200, br#"{"a":1}"#.to_vec())
        );
    }
}

#[test]
fn silent_and_stalled_clients_lock_nobody_out() {
    let mut runtime = Runtime::start("quickjs", &[]);
    let stalled: Vec<UnixStream> = (0..30)
        .map(|_| {
            let mut connection = runtime.connect();
            // Displaced ones may be closed already.
            let _ = connection.write_all(b"POST /init HTTP/1.1\r\nContent-Length: 100\r\n\r\n{");
            connection
        })
        .collect();
    assert_eq!(runtime.init("function main(p) { return p }").0, 200);
    assert_eq!(runtime.run(json!({"a": 1})), (200, json!({"a": 1})));
    drop(stalled);
    assert_eq!(runtime.run(json!({"a": 2})), (200, json!({"a": 2})));
}

#[test]
fn it_serves_the_socket_on_its_standard_input() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_owl"))
        .args(["runtime", "--listen", "fd:0", "--kind", "quickjs"])
        .stdin(Stdio::from(std::os::fd::OwnedFd::from(theirs)))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut connection = ours;
    let body = r#"{"value":{"code":"function main() { return {a: 1} }"}}"#;
    write!(
        connection,
        "POST /init HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    assert_eq!(read_answer(&mut connection).unwrap().0, 200);
    drop(connection);
    // With its only connection gone there is nothing left to do.
    assert!(child.wait().unwrap().success());
}

#[test]
fn it_serves_tcp() {
    // The port that was free a moment ago may be taken by another: then the next is tried.
    let (mut child, port) = (0..20)
        .find_map(|_| {
            let probe = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let port = probe.local_addr().unwrap().port();
            drop(probe);
            let mut child = Command::new(env!("CARGO_BIN_EXE_owl"))
                .args(["runtime", "--kind", "quickjs"])
                .args(["--listen", &format!("tcp:127.0.0.1:{port}")])
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let mut ended = false;
            wait_until("it listens or ends", || {
                ended = child.try_wait().unwrap().is_some();
                ended || TcpStream::connect(("127.0.0.1", port)).is_ok()
            });
            (!ended).then_some((child, port))
        })
        .unwrap();
    let mut connection = TcpStream::connect(("127.0.0.1", port)).unwrap();
    connection.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    assert!(
        answer.starts_with("HTTP/1.0 404") || answer.starts_with("HTTP/1.1 404"),
        "{answer}"
    );
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn what_it_cannot_listen_on_is_named() {
    for (listen, words) in [
        (
            "unix:/nonexistent/x",
            "cannot listen on unix:/nonexistent/x",
        ),
        ("fd:0", "standard input is not a socket"),
        ("8080", "use tcp:ADDRESS:PORT"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_owl"))
            .args(["runtime", "--kind", "quickjs", "--listen", listen])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(!output.status.success());
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains(words), "{stderr}");
    }
}
