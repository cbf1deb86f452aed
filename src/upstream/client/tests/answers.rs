//! What comes back is what was answered.

use hyper::Method;

use super::fake::*;
use crate::upstream::{Incoming, Outgoing};

fn answered(method: Method, answer: &'static str) -> Incoming {
    let (url, master) = master(move |listener| {
        let mut connection = Connection::accept(&listener);
        connection.request();
        connection.write(answer);
    });
    let answer = ask(&client(&url, settings()), Outgoing::new(method, "/x")).unwrap();
    master.join().unwrap();
    answer
}

fn headers(incoming: &Incoming) -> Vec<String> {
    let mut headers: Vec<_> = incoming
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    headers.sort();
    headers
}

#[test]
fn headers_but_those_of_the_connection() {
    let answer = answered(
        Method::GET,
        "HTTP/1.1 404 Not There\r\nConnection: close, X-One\r\nX-One: 1\r\nKeep-Alive: 5\r\n\
         Set-Cookie: a\r\nSet-Cookie: b\r\nServer: s\r\nContent-Length: 4\r\n\r\nbody",
    );
    assert_eq!(answer.status, 404);
    let expected = [
        "content-length: 4",
        "server: s",
        "set-cookie: a",
        "set-cookie: b",
    ];
    assert_eq!(headers(&answer), expected);
    assert_eq!(answer.body.length, Some(4));
    assert_eq!(text(answer), "body");
}

#[test]
fn nothing_is_followed_or_unpacked() {
    let answer = answered(
        Method::GET,
        "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 4\r\n\r\nbody",
    );
    assert_eq!(answer.status, 302);
    assert_eq!(answer.headers["location"], "http://127.0.0.1:1/");
    assert_eq!(text(answer), "body");
    let answer = answered(
        Method::GET,
        "HTTP/1.1 307 Again\r\nLocation: /y\r\nContent-Length: 0\r\n\r\n",
    );
    assert_eq!((answer.status.as_u16(), &*text(answer)), (307, ""));
    let answer = answered(
        Method::GET,
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nbody",
    );
    assert_eq!(answer.headers["content-encoding"], "gzip");
    assert_eq!(text(answer), "body");
}

#[test]
fn every_form_of_body() {
    let chunked = "HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n";
    let until_the_end = "HTTP/1.0 502 No\r\n\r\nbody";
    for (answer, status) in [(chunked, 500), (until_the_end, 502)] {
        let answer = answered(Method::GET, answer);
        assert_eq!((answer.status.as_u16(), answer.body.length), (status, None));
        assert_eq!(text(answer), "body");
    }
    let answer = answered(Method::DELETE, "HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!((answer.status.as_u16(), &*text(answer)), (204, ""));
    let answer = answered(
        Method::GET,
        "HTTP/1.1 103 Hints\r\n\r\nHTTP/1.1 299 Own\r\n\r\n",
    );
    assert_eq!((answer.status.as_u16(), &*text(answer)), (299, ""));
    // The length is that of the body that a GET would get.
    let answer = answered(Method::HEAD, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n");
    assert_eq!(answer.body.length, Some(9));
    assert_eq!(text(answer), "");
}

#[test]
fn what_nobody_has_asked_for_is_nobody_s_answer() {
    let stray = "HTTP/1.1 299 Stray\r\nContent-Length: 0\r\n\r\n";
    let (url, master) = master(move |listener| {
        for answer in [OK.to_owned() + stray, OK.to_owned()] {
            let mut connection = Connection::accept(&listener);
            connection.request();
            connection.write(answer);
        }
    });
    let client = client(&url, settings());
    for _ in 0..2 {
        let answer = ask(&client, Outgoing::new(Method::GET, "/x")).unwrap();
        assert_eq!(answer.status, 200);
    }
    master.join().unwrap();
}
