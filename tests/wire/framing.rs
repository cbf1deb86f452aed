//! Requests that are malformed, cut off, or could be read in two ways.

use owl::http::server::ServerOptions;

use super::support::TestServer;

/// Sends bytes to a server; fails unless they are refused with this status, the connection is
/// closed, no handler has seen anything, and others are served.
#[track_caller]
fn assert_refused(server: &TestServer, bytes: impl AsRef<[u8]>, status: u16) {
    let before = server.handled();
    let mut client = server.connect();
    client.send(&bytes);
    let answer = client.answer();
    answer.assert_refused(status);
    client.assert_closed();
    assert_eq!(server.handled(), before, "a handler was reached");
    server.assert_serves_others();
}

/// What a smuggler wants to be taken for a request of its own.
const HIDDEN: &str = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn ambiguous_bodies_are_refused() {
    let server = TestServer::start(ServerOptions::default());
    for headers in [
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: \x0bchunked",
        "Transfer-Encoding: identity",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding\r\n : chunked",
        "X: y\r\n Transfer-Encoding: chunked",
        "Transfer-Encoding:\r\n chunked",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5\r\nContent-Length: 5",
        "Content-Length: 5, 5",
        "Content-Length: +5",
        "Content-Length: -1",
        "Content-Length: 99999999999999999999",
        "Content-Length: five",
        "Content-Length: ",
        "Content-Length : 5",
    ] {
        let request =
            format!("POST /echo HTTP/1.1\r\nHost: a\r\n{headers}\r\n\r\n0\r\n\r\n{HIDDEN}");
        assert_refused(&server, request, 400);
    }
}

