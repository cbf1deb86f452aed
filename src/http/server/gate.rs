//! The gate between the socket and hyper: lets through one checked request at a time.
//!
//! hyper asks for bytes; it gets a head only when that is complete and checked, then exactly the
//! bytes of its body. A request that is refused is replaced by a plain one, for which the service
//! finds the refusal in the [`State`]: so the answer has OpenWhisk's form, and comes behind the
//! answers to earlier, pipelined requests.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use smol::io::{AsyncRead, AsyncWrite};

use super::chunked::Chunked;
use super::head::{self, Framing, Limits};
use super::refusal::Refusal;
use super::socket::Socket;
use super::state::State;
use crate::http::patience::Patience;

/// Stands in for a request that is refused.
const PLACEHOLDER: &[u8] = b"GET / HTTP/1.1\r\nhost: owl\r\nconnection: close\r\n\r\n";

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// A head, from its first byte to its last.
    pub(super) head: Duration,
    /// Nothing at all between two requests. Before the first one, the time of a head counts.
    pub(super) idle: Duration,
    /// Full patience with a body that does not come, or an answer that is not read.
    pub(super) stall: Duration,
    /// Bytes a second that refill the patience.
    pub(super) rate: u32,
}

/// A socket of which only checked requests can be read.
pub(super) struct Gate {
    socket: Socket,
    state: Arc<State>,
    limits: Limits,
    times: Times,
    stage: Stage,
    /// Read from the socket, and not handed on yet: part of a head, or what came behind a body.
    held: BytesMut,
    writing: Patience,
    /// No request has come yet.
    is_fresh: bool,
}

enum Stage {
    /// Waiting for a head, or for the rest of one.
    Head {
        /// When its first byte came, or when the wait for it began.
        since: Option<Instant>,
        /// How much of `held` has been searched for its end.
        searched: usize,
    },
    /// Handing on the first `left` bytes of `held`; then comes the body.
    Checked { left: usize, body: Body },
    /// Handing on a body.
    Body { body: Body, waiting: Patience },
    /// Nothing more is read.
    Closed,
}

/// What is left of a body.
#[derive(Clone, Copy)]
enum Body {
    Length(u64),
    Chunked(Chunked),
}

impl Body {
    fn new(framing: Framing, limits: &Limits) -> Self {
        match framing {
            Framing::Empty => Body::Length(0),
            Framing::Length(length) => Body::Length(length),
            Framing::Chunked => Body::Chunked(Chunked::new(limits.body)),
        }
    }

    /// How many of these bytes belong to the body.
    fn take(&mut self, bytes: &[u8]) -> Result<usize, Refusal> {
        match self {
            Body::Length(left) => {
                let taken = usize::try_from(*left)
                    .unwrap_or(usize::MAX)
                    .min(bytes.len());
                *left -= taken as u64;
                Ok(taken)
            }
            Body::Chunked(chunked) => chunked.advance(bytes),
        }
    }

    fn is_done(&self) -> bool {
        match self {
            Body::Length(left) => *left == 0,
            Body::Chunked(chunked) => chunked.is_done(),
        }
    }
}

const NEXT: Stage = Stage::Head {
    since: None,
    searched: 0,
};

impl Gate {
    pub(super) fn new(socket: Socket, state: Arc<State>, limits: Limits, times: Times) -> Self {
        Gate {
            socket,
            state,
            limits,
            times,
            stage: NEXT,
            held: BytesMut::new(),
            writing: Patience::new(times.stall, times.rate),
            is_fresh: true,
        }
    }

    /// The socket itself.
    pub(super) fn into_socket(self) -> Socket {
        self.socket
    }

    /// Keeps the time of a client that does not read its answer.
    fn wrote(&mut self, result: &Poll<io::Result<usize>>) {
        match result {
            Poll::Pending => {
                self.state.lock().write_until = Some(self.writing.wait(Instant::now()));
            }
            Poll::Ready(Ok(n)) => {
                // Only a client that was waited for costs a look at the clock.
                if self.state.lock().write_until.take().is_some() {
                    self.writing.progress(Instant::now(), *n);
                }
            }
            Poll::Ready(Err(_)) => {}
        }
    }

