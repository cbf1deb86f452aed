//! The client against servers that are raw sockets.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, StatusCode};

use super::*;

/// Longer than any of these tests takes; reached only by one that hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server for one connection, whose behaviour is a function.
fn server(serve: impl FnOnce(TcpStream) + Send + 'static) -> (Endpoint, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
    let address = listener.local_addr().expect("has an address");
    let thread = std::thread::spawn(move || {
        let (stream, _) = listener.accept().expect("accepts");
        stream.set_read_timeout(Some(PATIENCE)).expect("is open");
        serve(stream);
    });
    (Endpoint::Tcp(address), thread)
}

/// Reads one request: its head, then as many bytes as its `content-length` says.
fn read_request(stream: &mut TcpStream) -> String {
    let mut got = Vec::new();
    let mut byte = [0];
    while !got.ends_with(b"\r\n\r\n") {
        assert_eq!(stream.read(&mut byte).expect("a request comes"), 1, "cut");
        got.push(byte[0]);
    }
    let head = String::from_utf8(got).expect("is text");
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |length| length.parse().expect("is a number"));
    let mut body = vec![0; length];
    stream.read_exact(&mut body).expect("the body comes");
    head + std::str::from_utf8(&body).expect("is text")
}

/// Reads a request, then answers it with these bytes and closes.
fn answers(answer: impl Into<Vec<u8>>) -> (Endpoint, JoinHandle<()>) {
    let answer = answer.into();
    server(move |mut stream| {
        read_request(&mut stream);
        stream.write_all(&answer).expect("the client reads");
    })
}

fn post() -> Request<Full<Bytes>> {
    Request::post("/run")
        .header("host", "test")
        .body(Full::new(Bytes::from_static(b"{\"value\":{}}")))
        .expect("is a request")
}

/// Runs a test with a connection to an endpoint.
fn with_connection<T>(endpoint: &Endpoint, test: impl AsyncFnOnce(Connection) -> T) -> T {
    let executor: Executor = Arc::new(smol::Executor::new());
    smol::block_on(executor.run(async {
        within(PATIENCE, async {
            let wire = endpoint.connect().await.expect("connects");
            let connection = Connection::open(&executor, wire).await.expect("opens");
            test(connection).await
        })
        .await
        .expect("the test does not hang")
    }))
}

/// Sends one request and reads its answer.
fn exchange(answer: impl Into<Vec<u8>>, limit: u64) -> (StatusCode, Result<Bytes, BodyError>) {
    let (endpoint, thread) = answers(answer);
    let result = with_connection(&endpoint, async |mut connection| {
        let response = connection.send(post()).await.expect("is answered");
        (
            response.status(),
            read_body(response.into_body(), limit).await,
        )
    });
    thread.join().expect("the server is content");
    result
}

#[test]
fn one_connection_carries_one_request_after_another() {
    let (endpoint, thread) = server(|mut stream| {
        for _ in 0..3 {
            let request = read_request(&mut stream);
            assert!(request.starts_with("POST /run HTTP/1.1\r\n"), "{request}");
            assert!(request.ends_with("{\"value\":{}}"), "{request}");
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
                .expect("the client reads");
        }
    });
    with_connection(&endpoint, async |mut connection| {
        for _ in 0..3 {
            let response = connection.send(post()).await.expect("is answered");
            let body = read_body(response.into_body(), 100).await.expect("is read");
            assert_eq!(&body[..], b"{}");
        }
    });
    thread.join().expect("the server is content");
}

#[test]
fn http_1_0_answers_with_a_length_end_the_connection() {
    let (endpoint, thread) =
        answers(*b"HTTP/1.0 200 OK\r\nServer: BaseHTTP/0.6\r\nContent-Length: 2\r\n\r\n{}");
    with_connection(&endpoint, async |mut connection| {
        let response = connection.send(post()).await.expect("is answered");
        let body = read_body(response.into_body(), 100).await.expect("is read");
        assert_eq!(&body[..], b"{}");
        match connection.send(post()).await {
            Err(SendError::Unsent(request)) => assert_eq!(request.uri().path(), "/run"),
            other => panic!("{other:?} instead of the request given back"),
        }
        assert!(connection.is_closed());
    });
    thread.join().expect("the server is content");
}

#[test]
fn bodies_without_a_length_end_with_the_connection() {
    let (status, body) = exchange(*b"HTTP/1.0 502 Bad Gateway\r\n\r\n{\"error\":1}", 100);
    assert_eq!(status, StatusCode::BAD_GATEWAY);
    assert_eq!(&body.expect("is read")[..], b"{\"error\":1}");
    let (_, body) = exchange(*b"HTTP/1.1 200 OK\r\n\r\n", 100);
    assert!(body.expect("is read").is_empty());
}

#[test]
fn chunked_bodies_are_joined() {
    let (_, body) = exchange(
        *b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nA: b\r\n\r\n",
        7,
    );
    assert_eq!(&body.expect("is read")[..], b"abcdefg");
}

