//! Starting, stopping, and what becomes of requests then.

use std::time::{Duration, Instant};

use owl::http::server::ServerOptions;

use super::support::{PATIENCE, TestServer};

#[test]
fn a_stop_closes_idle_connections_and_lets_requests_finish() {
    let mut server = TestServer::start(ServerOptions::default());
    let mut fresh = server.connect();
    let mut used = server.connect();
    used.send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    used.answer();
    let mut busy = server.connect();
    busy.send("GET /slow/500 HTTP/1.1\r\nHost: a\r\n\r\n");
    while server.handled() < 2 {
        std::thread::sleep(Duration::from_millis(1));
    }
    server.ask_to_stop();
    fresh.assert_closed();
    used.assert_closed();
    let answer = busy.answer();
    assert_eq!(answer.text(), "slow");
    assert_eq!(answer.header("connection"), Some("close"));
    busy.assert_closed();
    let address = server.address;
    assert_eq!(server.stop(), 0);
    std::net::TcpStream::connect(address).expect_err("nobody listens");
}

#[test]
fn the_grace_time_ends() {
    let server = TestServer::start(ServerOptions {
        grace: Duration::from_millis(200),
        ..ServerOptions::default()
    });
    let mut busy = server.connect();
    busy.send("GET /slow/3600000 HTTP/1.1\r\nHost: a\r\n\r\n");
    while server.handled() < 1 {
        std::thread::sleep(Duration::from_millis(1));
    }
    let began = Instant::now();
    assert_eq!(server.stop(), 1);
    assert!(began.elapsed() < PATIENCE);
    busy.assert_closed();
}
