//! Whoever does not wait any more costs nothing any more.

use bytes::Bytes;
use hyper::Method;
use smol::channel::{Receiver, Sender, bounded};
use smol::{block_on, future};

use super::fake::*;
use crate::config;
use crate::upstream::{Client, Exchange, Outgoing, OutgoingBody, UpstreamError, body};

/// A client with one thread, and a master that answers nothing but tells when its connections are
/// made and closed.
fn silent(answer: &'static str) -> (Client, Receiver<()>, Receiver<()>) {
    let (asked, is_asked) = bounded(8);
    let (closed, is_closed) = bounded(8);
    let (url, _) = master(move |listener| {
        loop {
            let mut connection = Connection::accept(&listener);
            connection.head();
            connection.write(answer);
            asked.send_blocking(()).unwrap();
            connection.closed();
            closed.send_blocking(()).unwrap();
        }
    });
    let settings = config::Upstream {
        forwards: 1,
        ..settings()
    };
    (client(&url, settings), is_asked, is_closed)
}

/// Sends a request until something comes, then gives it up.
fn give_up(client: &Client, request: Outgoing, is_asked: &Receiver<()>) {
    let asked = async { is_asked.recv().await.unwrap() };
    let answered = async {
        let _ = client.send(request).await;
        panic!("nobody has answered");
    };
    block_on(future::or(asked, answered));
}

fn coming(length: Option<u64>) -> (Sender<std::io::Result<Bytes>>, Outgoing) {
    let (sender, pieces) = body();
    let mut request = Outgoing::new(Method::POST, "/x");
    request.body = OutgoingBody::Pieces { length, pieces };
    (sender, request)
}

#[test]
fn while_the_answer_is_waited_for() {
    let (client, is_asked, is_closed) = silent("");
    // More often than there are threads.
    for _ in 0..3 {
        give_up(&client, Outgoing::new(Method::POST, "/x"), &is_asked);
        is_closed.recv_blocking().unwrap();
    }
}

#[test]
fn while_the_body_is_waited_for() {
    let (client, is_asked, is_closed) = silent("");
    for length in [None, Some(9)] {
        let (sender, request) = coming(length);
        give_up(&client, request, &is_asked);
        is_closed.recv_blocking().unwrap();
        assert!(sender.is_closed());
    }
}

#[test]
fn while_the_answer_comes() {
    let (client, is_asked, is_closed) = silent("HTTP/1.1 200 OK\r\n\r\nhalf");
    for _ in 0..3 {
        let mut answer = ask(&client, Outgoing::new(Method::GET, "/x")).unwrap();
        assert_eq!(block_on(answer.body.piece()).unwrap().unwrap(), "half");
        is_asked.recv_blocking().unwrap();
        drop(answer);
        is_closed.recv_blocking().unwrap();
    }
}

#[test]
fn while_nobody_takes_the_answer() {
    let (url, master) = master(|listener| {
        let mut connection = Connection::accept(&listener);
        connection.request();
        let head = b"HTTP/1.1 200 OK\r\n\r\n";
        let stream = connection.stream.get_mut();
        std::io::Write::write_all(stream, head).unwrap();
        // More than all that lies between takes; ends when the other side is gone.
        while std::io::Write::write_all(stream, &[b'x'; 100_000]).is_ok() {}
    });
    let answer = ask(&client(&url, settings()), Outgoing::new(Method::GET, "/x")).unwrap();
    assert_eq!(answer.status, 200);
    drop(answer);
    master.join().unwrap();
}

#[test]
fn who_waits_in_line_is_told_so() {
    let (url, master) = master(|listener| {
        let mut connection = Connection::accept(&listener);
        connection.head();
        connection.closed();
    });
    let settings = config::Upstream {
        forwards: 1,
        connect_timeout: SHORT,
        ..settings()
    };
    let client = client(&url, settings);
    let get = || Outgoing::new(Method::GET, "/x");
    block_on(async {
        let mut first = client.send(get());
        let mut second = client.send(get());
        assert!(future::poll_once(&mut first).await.is_none());
        assert!(future::poll_once(&mut second).await.is_none());
        // The line is full.
        let third = client.send(get()).await;
        assert_eq!(third.err(), Some(UpstreamError::Busy));
        // The first takes longer than one waits in line.
        assert_eq!(second.await.err(), Some(UpstreamError::Busy));
        drop(first);
    });
    master.join().unwrap();
}

#[test]
fn only_the_own_connection_is_given_up() {
    let (asked, is_asked) = bounded(1);
    let (go, goes_on) = bounded::<()>(1);
    let (url, master) = master(move |listener| {
        let mut connection = Connection::accept(&listener);
        connection.request();
        connection.write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst");
        connection.request();
        asked.send_blocking(()).unwrap();
        goes_on.recv_blocking().unwrap();
        connection.write("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond");
    });
    let client = client(&url, settings());
    let get = || Outgoing::new(Method::GET, "/x");
    let mut first = ask(&client, get()).unwrap();
    assert_eq!(block_on(first.body.piece()).unwrap().unwrap(), "first");
    assert!(block_on(first.body.piece()).unwrap().is_none());
    let second = client.send(get());
    let gives_up = async {
        is_asked.recv().await.unwrap();
        // Its connection is the second's by now.
        drop(first);
        go.send(()).await.unwrap();
    };
    let (second, ()) = block_on(future::zip(second, gives_up));
    assert_eq!(text(second.unwrap()), "second");
    master.join().unwrap();
}

#[test]
fn idle_connections_are_closed_at_rest() {
    let (closed, is_closed) = bounded(1);
    let (url, _) = master(move |listener| {
        let mut connection = Connection::accept(&listener);
        connection.request();
        connection.write(OK);
        connection.closed();
        closed.send_blocking(()).unwrap();
    });
    let client = client(&url, settings());
    ask(&client, Outgoing::new(Method::GET, "/x")).unwrap();
    client.carrier.agents.close_idle();
    is_closed.recv_blocking().unwrap();
}
