//! Bodies that are large, many, or wanted by nobody.

use std::time::Duration;

use owl::http::server::ServerOptions;

use super::support::{ECHO_LIMIT, TestServer, memory};

#[test]
fn a_body_over_the_cap_is_refused_before_it_is_read() {
    let server = TestServer::start(ServerOptions::default());
    let mut client = server.connect();
    client.send("POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 52428801\r\n\r\n");
    client.answer().assert_refused(413);
    client.assert_closed();
    assert_eq!(server.handled(), 0);
}

#[test]
fn handlers_have_limits_of_their_own() {
    let server = TestServer::start(ServerOptions::default());
    let mut client = server.connect();
    let length = ECHO_LIMIT + 1;
    client.send(format!(
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n"
    ));
    let answer = client.answer();
    assert_eq!(answer.status, 413);
    assert_eq!(answer.text(), "1048577 is too long for echo");
    assert_eq!(answer.header("connection"), Some("close"));
    client.assert_closed();

    let mut client = server.connect();
    client.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    for _ in 0..=ECHO_LIMIT / 1024 {
        client.send(format!("400\r\n{}\r\n", "x".repeat(1024)));
    }
    let answer = client.answer();
    assert_eq!(answer.status, 413);
    assert_eq!(answer.header("connection"), Some("close"));
}

#[test]
fn a_small_body_that_nobody_wants_does_not_cost_the_connection() {
    let server = TestServer::start(ServerOptions::default());
    let mut client = server.connect();
    client.send("POST /ignore HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n");
    client.send("x".repeat(60_000));
    assert_eq!(client.answer().text(), "ignored");
    client.send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.answer().text(), "hello");
}

#[test]
fn a_large_body_that_nobody_wants_ends_the_connection() {
    let server = TestServer::start(ServerOptions::default());
    for framing in ["Content-Length: 40000000", "Transfer-Encoding: chunked"] {
        let mut client = server.connect();
        client.send(format!(
            "POST /ignore HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n"
        ));
        let answer = client.answer();
        assert_eq!(answer.text(), "ignored");
        assert_eq!(answer.header("connection"), Some("close"));
        // The server stops reading long before the end.
        let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x1_0000));
        let taken = (0..1000)
            .take_while(|_| client.try_send(&chunk).is_ok())
            .count();
        assert!(taken < 1000, "everything was read");
    }
    server.assert_serves_others();
}

#[test]
fn memory_for_bodies_is_bounded() {
    let server = TestServer::start(ServerOptions {
        body_budget: 1_000_000,
        ..ServerOptions::default()
    });
    // One holds most of the memory, slowly.
    let mut first = server.connect();
    first.send("POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 900000\r\n\r\nx");
    while server.handled() < 1 {
        std::thread::sleep(Duration::from_millis(1));
    }
    first.assert_open_and_quiet();

    let mut second = server.connect();
    second.send("POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\nx");
    second.answer().assert_refused(503);
    second.assert_closed();
    let mut third = server.connect();
    third.send("POST /length HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x1_0000));
    (0..4).for_each(|_| third.send(&chunk));
    third.answer().assert_refused(503);
    // Small ones go on.
    let mut fourth = server.connect();
    fourth.send("POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 2000\r\n\r\n");
    fourth.send("x".repeat(2000));
    assert_eq!(fourth.answer().text(), "2000");

    first.send("x".repeat(899_999));
    assert_eq!(first.answer().text(), "900000");
    // The memory is free again.
    let mut last = server.connect();
    last.send("POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
    last.send("x".repeat(1_000_000));
    assert_eq!(last.answer().text(), "1000000");
}

#[test]
fn two_hundred_megabytes_do_not_fill_the_memory() {
    let server = TestServer::start(ServerOptions::default());
    let before = memory("VmRSS");
    let chunk = format!("100000\r\n{}\r\n", "x".repeat(0x10_0000));
    for path in ["/length", "/ignore", "/echo"] {
        let mut client = server.connect();
        client.send(format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        ));
        let sent = (0..200)
            .take_while(|_| client.try_send(&chunk).is_ok())
            .count();
        assert!(sent < 200, "{path} took everything");
        server.assert_serves_others();
    }
    // At most one body of 50 MB at a time, twice for growing it; other tests run beside this one.
    let grown = memory("VmRSS").saturating_sub(before) / 1024;
    assert!(grown < 250, "{grown} MB more than before");
}

#[test]
fn a_body_that_is_passed_on_takes_no_more_than_a_few_pieces() {
    let server = TestServer::start(ServerOptions {
        body_budget: 1_000_000,
        ..ServerOptions::default()
    });
    let piece = "x".repeat(100_000);
    let mut waiting = Vec::new();
    // Four of which each is longer than the memory for all.
    for framing in ["Content-Length: 2000000", "Transfer-Encoding: chunked"].repeat(2) {
        let mut client = server.connect();
        client.send(format!(
            "POST /passed HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n"
        ));
        let piece = match framing {
            "Transfer-Encoding: chunked" => format!("186a0\r\n{piece}\r\n"),
            _ => piece.clone(),
        };
        (0..19).for_each(|_| client.send(&piece));
        waiting.push((client, piece));
    }
    // What is left is for others.
    let mut other = server.connect();
    other.send("POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n");
    other.send("x".repeat(200_000));
    assert_eq!(other.answer().text(), "200000");
    for (mut client, piece) in waiting {
        client.send(&piece);
        if piece.len() > 100_000 {
            client.send("0\r\n\r\n");
        }
        assert_eq!(client.answer().text(), "2000000");
    }
}