#[test]
fn a_body_of_exactly_the_limit_is_read() {
    let big = "x".repeat(300_000);
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n{big}");
    let (_, body) = exchange(answer, 300_000);
    assert_eq!(body.expect("is read"), big);
}

#[test]
fn of_a_longer_body_the_start_and_the_announced_length_are_told() {
    // The server sends no more than the limit: the client must not wait for the rest.
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 5000000000\r\n\r\n0123456789";
    let (endpoint, thread) = server(move |mut stream| {
        read_request(&mut stream);
        stream
            .write_all(answer.as_bytes())
            .expect("the client reads");
        let mut end = [0];
        // A close, or a reset: both show that the connection is gone.
        assert!(!matches!(stream.read(&mut end), Ok(1)));
    });
    let result = with_connection(&endpoint, async |mut connection| {
        let response = connection.send(post()).await.expect("is answered");
        read_body(response.into_body(), 10).await
    });
    match result {
        Err(BodyError::TooLong { length, start }) => {
            assert_eq!(length, 5_000_000_000);
            assert_eq!(&start[..], b"0123456789");
        }
        other => panic!("{other:?} instead of too long"),
    }
    thread.join().expect("the server is content");
}

#[test]
fn a_longer_chunked_body_is_cut_at_the_limit() {
    let answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nabcdef\r\n6\r\nghijkl\r\n0\r\n\r\n";
    match exchange(answer, 8).1 {
        Err(BodyError::TooLong { length, start }) => {
            assert!(length > 8, "{length}");
            assert_eq!(&start[..], b"abcdefgh");
        }
        other => panic!("{other:?} instead of too long"),
    }
}

#[test]
fn a_body_that_breaks_off_is_an_error() {
    let (_, body) = exchange(*b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", 100);
    assert!(matches!(body, Err(BodyError::Broken(_))), "{body:?}");
}

#[test]
fn a_connection_that_breaks_before_the_answer_is_broken_not_unsent() {
    for answer in ["", "HTTP/1.1 2", "garbage\r\n\r\n"] {
        let (endpoint, thread) = answers(answer);
        with_connection(&endpoint, async |mut connection| {
            let result = connection.send(post()).await;
            assert!(matches!(result, Err(SendError::Broken(_))), "{result:?}");
        });
        thread.join().expect("the server is content");
    }
}

#[test]
fn a_connection_closed_while_idle_gives_the_request_back() {
    let (endpoint, thread) = server(drop);
    with_connection(&endpoint, async |mut connection| {
        while !connection.is_closed() {
            smol::Timer::after(Duration::from_millis(1)).await;
        }
        let result = connection.send(post()).await;
        assert!(matches!(result, Err(SendError::Unsent(_))), "{result:?}");
    });
    thread.join().expect("the server is content");
}

/// Opens a stream and reads it to its end.
fn read_stream(head: &'static str, pieces: &'static [&'static str]) -> Vec<u8> {
    let (endpoint, thread) = server(move |mut stream| {
        read_request(&mut stream);
        let first = head.to_owned() + pieces[0];
        stream.write_all(first.as_bytes()).expect("is read");
        for piece in &pieces[1..] {
            std::thread::sleep(Duration::from_millis(20));
            stream.write_all(piece.as_bytes()).expect("is read");
        }
    });
    let got = with_connection(&endpoint, async |mut connection| {
        let request = Request::post("/containers/x/attach?stream=1&stdout=1&stderr=1")
            .header("host", "docker")
            .header("connection", "Upgrade")
            .header("upgrade", "tcp")
            .body(Full::default())
            .expect("is a request");
        let response = connection.send(request).await.expect("is answered");
        let mut stream = connection.into_stream(response).await.expect("is a stream");
        let mut got = Vec::new();
        while let Some(chunk) = stream.chunk().await.expect("goes on") {
            got.extend_from_slice(&chunk);
        }
        got
    });
    thread.join().expect("the server is content");
    got
}

#[test]
fn an_upgraded_answer_becomes_a_stream() {
    let got = read_stream(
        "HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n",
        &["with the head, ", "later, ", "at last"],
    );
    assert_eq!(got, b"with the head, later, at last");
}

#[test]
fn an_answer_without_end_becomes_a_stream() {
    let got = read_stream(
        "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n",
        &["", "first, ", "second"],
    );
    assert_eq!(got, b"first, second");
    let got = read_stream(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        &["3\r\nabc\r\n", "2\r\nde\r\n", "0\r\n\r\n"],
    );
    assert_eq!(got, b"abcde");
}

#[test]
fn secrets_of_a_request_do_not_show() {
    let request = Request::get("/").header("x-registry-auth", "hunter2");
    let error = SendError::Unsent(Box::new(request.body(Full::default()).expect("is one")));
    assert!(!format!("{error:?} {error}").contains("hunter2"));
}