    /// What follows a checked head.
    fn go_on(&mut self, body: Body) {
        self.is_fresh = false;
        self.stage = if body.is_done() {
            NEXT
        } else {
            Stage::Body {
                body,
                waiting: Patience::new(self.times.stall, self.times.rate),
            }
        };
    }

    /// Refuses a request whose head has not been handed on.
    fn refuse(&mut self, refusal: Refusal) {
        log::debug!("request refused: {} {}", refusal.status, refusal.message);
        self.state.lock().refused_head = Some(refusal);
        self.held = BytesMut::from(PLACEHOLDER);
        self.stage = Stage::Checked {
            left: PLACEHOLDER.len(),
            body: Body::Length(0),
        };
    }

    /// Refuses a request whose handler is reading the body.
    fn refuse_body(&mut self, refusal: Refusal, kind: io::ErrorKind) -> io::Error {
        log::debug!("body refused: {} {}", refusal.status, refusal.message);
        let error = io::Error::new(kind, refusal.message.clone());
        self.state.lock().refused_body = Some(refusal);
        self.stage = Stage::Closed;
        error
    }

    /// Reads from the socket. No longer than until `until`: then it gives nothing.
    fn poll_socket(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut [u8],
        idle: bool,
        until: impl FnOnce(Instant) -> Instant,
    ) -> Poll<io::Result<Option<usize>>> {
        let result = Pin::new(&mut self.socket).poll_read(cx, out);
        let mut state = self.state.lock();
        match result {
            Poll::Ready(result) => {
                state.read_until = None;
                state.idle = false;
                Poll::Ready(result.map(Some))
            }
            Poll::Pending => {
                let now = Instant::now();
                let until = until(now);
                if until <= now {
                    state.read_until = None;
                    return Poll::Ready(Ok(None));
                }
                state.read_until = Some(until);
                state.idle = idle;
                Poll::Pending
            }
        }
    }

