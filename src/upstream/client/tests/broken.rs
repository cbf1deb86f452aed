//! Masters that answer late, half, wrongly, or not at all.

use std::io;
use std::net::TcpListener;

use bytes::Bytes;
use hyper::Method;
use smol::block_on;

use super::fake::*;
use crate::config;
use crate::upstream::{Judged, Outgoing, OutgoingBody, Room, UpstreamError, body};

/// Settings of somebody who does not wait for an answer.
fn impatient() -> config::Upstream {
    config::Upstream {
        answer_timeout: SHORT,
        ..settings()
    }
}

fn get() -> Outgoing {
    Outgoing::new(Method::GET, "/x")
}

#[track_caller]
fn broken(error: UpstreamError, reason: &str) {
    let UpstreamError::Broken(told) = &error else {
        panic!("{error:?}");
    };
    assert!(told.contains(reason), "{told}");
    assert!(!error.is_without_effect());
}

#[test]
fn nobody_there() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = ask(&client(&url, settings()), get()).err().unwrap();
    assert!(error.is_without_effect());
    assert!(
        matches!(&error, UpstreamError::Unsent(reason) if reason.contains("refused")),
        "{error}"
    );
}

#[test]
fn an_answer_too_late() {
    let (url, master) = master(|listener| {
        let mut connection = Connection::accept(&listener);
        connection.request();
        connection.closed();
    });
    let error = ask(&client(&url, impatient()), get()).err().unwrap();
    broken(error, "OWL_MASTER_TIMEOUT");
    master.join().unwrap();
}

#[test]
fn patience_makes_the_wait_longer() {
    let (url, master) = master(|listener| {
        let mut connection = Connection::accept(&listener);
        connection.request();
        std::thread::sleep(3 * SHORT);
        connection.write(OK);
    });
    let mut request = get();
    request.patience = LONG;
    assert_eq!(
        ask(&client(&url, impatient()), request).unwrap().status,
        200
    );
    master.join().unwrap();
}

#[test]
fn answers_that_are_none() {
    let head_without_end = format!("HTTP/1.1 200 OK\r\nX-Long: {}", "x".repeat(40_000));
    for (answer, reason) in [
        ("SSH-2.0-OpenSSH_9.2\r\n\r\n", "is not HTTP"),
        ("HTTP/1.1 2OO OK\r\n\r\n", "is not HTTP"),
        ("HTTP/1.1 200 OK\r\nContent-", "disconnected"),
        (&head_without_end, "too large"),
        ("", "disconnected"),
    ] {
        let written = answer.to_owned();
        let (url, master) = master(move |listener| {
            let mut connection = Connection::accept(&listener);
            connection.request();
            connection.write(written);
        });
        let mut request = get();
        request.judged = Judged::Not;
        let error = ask(&client(&url, settings()), request).err().unwrap();
        broken(error, reason);
        master.join().unwrap();
    }
}

#[test]
fn half_a_body() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n";
    let of_9 = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf";
    for (answer, then, is_reset) in [
        (of_9, "", false),
        (of_9, "", true),
        (chunked, "", false),
        (chunked, "9\r\n", false),
        (chunked, "X\r\n", false),
        ("HTTP/1.1 200 OK\r\n\r\nhalf", "", true),
    ] {
        let (read, has_read) = smol::channel::bounded::<()>(1);
        let (url, master) = master(move |listener| {
            let mut connection = Connection::accept(&listener);
            connection.request();
            connection.write(answer);
            // A reset takes back what was not read.
            has_read.recv_blocking().unwrap();
            connection.write(then);
            if is_reset {
                connection.reset();
            }
        });
        let mut body = ask(&client(&url, settings()), get()).unwrap().body;
        assert_eq!(block_on(body.piece()).unwrap().unwrap(), "half", "{answer}");
        read.try_send(()).unwrap();
        assert!(block_on(body.piece()).is_err(), "{answer}{then}");
        master.join().unwrap();
    }
}

#[test]
fn a_body_that_stops_coming() {
    let (url, master) = master(|listener| {
        let mut connection = Connection::accept(&listener);
        connection.request();
        connection.write("HTTP/1.1 200 OK\r\n\r\nhalf");
        connection.closed();
    });
    let mut body = ask(&client(&url, impatient()), get()).unwrap().body;
    assert_eq!(block_on(body.piece()).unwrap().unwrap(), "half");
    assert!(block_on(body.piece()).is_err());
    master.join().unwrap();
}

