//! Clients that are too long-winded, too slow, or too many.

use std::time::{Duration, Instant};

use owl::http::server::ServerOptions;

use super::support::{PATIENCE, TestServer};

/// Short times, for tests that wait for them.
fn hurried() -> ServerOptions {
    ServerOptions {
        head_timeout: Duration::from_millis(300),
        idle_timeout: Duration::from_millis(300),
        stall_timeout: Duration::from_millis(300),
        min_rate: 100_000,
        ..ServerOptions::default()
    }
}

#[test]
fn heads_are_bounded() {
    let server = TestServer::start(ServerOptions::default());
    let mut client = server.connect();
    let longest = format!("/path/{}", "a".repeat(8192 - 6));
    client.send(format!("GET {longest} HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert_eq!(client.answer().text(), longest);

    for (head, status) in [
        (format!("GET {longest}a HTTP/1.1\r\nHost: a\r\n\r\n"), 414),
        (format!("GET {longest}{}", "a".repeat(9000)), 414),
        (
            format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "a".repeat(17_000)),
            431,
        ),
        (
            format!(
                "GET / HTTP/1.1\r\nHost: a\r\n{}\r\n",
                "X: a\r\n".repeat(101)
            ),
            431,
        ),
        ("x".repeat(100_000), 414),
    ] {
        let mut client = server.connect();
        client
            .try_send(&head)
            .expect("fits into the socket's buffers");
        client.answer().assert_refused(status);
        client.assert_closed();
    }
}

#[test]
fn heads_without_end_do_not_fill_the_memory() {
    let server = TestServer::start(ServerOptions::default());
    let mut client = server.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n");
    let header = format!("X: {}\r\n", "a".repeat(1000));
    let taken = (0..100_000)
        .take_while(|_| client.try_send(&header).is_ok())
        .count();
    assert!(taken < 100_000, "100 MB of headers were read");
    server.assert_serves_others();
}

#[test]
fn a_head_that_trickles_is_refused() {
    let server = TestServer::start(hurried());
    let mut client = server.connect();
    let began = Instant::now();
    client.send("GET /hello HTTP/1.1\r\nHost: a\r\n");
    while began.elapsed() < PATIENCE {
        if client.try_send("X: a\r\n").is_err() {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
        if server_has_answered(&client) {
            break;
        }
    }
    client.answer().assert_refused(408);
    server.assert_serves_others();
}

/// Whether there is something to read.
fn server_has_answered(client: &super::support::Client) -> bool {
    client.stream.set_nonblocking(true).expect("is open");
    let ready = client.stream.peek(&mut [0]).is_ok();
    client.stream.set_nonblocking(false).expect("is open");
    ready
}

#[test]
fn an_idle_connection_is_closed_without_a_word() {
    let server = TestServer::start(hurried());
    let mut fresh = server.connect();
    let mut used = server.connect();
    used.send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    used.answer();
    used.assert_closed();
    fresh.assert_closed();
}

#[test]
fn a_connection_in_use_is_not_idle() {
    let server = TestServer::start(hurried());
    let mut client = server.connect();
    for _ in 0..5 {
        client.send("GET /slow/400 HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(client.answer().text(), "slow");
    }
}

#[test]
fn a_body_that_stalls_or_trickles_is_refused() {
    let server = TestServer::start(hurried());
    let mut client = server.connect();
    client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nabc");
    client.answer().assert_refused(408);
    client.assert_closed();

    let mut client = server.connect();
    client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nabc");
    let began = Instant::now();
    while began.elapsed() < PATIENCE && !server_has_answered(&client) {
        let _ = client.try_send("x");
        std::thread::sleep(Duration::from_millis(20));
    }
    client.answer().assert_refused(408);
    server.assert_serves_others();
}

#[test]
fn a_body_at_the_least_rate_is_waited_for() {
    let server = TestServer::start(hurried());
    let mut client = server.connect();
    client.send("POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
    // About three times the least rate, for far longer than a stall may last.
    for _ in 0..100 {
        client.send("x".repeat(10_000));
        std::thread::sleep(Duration::from_millis(15));
    }
    assert_eq!(client.answer().text(), "1000000");
}

#[test]
fn an_answer_to_a_refused_body_comes_although_the_client_goes_on_sending() {
    let server = TestServer::start(ServerOptions::default());
    let mut client = server.connect();
    client.send("POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 60000000\r\n\r\n");
    for _ in 0..100 {
        client.send("x".repeat(10_000));
        std::thread::sleep(Duration::from_millis(2));
    }
    client.answer().assert_refused(413);
}

#[test]
fn a_client_that_does_not_read_is_dropped() {
    let server = TestServer::start(hurried());
    let mut client = server.connect();
    client.send("GET /bytes/50000000 HTTP/1.1\r\nHost: a\r\n\r\n");
    std::thread::sleep(Duration::from_millis(1500));
    assert!(
        client.try_answer(true).is_err(),
        "the answer arrived in full"
    );
    server.assert_serves_others();
}

#[test]
fn idle_connections_make_room_for_new_ones() {
    let server = TestServer::start(ServerOptions {
        max_connections: 4,
        ..ServerOptions::default()
    });
    let mut idle: Vec<_> = (0..4).map(|_| server.connect()).collect();
    for client in &mut idle {
        client.send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
        client.answer();
    }
    for _ in 0..20 {
        server.assert_serves_others();
    }
    for client in &mut idle {
        client.assert_closed();
    }
}

#[test]
fn new_connections_that_have_sent_nothing_yet_are_not_closed_for_others() {
    let server = TestServer::start(ServerOptions {
        max_connections: 1,
        ..ServerOptions::default()
    });
    let mut first = server.connect();
    let mut second = server.connect();
    // Time for the server to have one in each hand.
    std::thread::sleep(Duration::from_millis(100));
    for client in [&mut first, &mut second] {
        client.send("GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        assert_eq!(client.answer().text(), "hello");
    }
}

#[test]
fn busy_connections_are_never_more_than_allowed() {
    let server = TestServer::start(ServerOptions {
        max_connections: 2,
        ..ServerOptions::default()
    });
    let mut clients: Vec<_> = (0..6).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.send("GET /slow/200 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    }
    // The others wait, and are served in the end.
    for client in &mut clients {
        assert_eq!(client.answer().text(), "slow");
    }
    assert_eq!(server.most_at_a_time(), 2);
}
