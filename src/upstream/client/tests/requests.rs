//! What goes out is what was asked for, and nothing else.

use bytes::Bytes;
use hyper::Method;

use super::fake::*;
use crate::upstream::{Outgoing, OutgoingBody, UpstreamError, body};

/// Head and body of a request as the master sees it, without its host.
fn seen(request: Outgoing) -> (String, Vec<u8>) {
    let (url, master) = master(|listener| {
        let mut connection = Connection::accept(&listener);
        let request = connection.request();
        connection.write(OK);
        request
    });
    ask(&client(&url, settings()), request).unwrap();
    let (head, body) = master.join().unwrap();
    let host = format!("host: {}\r\n", url.strip_prefix("http://").unwrap());
    assert!(head.contains(&host), "{head}");
    (head.replace(&host, ""), body)
}

fn pieces(length: Option<u64>, pieces: &[&'static str]) -> OutgoingBody {
    let (sender, coming) = body();
    for piece in pieces {
        sender
            .try_send(Ok(Bytes::from_static(piece.as_bytes())))
            .unwrap();
    }
    OutgoingBody::Pieces {
        length,
        pieces: coming,
    }
}

#[test]
fn nothing_is_added() {
    let mut request = Outgoing::new(Method::GET, "/api/v1/a%2Fb?x=1&y=%26");
    for (name, value) in [("accept", "text/x-own"), ("cookie", "a"), ("cookie", "b")] {
        request.headers.append(name, value.parse().unwrap());
    }
    let (head, body) = seen(request);
    assert_eq!(
        head,
        "GET /api/v1/a%2Fb?x=1&y=%26 HTTP/1.1\r\naccept: text/x-own\r\ncookie: a\r\ncookie: b\r\n\r\n"
    );
    assert!(body.is_empty());
    let (head, _) = seen(Outgoing::new(Method::OPTIONS, "/"));
    assert_eq!(head, "OPTIONS / HTTP/1.1\r\n\r\n");
}

#[test]
fn bodies_are_framed_as_they_were_announced() {
    let two = ["one ", "two"];
    for (method, sent, framing, expected) in [
        (Method::POST, OutgoingBody::Empty, "content-length: 0", ""),
        (Method::PUT, OutgoingBody::Empty, "content-length: 0", ""),
        (Method::DELETE, OutgoingBody::Empty, "", ""),
        (
            Method::POST,
            OutgoingBody::Whole("whole".into()),
            "content-length: 5",
            "whole",
        ),
        (
            Method::GET,
            OutgoingBody::Whole("whole".into()),
            "content-length: 5",
            "whole",
        ),
        (
            Method::PUT,
            pieces(Some(7), &two),
            "content-length: 7",
            "one two",
        ),
        (
            Method::DELETE,
            pieces(Some(7), &two),
            "content-length: 7",
            "one two",
        ),
        (
            Method::PATCH,
            pieces(None, &two),
            "transfer-encoding: chunked",
            "one two",
        ),
        (
            Method::GET,
            pieces(None, &two),
            "transfer-encoding: chunked",
            "one two",
        ),
        (
            Method::POST,
            pieces(None, &[]),
            "transfer-encoding: chunked",
            "",
        ),
    ] {
        let mut request = Outgoing::new(method.clone(), "/x");
        let what = format!("{method} {sent:?}");
        request.body = sent;
        let (head, body) = seen(request);
        let framing = match framing {
            "" => String::new(),
            framing => format!("{framing}\r\n"),
        };
        assert_eq!(
            head,
            format!("{method} /x HTTP/1.1\r\n{framing}\r\n"),
            "{what}"
        );
        assert_eq!(body, expected.as_bytes(), "{what}");
    }
}

#[test]
fn what_cannot_be_sent_says_nothing_of_the_master() {
    let client = client("http://127.0.0.1:1", settings());
    let error = ask(&client, Outgoing::new(Method::GET, "/a b")).err();
    assert!(
        matches!(error, Some(UpstreamError::Abandoned(_))),
        "{error:?}"
    );
}

#[test]
fn large_bodies_go_through_in_both_directions() {
    const PIECES: usize = 200;
    let (url, master) = master(|listener| {
        let mut connection = Connection::accept(&listener);
        let (_, body) = connection.request();
        connection.write(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
            body.len()
        ));
        connection.write(body);
    });
    let piece = Bytes::from(vec![b'x'; 50_000]);
    let (sender, coming) = body();
    let sent = piece.clone();
    let fill = std::thread::spawn(move || {
        for _ in 0..PIECES {
            sender.send_blocking(Ok(sent.clone())).unwrap();
        }
    });
    let mut request = Outgoing::new(Method::POST, "/x");
    request.body = OutgoingBody::Pieces {
        length: Some((PIECES * piece.len()) as u64),
        pieces: coming,
    };
    let answer = ask(&client(&url, settings()), request).unwrap();
    assert_eq!(answer.body.length, Some(10_000_000));
    let text = text(answer);
    assert!(text.len() == 10_000_000 && text.bytes().all(|byte| byte == b'x'));
    fill.join().unwrap();
    master.join().unwrap();
}

#[test]
fn connections_are_used_again() {
    let (url, master) = master(|listener| {
        let mut connection = Connection::accept(&listener);
        for _ in 0..3 {
            connection.request();
            connection.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
        // Closed here; what comes next needs another.
        drop(connection);
        let mut connection = Connection::accept(&listener);
        connection.request();
        connection.write(OK);
    });
    let client = client(&url, settings());
    for _ in 0..3 {
        let answer = ask(&client, Outgoing::new(Method::GET, "/x")).unwrap();
        assert_eq!(text(answer), "ok");
    }
    ask(&client, Outgoing::new(Method::POST, "/x")).unwrap();
    master.join().unwrap();
}