/// A master that keeps a connection after one answer, and closes it on the next request; then
/// answers on another if it is asked to.
fn loses_second(answers_third: bool) -> (String, std::thread::JoinHandle<()>) {
    master(move |listener| {
        let mut connection = Connection::accept(&listener);
        connection.request();
        connection.write(OK);
        connection.request();
        drop(connection);
        if answers_third {
            let mut connection = Connection::accept(&listener);
            connection.request();
            connection.write("HTTP/1.1 299 OK\r\nContent-Length: 0\r\n\r\n");
        }
    })
}

#[test]
fn a_safe_request_is_sent_again_if_its_connection_was_old() {
    let (url, master) = loses_second(true);
    let client = client(&url, settings());
    assert_eq!(ask(&client, get()).unwrap().status, 200);
    assert_eq!(ask(&client, get()).unwrap().status, 299);
    master.join().unwrap();
}

#[test]
fn what_may_have_had_an_effect_is_not_sent_again() {
    let mut web_action = get();
    web_action.judged = Judged::Not;
    for request in [Outgoing::new(Method::POST, "/x"), web_action] {
        let (url, master) = loses_second(false);
        let client = client(&url, settings());
        assert_eq!(ask(&client, get()).unwrap().status, 200);
        broken(ask(&client, request).err().unwrap(), "disconnected");
        master.join().unwrap();
    }
}

#[test]
fn an_answer_before_the_end_of_the_body() {
    let (url, master) = master(|listener| {
        let mut connection = Connection::accept(&listener);
        connection.head();
        connection.write("HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\n\r\nlong");
        // What has not been read makes this a reset.
    });
    let (sender, coming) = body();
    let fill = std::thread::spawn(move || {
        let piece = Bytes::from(vec![b'x'; 100_000]);
        while sender.send_blocking(Ok(piece.clone())).is_ok() {}
    });
    let mut request = Outgoing::new(Method::PUT, "/x");
    request.body = OutgoingBody::Pieces {
        length: Some(10_000_000_000),
        pieces: coming,
    };
    let answer = ask(&client(&url, settings()), request).unwrap();
    assert_eq!(answer.status, 413);
    assert_eq!(text(answer), "long");
    // The rest of the body is not wanted.
    fill.join().unwrap();
    master.join().unwrap();
}

#[test]
fn a_body_that_breaks_off_says_nothing_of_the_master() {
    for length in [None, Some(100)] {
        let (url, master) = master(|listener| {
            let mut connection = Connection::accept(&listener);
            connection.head();
            let mut body = Vec::new();
            // It ends with a reset.
            let end = io::Read::read_to_end(&mut connection.stream, &mut body);
            assert_eq!(end.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
            String::from_utf8(body).unwrap()
        });
        let (sender, pieces) = body();
        sender.try_send(Ok("half".into())).unwrap();
        sender
            .try_send(Err(io::ErrorKind::ConnectionReset.into()))
            .unwrap();
        let mut request = Outgoing::new(Method::POST, "/x");
        request.body = OutgoingBody::Pieces { length, pieces };
        let error = ask(&client(&url, settings()), request).err().unwrap();
        assert!(matches!(error, UpstreamError::Abandoned(_)), "{error}");
        // It does not look whole.
        let came = master.join().unwrap();
        assert!(
            came.contains("half") && !came.contains("0\r\n\r\n"),
            "{came}"
        );
    }
}

#[test]
fn an_answer_that_trickles() {
    for (head, piece) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n", "x"),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "1\r\nx\r\n",
        ),
    ] {
        let (url, master) = master(move |listener| {
            let mut connection = Connection::accept(&listener);
            connection.request();
            connection.write(head);
            // Each pause is shorter than anybody would mind.
            for _ in 0..200 {
                std::thread::sleep(SHORT / 4);
                if !connection.try_write(piece) {
                    return;
                }
            }
            panic!("all of it was taken");
        });
        let answer = ask(&client(&url, impatient()), get()).unwrap();
        let error = block_on(Room::default().read(answer.body, 1000)).unwrap_err();
        assert!(error.to_string().contains("timeout"), "{error}");
        master.join().unwrap();
    }
}
