//! Requests and answers on their way between http_types and another OpenWhisk.

use std::sync::{Arc, Mutex};

use http_types::Url;
use smol::block_on;
use smol::channel::Receiver;
use smol::io::AsyncReadExt;

use super::*;
use crate::BoxFuture;
use crate::upstream::{Exchange, IncomingBody};

/// What was sent: the request without its body, and the body until it ended or broke.
type Sent = (Outgoing, Vec<u8>, Option<io::ErrorKind>);

/// Stands in for another OpenWhisk: takes bodies, and answers 200.
#[derive(Clone, Default)]
struct Taker(Arc<Mutex<Vec<Sent>>>);

impl Exchange for Taker {
    fn send(&self, mut request: Outgoing) -> BoxFuture<'_, Result<Incoming, UpstreamError>> {
        Box::pin(async move {
            let mut body = Vec::new();
            let mut broken = None;
            if let OutgoingBody::Pieces { pieces, .. } = &mut request.body {
                while let Ok(piece) = pieces.recv().await {
                    match piece {
                        Ok(piece) => body.extend_from_slice(&piece),
                        Err(error) => broken = Some(error.kind()),
                    }
                }
            }
            self.0.lock().unwrap().push((request, body, broken));
            Ok(answer(200, &[], IncomingBody::whole("")))
        })
    }
}

/// Answers at once, whatever still comes; keeps the body's other end.
#[derive(Clone, Default)]
struct Hasty(Arc<Mutex<Option<Receiver<io::Result<Bytes>>>>>);

impl Exchange for Hasty {
    fn send(&self, request: Outgoing) -> BoxFuture<'_, Result<Incoming, UpstreamError>> {
        if let OutgoingBody::Pieces { pieces, .. } = request.body {
            *self.0.lock().unwrap() = Some(pieces);
        }
        Box::pin(async { Ok(answer(413, &[], IncomingBody::whole(""))) })
    }
}

