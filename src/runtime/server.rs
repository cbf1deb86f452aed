//! HTTP/1.1 on one thread: a poll loop over a few connections, requests one after another.
//!
//! No reactor thread and no timers, so that a sandboxed child is a single thread that starts in
//! a millisecond and needs no system call that makes another one.

use std::cell::RefCell;
use std::future::Future;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::RuntimeError;
use super::connection::{Io, Socket};
use super::listen::Listener;
use super::message::{INIT_LIMIT, RUN_LIMIT};
use super::proxy::Proxy;
use super::reply::Reply;
use super::signals::{Signals, timeout};
use crate::engine::logs::{EMPTY_LOG, UNMARKED};

/// Connections at once. The platform needs one or two; a further one displaces the oldest, so
/// that clients which keep theirs open or send nothing cannot lock it out.
const MAX_CONNECTIONS: usize = 8;

/// Largest request head in bytes.
const MAX_HEAD: usize = 32 * 1024;

/// Why the server ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// SIGTERM or SIGINT, or the only connection was closed.
    Asked,
    /// The action's process has ended; the code to end with.
    Gone(u8),
}

struct Peer {
    socket: Rc<Socket>,
    driver: Pin<Box<dyn Future<Output = ()>>>,
}

/// What all connections share.
struct Shared {
    proxy: RefCell<Proxy>,
    gone: RefCell<Option<u8>>,
}

/// Serves until a signal, the end of the action's process, or the end of the only connection.
pub fn serve(mut listener: Listener, proxy: Proxy, signals: &Signals) -> Result<End, RuntimeError> {
    let shared = Rc::new(Shared {
        proxy: RefCell::new(proxy),
        gone: RefCell::new(None),
    });
    let wake = Arc::new(Flag(AtomicBool::new(false)));
    let waker = Waker::from(wake.clone());
    let mut peers: Vec<Peer> = Vec::new();
    loop {
        while let Some(stream) = accept(&mut listener) {
            if peers.len() == MAX_CONNECTIONS {
                peers.remove(0);
            }
            peers.push(Peer::new(Socket::new(stream), shared.clone()));
        }
        loop {
            wake.0.store(false, Ordering::Relaxed);
            peers.retain_mut(|peer| peer.drive(&waker));
            // hyper gives way to others now and then, and asks to be driven again.
            if !wake.0.load(Ordering::Relaxed) {
                break;
            }
        }
        shared.proxy.borrow_mut().end_log();
        if let Some(code) = *shared.gone.borrow() {
            return Ok(End::Gone(code));
        }
        if signals.must_end() || (peers.is_empty() && listener.descriptor().is_none()) {
            return Ok(End::Asked);
        }
        let until_rest = shared.proxy.borrow().until_rest();
        if until_rest == Some(Duration::ZERO) {
            shared.proxy.borrow_mut().rest();
            continue;
        }
        wait(&listener, &peers, &shared, signals, until_rest)?;
        if let Some(code) = shared.proxy.borrow_mut().look_after_children() {
            return Ok(End::Gone(code));
        }
    }
}

/// A failure to take a connection concerns that connection; running out of descriptors passes.
fn accept(listener: &mut Listener) -> Option<super::listen::Stream> {
    match listener.accept() {
        Ok(stream) => stream,
        Err(error) => {
            eprintln!("cannot take a connection: {error}");
            None
        }
    }
}

