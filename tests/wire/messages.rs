//! Ordinary requests and answers, as clients of all kinds send and expect them.

use owl::http::server::ServerOptions;

use super::support::TestServer;

fn server() -> TestServer {
    TestServer::start(ServerOptions::default())
}

#[test]
fn a_connection_is_kept_and_answers_have_a_length() {
    let server = server();
    let mut client = server.connect();
    for _ in 0..3 {
        client.send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
        let answer = client.answer();
        assert_eq!((answer.status, answer.text()), (200, "hello"));
        assert_eq!(answer.header("content-length"), Some("5"));
        assert_eq!(answer.header("transfer-encoding"), None);
        assert_eq!(answer.header("connection"), None);
        assert!(answer.header("date").is_some());
    }
    client.assert_open_and_quiet();
}

#[test]
fn bodies_of_all_kinds_come_back() {
    let server = server();
    let mut client = server.connect();
    for size in [0, 1, 100, 8192, 100_000, 1024 * 1024] {
        let body = "z".repeat(size);
        client.send(format!(
            "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n{body}"
        ));
        assert_eq!(client.answer().text(), body, "{size}");
        client.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
        for chunk in body.as_bytes().chunks(30_000) {
            client.send(format!("{:x};ext=1\r\n", chunk.len()));
            client.send(chunk);
            client.send("\r\n");
        }
        client.send("0\r\nTrailer: x\r\n\r\n");
        assert_eq!(client.answer().text(), body, "{size} in chunks");
    }
}

