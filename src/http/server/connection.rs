//! One connection, from its first byte to its last.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use event_listener::EventListener;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use smol::Timer;
use smol::io::AsyncRead;

use super::body::Answer;
use super::exchange::{self, Ends};
use super::gate::Gate;
use super::socket::Socket;
use super::state::State;
use super::{Shared, Signals};
use crate::http::bridge::Bridge;
use crate::http::client::within;

/// Bytes that hyper may read ahead of a handler, and hold of an answer: its smallest settings
/// that still take a usual body in one go.
const BUFFER: usize = 64 * 1024;

/// How long, and for how many bytes, a client that was refused may go on sending. Closing at once
/// would reset the connection, and take the answer away before it is read.
const LINGER: (Duration, usize) = (Duration::from_secs(2), 16 * 1024 * 1024);

/// Reads of a lingering connection in one go: others wait for this one no longer.
const READS: usize = 64;

/// Serves a connection until either side closes it, or a signal ends it.
pub(super) async fn drive<S>(shared: Arc<Shared<S>>, socket: Socket, ends: Ends)
where
    S: Clone + Send + Sync + 'static,
{
    let state = Arc::new(State::new(shared.budget.clone()));
    let gate = Gate::new(socket, state.clone(), shared.limits, shared.times);
    let service = {
        let (shared, state) = (shared.clone(), state.clone());
        let ends = Arc::new(ends);
        service_fn(move |request| {
            let (shared, state, ends) = (shared.clone(), state.clone(), ends.clone());
            async move { Answer::Ok(exchange::serve(&shared.app, &ends, &state, request).await) }
        })
    };
    let mut connection = http1::Builder::new()
        // The gate keeps the time, to answer 408 rather than close without a word.
        .header_read_timeout(None)
        // A client may close its sending side after a request: it still gets the answer.
        .half_close(true)
        .max_buf_size(BUFFER)
        .serve_connection(Bridge::new(gate), service);

    let mut watch = Watch::new(&state, &shared.signals);
    let ended = smol::future::poll_fn(|cx| {
        loop {
            if let Poll::Ready(result) = Pin::new(&mut connection).poll(cx) {
                return Poll::Ready(Some(result));
            }
            match watch.poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Step::Look) => {}
                Poll::Ready(Step::Finish) => Pin::new(&mut connection).graceful_shutdown(),
                Poll::Ready(Step::Drop) => return Poll::Ready(None),
            }
        }
    })
    .await;
    let Some(result) = ended else {
        return;
    };
    if let Err(error) = result {
        log::debug!("connection ended: {error}");
    }
    if state.lock().unread {
        let socket = connection.into_parts().io.into_inner().into_socket();
        // However it ends: all that was to be said has been said.
        let _ = within(LINGER.0, discard(socket)).await;
    }
}

/// Reads what a client still sends, and throws it away.
async fn discard(mut socket: Socket) {
    let mut left = LINGER.1;
    smol::future::poll_fn(|cx| {
        // Only there during a poll: it would make each connection larger otherwise.
        let mut piece = [0; 4096];
        for _ in 0..READS {
            match ready!(Pin::new(&mut socket).poll_read(cx, &mut piece)) {
                Ok(n) if n > 0 && n < left => left -= n,
                _ => return Poll::Ready(()),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// What to do with a connection that waits.
enum Step {
    /// A time is up: the gate finds out which, and says so.
    Look,
    /// Close it once the request in flight, if there is one, has its answer.
    Finish,
    /// Close it.
    Drop,
}

/// Watches the clock and the signals for one connection.
struct Watch<'a> {
    state: &'a State,
    signals: &'a Signals,
    listener: Pin<Box<EventListener>>,
    /// Set early rather than exactly: it is moved only when it must go off sooner, so that a
    /// request that needs no wait costs nothing here.
    timer: Option<(Timer, Instant)>,
    finishing: bool,
    /// The gate was asked to look.
    asked: bool,
}

impl<'a> Watch<'a> {
    fn new(state: &'a State, signals: &'a Signals) -> Self {
        Watch {
            state,
            signals,
            listener: Box::pin(signals.event.listen()),
            timer: None,
            finishing: false,
            asked: false,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        while self.listener.as_mut().poll(cx).is_ready() {
            self.listener = Box::pin(self.signals.event.listen());
        }
        let signal = self.signals.get(self.state.lock().idle);
        if signal.drop {
            return Poll::Ready(Step::Drop);
        }
        if signal.finish && !self.finishing {
            self.finishing = true;
            return Poll::Ready(Step::Finish);
        }
        self.poll_clock(cx)
    }

    fn poll_clock(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        loop {
            let (read, write) = {
                let state = self.state.lock();
                (state.read_until, state.write_until)
            };
            let Some(until) = [read, write].into_iter().flatten().min() else {
                self.asked = false;
                return Poll::Pending;
            };
            let (timer, at) = self.timer.get_or_insert_with(|| (Timer::at(until), until));
            if *at > until {
                timer.set_at(until);
                *at = until;
            }
            if pin!(&mut *timer).poll(cx).is_pending() {
                self.asked = false;
                return Poll::Pending;
            }
            let now = Instant::now();
            self.timer = None;
            if until > now {
                continue; // It was set for an earlier wait.
            }
            if write.is_some_and(|write| write <= now) {
                log::debug!("connection closed: the client does not read its answer");
                return Poll::Ready(Step::Drop);
            }
            if !self.asked {
                self.asked = true;
                return Poll::Ready(Step::Look);
            }
            // Nobody looked: the handler has stopped reading, so nobody waits for the client.
            self.state.lock().read_until = None;
        }
    }
}