    /// Goes on with a head; afterwards there is another stage, or none for an end.
    fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut [u8],
        since: Option<Instant>,
        searched: usize,
    ) -> Poll<io::Result<Option<usize>>> {
        // Empty lines before a request are a courtesy to old clients (RFC 9112 section 2.2).
        while self.held.starts_with(b"\r\n") {
            self.held.advance(2);
        }
        if let Some(end) = head::find_end(&self.held, searched) {
            match head::check(&self.held[..end], &self.limits) {
                Ok(framing) => {
                    let body = Body::new(framing, &self.limits);
                    self.stage = Stage::Checked { left: end, body };
                }
                Err(refusal) => self.refuse(refusal),
            }
            return Poll::Ready(Ok(None));
        }
        if let Err(refusal) = head::check_partial(&self.held, &self.limits) {
            self.refuse(refusal);
            return Poll::Ready(Ok(None));
        }
        let searched = self.held.len();
        let is_empty = self.held.is_empty();
        // A connection on which nothing ever came is not idle: its client may be about to send.
        let is_idle = is_empty && !self.is_fresh;
        let time = if is_idle {
            self.times.idle
        } else {
            self.times.head
        };
        let mut began = since;
        let got = self.poll_socket(cx, out, is_idle, |now| *began.get_or_insert(now) + time);
        self.stage = Stage::Head {
            since: began,
            searched,
        };
        match ready!(got)? {
            Some(0) | None if is_empty => {
                self.stage = Stage::Closed;
                return Poll::Ready(Ok(Some(0)));
            }
            Some(0) => self.refuse(Refusal::bad("The request ends within its head.")),
            None => self.refuse(Refusal::too_slow()),
            // The usual case: a whole request in one read, which is handed on where it is.
            Some(n) if is_empty => match self.whole(&out[..n]) {
                Some(taken) => {
                    self.held.extend_from_slice(&out[taken..n]);
                    return Poll::Ready(Ok(Some(taken)));
                }
                None => {
                    self.held.extend_from_slice(&out[..n]);
                    self.stage = Stage::Head {
                        since: Some(Instant::now()),
                        searched: 0,
                    };
                }
            },
            Some(n) => self.held.extend_from_slice(&out[..n]),
        }
        Poll::Ready(Ok(None))
    }

    /// If these bytes begin with a head that is in order: how many belong to it and its body.
    fn whole(&mut self, bytes: &[u8]) -> Option<usize> {
        let end = head::find_end(bytes, 0)?;
        let framing = head::check(&bytes[..end], &self.limits).ok()?;
        let mut body = Body::new(framing, &self.limits);
        let taken = body.take(&bytes[end..]).ok()?;
        self.go_on(body);
        Some(end + taken)
    }

    /// Hands on bytes of a body.
    fn poll_body(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut [u8],
        mut body: Body,
        mut waiting: Patience,
    ) -> Poll<io::Result<usize>> {
        let n = if self.held.is_empty() {
            let got = self.poll_socket(cx, out, false, |now| waiting.wait(now));
            self.stage = Stage::Body { body, waiting };
            match ready!(got)? {
                Some(0) => {
                    let refusal = Refusal::bad("The request ends within its body.");
                    let error = self.refuse_body(refusal, io::ErrorKind::UnexpectedEof);
                    return Poll::Ready(Err(error));
                }
                None => {
                    let error = self.refuse_body(Refusal::too_slow(), io::ErrorKind::TimedOut);
                    return Poll::Ready(Err(error));
                }
                Some(n) => n,
            }
        } else {
            let n = self.held.len().min(out.len());
            self.held.copy_to_slice(&mut out[..n]);
            n
        };
        match body.take(&out[..n]) {
            Ok(taken) => {
                if taken < n {
                    // A next request. Most often nothing is held, and this copies little.
                    let rest = std::mem::take(&mut self.held);
                    self.held = BytesMut::from(&out[taken..n]);
                    self.held.extend_from_slice(&rest);
                }
                if body.is_done() {
                    self.stage = NEXT;
                } else {
                    waiting.progress(Instant::now(), n);
                    self.stage = Stage::Body { body, waiting };
                }
                Poll::Ready(Ok(taken))
            }
            Err(refusal) => {
                let error = self.refuse_body(refusal, io::ErrorKind::InvalidData);
                Poll::Ready(Err(error))
            }
        }
    }
}

impl AsyncRead for Gate {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let gate = self.get_mut();
        if out.is_empty() {
            return Poll::Ready(Ok(0));
        }
        loop {
            match gate.stage {
                Stage::Head { since, searched } => {
                    if let Some(n) = ready!(gate.poll_head(cx, out, since, searched))? {
                        return Poll::Ready(Ok(n));
                    }
                }
                Stage::Checked { left, body } => {
                    let n = left.min(out.len());
                    gate.held.copy_to_slice(&mut out[..n]);
                    if n < left {
                        let left = left - n;
                        gate.stage = Stage::Checked { left, body };
                    } else if gate.state.lock().refused_head.is_some() {
                        gate.stage = Stage::Closed;
                    } else {
                        gate.go_on(body);
                    }
                    return Poll::Ready(Ok(n));
                }
                Stage::Body { body, waiting } => return gate.poll_body(cx, out, body, waiting),
                Stage::Closed => return Poll::Ready(Ok(0)),
            }
        }
    }
}

impl AsyncWrite for Gate {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let gate = self.get_mut();
        let result = Pin::new(&mut gate.socket).poll_write(cx, bytes);
        gate.wrote(&result);
        result
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let gate = self.get_mut();
        let result = Pin::new(&mut gate.socket).poll_write_vectored(cx, pieces);
        gate.wrote(&result);
        result
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_close(cx)
    }
}