#[test]
fn requests_may_come_byte_by_byte() {
    let server = server();
    for body in [
        "Content-Length: 5\r\n\r\nabcde",
        "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n",
    ] {
        let mut client = server.connect();
        for _ in 0..2 {
            let request = format!("\r\nPOST /echo HTTP/1.1\r\nHost: a\r\n{body}");
            for byte in request.bytes() {
                client.send([byte]);
            }
            assert_eq!(client.answer().text(), "abcde");
        }
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = server();
    let mut client = server.connect();
    client.send(concat!(
        "GET /slow/50 HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\none",
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ntwo\r\n0\r\n\r\n",
        "POST /ignore HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nthree",
        "\r\nGET /hello HTTP/1.1\r\nHost: a\r\n\r\n",
    ));
    for text in ["slow", "one", "two", "ignored", "hello"] {
        assert_eq!(client.answer().text(), text);
    }
    // Many more than any buffer holds.
    let mut writer = client.stream.try_clone().expect("is open");
    let sender = std::thread::spawn(move || {
        use std::io::Write;
        for n in 0..5000 {
            let request = format!("GET /path/{n} HTTP/1.1\r\nHost: a\r\n\r\n");
            writer.write_all(request.as_bytes()).expect("is taken");
        }
    });
    for n in 0..5000 {
        assert_eq!(client.answer().text(), format!("/path/{n}"));
    }
    sender.join().expect("sends");
}

#[test]
fn a_bad_request_behind_good_ones_is_refused_in_its_turn() {
    let server = server();
    let mut client = server.connect();
    client.send(concat!(
        "GET /slow/50 HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n",
    ));
    assert_eq!(client.answer().text(), "slow");
    assert_eq!(client.answer().text(), "hello");
    client.answer().assert_refused(400);
    client.assert_closed();
    assert_eq!(server.handled(), 2);
}

#[test]
fn head_gets_the_head_alone() {
    let server = server();
    let mut client = server.connect();
    client.send("HEAD /hello HTTP/1.1\r\nHost: a\r\n\r\nGET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    let answer = client.answer_to_head();
    assert_eq!(
        (answer.status, answer.header("content-length")),
        (200, Some("5"))
    );
    assert_eq!(client.answer().text(), "hello");
}

#[test]
fn http_1_0_is_spoken() {
    let server = server();
    let mut client = server.connect();
    client.send("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    let answer = client.answer();
    assert!(answer.head.starts_with("HTTP/1.0 200 "), "{}", answer.head);
    assert_eq!(answer.header("connection"), Some("keep-alive"));
    client.send("GET /stream/100000 HTTP/1.0\r\n\r\n");
    let answer = client.answer();
    assert_eq!(answer.header("transfer-encoding"), None);
    assert_eq!(answer.body.len(), 100_000);
    client.assert_closed();
}

#[test]
fn connection_close_is_kept_to() {
    let server = server();
    let mut client = server.connect();
    client.send("GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let answer = client.answer();
    assert_eq!(answer.header("connection"), Some("close"));
    client.assert_closed();
}

#[test]
fn a_client_may_close_its_side_before_the_answer() {
    let server = server();
    let mut client = server.connect();
    client.send("GET /slow/100 HTTP/1.1\r\nHost: a\r\n\r\n");
    client.finish();
    assert_eq!(client.answer().text(), "slow");
    client.assert_closed();
}

#[test]
fn answers_without_length_are_chunked_and_large_ones_arrive() {
    let server = server();
    let mut client = server.connect();
    client.send("GET /stream/300000 HTTP/1.1\r\nHost: a\r\n\r\n");
    let answer = client.answer();
    assert_eq!(answer.header("transfer-encoding"), Some("chunked"));
    assert_eq!(answer.body.len(), 300_000);
    client.send("GET /bytes/20000000 HTTP/1.1\r\nHost: a\r\n\r\n");
    let answer = client.answer();
    assert_eq!(answer.header("content-length"), Some("20000000"));
    assert_eq!(answer.body.len(), 20_000_000);
}

#[test]
fn answers_without_body_have_no_made_up_type() {
    let server = server();
    let mut client = server.connect();
    client.send("GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n");
    let answer = client.answer();
    assert_eq!(answer.status, 204);
    assert_eq!(answer.header("content-type"), None);
    assert_eq!(answer.header("content-length"), None);
}

#[test]
fn a_type_that_is_not_given_is_not_made_up() {
    let server = server();
    let mut client = server.connect();
    client.send("POST /type HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}");
    assert_eq!(client.answer().text(), "None");
}

#[test]
fn headers_pass_and_bad_ones_of_handlers_do_not() {
    let server = server();
    let mut client = server.connect();
    client.send("GET /header HTTP/1.1\r\nHost: a\r\nX:\t a b \t\r\n\r\n");
    let answer = client.answer();
    assert_eq!(answer.header("x-one"), Some("a b"));
    assert_eq!(answer.header("x-smuggled"), None);
    assert_eq!(answer.header("content-length"), Some("2"));
    assert_eq!(answer.text(), "ok");
    client.assert_open_and_quiet();
}

#[test]
fn targets_in_absolute_form_are_taken() {
    let server = server();
    let mut client = server.connect();
    client.send("GET http://elsewhere:99/path/x?y HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.answer().text(), "/path/x");
    // A host cannot bend the path.
    client.send("GET /path/x HTTP/1.1\r\nHost: b/hello?\r\n\r\n");
    assert_eq!(client.answer().text(), "/path/x");
}

#[test]
fn handlers_know_both_ends() {
    let server = server();
    let mut client = server.connect();
    client.send("GET /ends HTTP/1.1\r\nHost: a\r\nForwarded: for=1.2.3.4\r\n\r\n");
    let ends = format!(
        "{} {}",
        client.stream.local_addr().expect("is open"),
        server.address
    );
    assert_eq!(client.answer().text(), ends);
}

#[test]
fn a_hundred_continue_comes_when_the_handler_reads() {
    let server = server();
    let mut client = server.connect();
    let head = "HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n";
    client.send(format!("POST /echo {head}"));
    assert_eq!(client.answer().status, 100);
    client.send("abc");
    assert_eq!(client.answer().text(), "abc");
    // Whoever does not read does not ask for the body, and cannot go on behind it.
    client.send(format!("POST /ignore {head}"));
    let answer = client.answer();
    assert_eq!(answer.text(), "ignored");
    assert_eq!(answer.header("connection"), Some("close"));
    client.assert_closed();
}