fn wait(
    listener: &Listener,
    peers: &[Peer],
    shared: &Shared,
    signals: &Signals,
    longest: Option<Duration>,
) -> Result<(), RuntimeError> {
    let proxy = shared.proxy.borrow();
    let mut waits = vec![PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
    waits.extend(
        listener
            .descriptor()
            .map(|listener| PollFd::new(listener, PollFlags::POLLIN)),
    );
    waits.extend(proxy.waits());
    waits.extend(
        peers
            .iter()
            .map(|peer| PollFd::new(peer.socket.as_fd(), peer.socket.waits_for())),
    );
    match poll(&mut waits, longest.map_or(PollTimeout::NONE, timeout)) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(error) => Err(RuntimeError::Poll(error)),
    }
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Peer {
    fn new(socket: Rc<Socket>, shared: Rc<Shared>) -> Self {
        let service = service_fn(move |request| answer(shared.clone(), request));
        let connection = http1::Builder::new()
            .max_header_size(MAX_HEAD)
            // The loop notices a peer that has gone; an action that runs is not cut short for it.
            .half_close(true)
            .serve_connection(Io(socket.clone()), service);
        Peer {
            socket,
            driver: Box::pin(async move {
                // Malformed requests have been answered with 400 by hyper; a peer that went away
                // is not worth a line in the action's log.
                let _ = connection.await;
            }),
        }
    }

    /// Moves the connection on as far as it goes. False when it has ended.
    fn drive(&mut self, waker: &Waker) -> bool {
        self.socket.reset();
        self.driver.as_mut().poll(&mut Context::from_waker(waker)) == Poll::Pending
    }
}

/// Answers one request. The error makes hyper drop the connection.
async fn answer(
    shared: Rc<Shared>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Dropped> {
    let init = request.uri().path() == "/init";
    if !init && request.uri().path() != "/run" {
        let message = "The resource could not be found: this proxy has /init and /run.";
        return Ok(close(Reply::error(404, message)));
    }
    if request.method() != Method::POST {
        return Ok(close(Reply::error(
            405,
            "HTTP method not allowed, supported methods: POST",
        )));
    }
    let may_be_unmarked = request.headers().get(EMPTY_LOG) == Some(&UNMARKED);
    let body = match read(
        request.into_body(),
        if init { INIT_LIMIT } else { RUN_LIMIT },
    )
    .await
    {
        Ok(body) => body,
        Err(ReadError::TooLong(limit)) => {
            let message = format!("The request content was larger than {limit} bytes.");
            return Ok(close(Reply::error(413, &message)));
        }
        Err(ReadError::Broken) => return Err(Dropped),
    };
    // The whole of the action's work happens here, while nothing else of this process runs.
    let reply = if init {
        shared.proxy.borrow_mut().init(body)
    } else {
        shared.proxy.borrow_mut().run(body)
    };
    match reply {
        Reply::Gone(code) => {
            *shared.gone.borrow_mut() = Some(code);
            Err(Dropped)
        }
        reply => {
            let mut response = response(reply);
            if !init && may_be_unmarked && shared.proxy.borrow_mut().leave_unmarked() {
                response.headers_mut().insert(EMPTY_LOG, UNMARKED);
            }
            Ok(response)
        }
    }
}

enum ReadError {
    TooLong(u64),
    Broken,
}

/// Reads a body. What goes over the limit is read and thrown away, since closing a socket on
/// unread bytes would take the answer away from the client; more than [`INIT_LIMIT`] of that is
/// not waited for.
async fn read(mut body: Incoming, limit: u64) -> Result<Vec<u8>, ReadError> {
    let mut bytes = Vec::new();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| ReadError::Broken)?.into_data() else {
            continue;
        };
        length += data.len() as u64;
        if length <= limit {
            bytes.extend_from_slice(&data);
        } else if length > limit + INIT_LIMIT {
            return Err(ReadError::Broken);
        } else {
            bytes = Vec::new();
        }
    }
    if length > limit {
        return Err(ReadError::TooLong(limit));
    }
    Ok(bytes)
}

/// A request that was left without an answer.
#[derive(Debug)]
struct Dropped;

impl std::fmt::Display for Dropped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the request was left without an answer")
    }
}

impl std::error::Error for Dropped {}

fn response(reply: Reply) -> Response<Full<Bytes>> {
    let (status, body) = match reply {
        Reply::Answer { status, body } => (status, body),
        Reply::Gone(_) => (502, Bytes::new()),
    };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// An answer after which the connection is closed, because the body was not read.
fn close(reply: Reply) -> Response<Full<Bytes>> {
    let mut response = response(reply);
    response
        .headers_mut()
        .insert(CONNECTION, HeaderValue::from_static("close"));
    response
}