fn answer(status: u16, headers: &[(&'static str, &[u8])], body: IncomingBody) -> Incoming {
    let mut incoming = Incoming {
        status: hyper::StatusCode::from_u16(status).unwrap(),
        headers: HeaderMap::new(),
        body,
    };
    for (name, value) in headers {
        let value = HeaderValue::from_bytes(value).unwrap();
        incoming.headers.append(*name, value);
    }
    incoming
}

fn request(method: http_types::Method, path: &str) -> http_types::Request {
    http_types::Request::new(
        method,
        Url::parse(&format!("http://localhost{path}")).unwrap(),
    )
}

fn sent(mut http: http_types::Request) -> Sent {
    let taker = Taker::default();
    let upstream = Upstream::new("http://master", taker.clone());
    let patience = Duration::from_secs(60);
    block_on(send(&upstream, &mut http, Judged::Not, patience, "here")).unwrap();
    taker.0.lock().unwrap().pop().unwrap()
}

#[test]
fn requests_go_on_as_they_are() {
    let path = "/api/v1/web/ns/p/a%20b.http/%C3%BC?x=1&x=%26";
    let mut http = request(http_types::Method::Patch, path);
    for (name, value) in [
        ("Authorization", "Basic eDp5"),
        ("Host", "gateway"),
        ("Expect", "100-continue"),
        ("Connection", "keep-alive, X-Of-Connection"),
        ("X-Of-Connection", "1"),
        ("Accept-Encoding", "br"),
        ("Cookie", "a=1"),
        ("Cookie", "b=2"),
        ("X-Owl-Via", "there"),
    ] {
        http.append_header(name, value);
    }
    let body = vec![b'x'; 100_000];
    http.set_body(&*body);
    http.insert_header("Content-Type", "text/x-own");
    let (request, came, broken) = sent(http);
    assert_eq!((request.method.as_str(), &*request.target), ("PATCH", path));
    let headers: Vec<_> = request
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    let mut sorted = headers.clone();
    sorted.sort();
    assert_eq!(
        sorted,
        [
            "accept-encoding: br",
            "authorization: Basic eDp5",
            "content-type: text/x-own",
            "cookie: a=1",
            "cookie: b=2",
            "x-owl-via: here",
        ]
    );
    assert_eq!(
        (request.judged, request.patience.as_secs()),
        (Judged::Not, 60)
    );
    let OutgoingBody::Pieces { length, .. } = request.body else {
        panic!("{request:?}");
    };
    assert_eq!(length, Some(100_000));
    assert!(came == body && broken.is_none());
}

#[test]
fn no_body_is_none() {
    let (request, ..) = sent(request(http_types::Method::Get, "/ping"));
    assert!(matches!(request.body, OutgoingBody::Empty));
    assert!(request.headers.get(CONTENT_TYPE).is_none());
}

#[test]
fn a_body_that_breaks_off_does_not_look_whole() {
    let pieces = smol::stream::iter([
        Ok(Bytes::from("half")),
        Err(io::ErrorKind::ConnectionReset.into()),
    ]);
    let mut http = request(http_types::Method::Post, "/api/v1/x");
    http.set_body(chunks::stream(pieces, None));
    let (_, came, broken) = sent(http);
    assert_eq!(came, b"half");
    assert_eq!(broken, Some(io::ErrorKind::ConnectionReset));
}

#[test]
fn an_answer_need_not_wait_for_the_body() {
    let hasty = Hasty::default();
    let upstream = Upstream::new("http://master", hasty.clone());
    let mut http = request(http_types::Method::Post, "/api/v1/x");
    http.set_body(chunks::stream(smol::stream::pending(), None));
    let sent = send(&upstream, &mut http, Judged::Not, Duration::ZERO, "here");
    assert_eq!(block_on(sent).unwrap().status, 413);
    // Nobody reads the rest of the client's body any more.
    let pieces = hasty.0.lock().unwrap().take().unwrap();
    assert!(block_on(pieces.recv()).is_err());
}

#[test]
fn answers_come_back_as_they_are() {
    let (sender, pieces) = upstream::body();
    sender.try_send(Ok("one ".into())).unwrap();
    sender.try_send(Ok("two".into())).unwrap();
    drop(sender);
    let headers: &[(&'static str, &[u8])] = &[
        ("content-type", b"text/x-own"),
        ("set-cookie", b"a=1"),
        ("set-cookie", b"b=2"),
        ("x-name", "\u{fc}".as_bytes()),
    ];
    let mut response = response(answer(299, headers, IncomingBody::new(Some(7), pieces)));
    assert_eq!(Beyond::status_of(&response), 299);
    let values = |name: &str| -> Vec<String> {
        let values = response.header(name).into_iter().flatten();
        values.map(|value| value.as_str().to_owned()).collect()
    };
    assert_eq!(values("Content-Type"), ["text/x-own"]);
    assert_eq!(values("Set-Cookie"), ["a=1", "b=2"]);
    assert_eq!(response.len(), Some(7));
    let beyond = response.ext().get::<Beyond>().unwrap();
    assert_eq!(beyond.headers, [("x-name".into(), "\u{fc}".into())]);
    assert_eq!(block_on(response.body_string()).unwrap(), "one two");
}

#[test]
fn answers_without_a_type_get_none() {
    for body in [IncomingBody::whole(""), IncomingBody::whole("text")] {
        let response = response(answer(404, &[], body));
        assert_eq!(response.status(), StatusCode::NotFound);
        assert!(response.header("Content-Type").is_none());
        assert!(response.ext().get::<Beyond>().is_none());
    }
}

#[test]
fn an_answer_that_breaks_off_does_so_here() {
    let (sender, pieces) = upstream::body();
    sender.try_send(Ok("half".into())).unwrap();
    let broken = Err(io::ErrorKind::ConnectionReset.into());
    sender.try_send(broken).unwrap();
    drop(sender);
    let mut response = response(answer(200, &[], IncomingBody::new(None, pieces)));
    let mut text = Vec::new();
    assert!(block_on(response.take_body().read_to_end(&mut text)).is_err());
    assert_eq!(text, b"half");
}

#[test]
fn only_the_key_that_was_checked_goes_on_and_none_is_printed() {
    let mut http = request(http_types::Method::Get, "/x");
    http.insert_header("Authorization", "Basic Zmlyc3Q=");
    http.append_header("Authorization", "Basic bGFzdA==");
    http.insert_header("Cookie", "session=mine");
    let (request, ..) = sent(http);
    let keys: Vec<_> = request.headers.get_all(AUTHORIZATION).iter().collect();
    assert_eq!(keys, ["Basic bGFzdA=="]);
    let printed = format!("{request:?}");
    assert!(
        !printed.contains("bGFzdA") && !printed.contains("mine"),
        "{printed}"
    );
}