#[test]
fn malformed_heads_are_refused() {
    let server = TestServer::start(ServerOptions::default());
    for (head, status) in [
        ("GET /hello HTTP/1.1\nHost: a\n\n", 400),
        ("GET /hello HTTP/1.1\r\nHost: a\n\r\n", 400),
        ("GET /hello HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", 400),
        ("GET /hello HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", 400),
        ("GET /hello HTTP/1.1\r\nHost: a\r\nX\0: b\r\n\r\n", 400),
        ("GET /hello HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n", 400),
        ("GET /hello HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", 400),
        ("GET /hello HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", 400),
        (
            "GET /hello HTTP/1.1\r\nHost: a\r\nX: a\r\n folded\r\n\r\n",
            400,
        ),
        ("GET /hello HTTP/1.1\r\nHost: a\r\nX: \u{e9}\r\n\r\n", 400),
        ("GET /hello HTTP/1.1\r\n\r\n", 400),
        ("GET /hello HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        ("GET hello HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /\u{e9} HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET  /hello HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET\t/hello HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /hello\r\nHost: a\r\n\r\n", 400),
        ("GET /hello HTTP/1.1 \r\nHost: a\r\n\r\n", 400),
        ("G@T /hello HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (" GET /hello HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET a:443 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n", 400),
        ("\r\n\r\n\r\n\n\n", 400),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        ("GET /hello HTTP/2.0\r\nHost: a\r\n\r\n", 505),
        ("GET /hello HTTP/0.9\r\n\r\n", 505),
        ("BREW /hello HTTP/1.1\r\nHost: a\r\n\r\n", 501),
        (
            "GET /hello HTTP/1.1\r\nHost: a\r\nExpect: more\r\n\r\n",
            417,
        ),
        (
            "POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
    ] {
        assert_refused(&server, head, status);
    }
}

#[test]
fn every_byte_at_every_place_is_taken_or_refused_properly() {
    let server = TestServer::start(ServerOptions::default());
    for (before, after) in [
        ("GE", "T /hello HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("GET /path/a", "b HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("GET /path/a?", "b HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("GET http://a/path/", "b HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("GET http://a", "b HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("GET /hello HTTP/1.", "1\r\nHost: a\r\n\r\n"),
        ("GET /hello HTTP/1.1\r\nHost: ", "\r\n\r\n"),
        ("GET /hello HTTP/1.1\r\nHost: a\r\nX", "y: z\r\n\r\n"),
        ("GET /hello HTTP/1.1\r\nHost: a\r\nX: y", "z\r\n\r\n"),
    ] {
        for byte in 0..=255 {
            let mut client = server.connect();
            client.send([before.as_bytes(), &[byte], after.as_bytes()].concat());
            let answer = client.answer();
            if !matches!(answer.status, 200 | 404) {
                answer.assert_refused(answer.status);
                assert!(
                    matches!(answer.status, 400 | 501 | 505),
                    "{}",
                    answer.status
                );
                client.assert_closed();
            }
        }
    }
}

#[test]
fn cut_off_heads_are_refused() {
    let server = TestServer::start(ServerOptions::default());
    for head in [
        "G",
        "GET /hello HTTP/1.1",
        "GET /hello HTTP/1.1\r\nHost: a\r\n",
    ] {
        let mut client = server.connect();
        client.send(head);
        client.finish();
        client.answer().assert_refused(400);
        client.assert_closed();
    }
    assert_eq!(server.handled(), 0);
}

/// Like [`assert_refused`], for what shows only while a handler reads.
#[track_caller]
fn assert_body_refused(server: &TestServer, headers: &str, body: &[u8], cut: bool, status: u16) {
    let mut client = server.connect();
    client.send(format!(
        "POST /echo HTTP/1.1\r\nHost: a\r\nX-Request-ID: t1\r\n{headers}\r\n\r\n"
    ));
    client.send(body);
    if cut {
        client.finish();
    }
    let answer = client.answer();
    answer.assert_refused(status);
    assert_eq!(answer.header("x-request-id"), Some("t1"));
    client.assert_closed();
    server.assert_serves_others();
}

#[test]
fn malformed_chunks_are_refused() {
    let server = TestServer::start(ServerOptions::default());
    for chunks in [
        "x\r\n",
        "-1\r\na\r\n",
        "0x1\r\na\r\n",
        "1\na\r\n0\r\n\r\n",
        "1\r\na\n0\r\n\r\n",
        "1\r\nabc\r\n0\r\n\r\n",
        "1\r\n\r\n0\r\n\r\n",
        "1;a\nb\r\na\r\n0\r\n\r\n",
        "\r\n",
        "0\r\n\n",
        "0\r\nA: b\n\r\n",
        "00000000000000000000000000000000000001\r\na\r\n0\r\n\r\n",
        "fffffffffffffffff\r\n",
    ] {
        assert_body_refused(
            &server,
            "Transfer-Encoding: chunked",
            chunks.as_bytes(),
            false,
            400,
        );
    }
}

#[test]
fn huge_chunks_and_floods_around_them_are_refused() {
    let server = TestServer::start(ServerOptions::default());
    let chunked = "Transfer-Encoding: chunked";
    assert_body_refused(&server, chunked, b"ffffffffffffffff\r\nabc", false, 413);
    assert_body_refused(&server, chunked, b"3200001\r\nabc", false, 413);
    let extension = format!("1;{}\r\na\r\n0\r\n\r\n", "e".repeat(20_000));
    assert_body_refused(&server, chunked, extension.as_bytes(), false, 400);
    let extensions = format!("1;{}\r\na\r\n", "e".repeat(100)).repeat(1000);
    assert_body_refused(&server, chunked, extensions.as_bytes(), false, 400);
    let trailers = format!("0\r\n{}\r\n", "A: b\r\n".repeat(5000));
    assert_body_refused(&server, chunked, trailers.as_bytes(), false, 400);
}

#[test]
fn cut_off_bodies_are_refused() {
    let server = TestServer::start(ServerOptions::default());
    assert_body_refused(&server, "Content-Length: 10", b"abc", true, 400);
    for chunks in ["", "5", "5\r\nabc", "5\r\nabcde\r\n", "5\r\nabcde\r\n0\r\n"] {
        assert_body_refused(
            &server,
            "Transfer-Encoding: chunked",
            chunks.as_bytes(),
            true,
            400,
        );
    }
}
