//! The HTTP/1.1 server: hyper on smol carries bytes, a [`tide::Server`] finds the handlers.
//!
//! ```text
//! socket → gate (checks heads, follows bodies, keeps the time) → hyper → exchange → tide
//! ```
//!
//! One task per connection, in which its handlers run as well: nothing is handed over between
//! tasks on the way of a request. A handler runs to its end even if its client goes away.
//!
//! What this layer refuses it answers with OpenWhisk's error body and a closed connection:
//! 400 malformed or ambiguous framing, 408 too slow, 413 body over the cap, 414 and 431 head too
//! long, 417, 501 unknown method, 503 no memory for another body, 505.

mod accept;
mod beyond;
mod body;
mod chunked;
mod connection;
mod exchange;
mod gate;
mod head;
mod in_memory;
mod passing;
mod ready;
mod refusal;
mod socket;
mod state;

pub use beyond::Beyond;
pub use body::{RequestBodyError, read_request_body};
pub use in_memory::InMemory;
pub use passing::Passing;
pub use ready::Ready;

use std::future::Future;
use std::io;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use event_listener::{Event, listener};
use smol::Async;
use smol::lock::Semaphore;

use crate::Executor;
use crate::http::client::within;
use gate::Times;
use head::Limits;
use socket::Listener;
use state::Budget;

/// How much, and for how long. The defaults suit a gateway with 512 MB.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Connections at a time. At the limit idle ones are closed, and new ones wait in the
    /// kernel's queue.
    pub max_connections: usize,
    /// Longest request target in bytes (reference section 1.9); 414 beyond.
    pub max_uri: usize,
    /// Largest head in bytes, request line included; 431 beyond.
    pub max_head: usize,
    /// Largest body in bytes (reference section 1.9); 413 beyond.
    pub max_body: u64,
    /// Bytes of all request bodies that handlers are reading or have read; 503 beyond. Should be
    /// no less than `max_body`.
    pub body_budget: u64,
    /// For a head, from its first byte to its last; 408 beyond. Also for the first byte on a new
    /// connection.
    pub head_timeout: Duration,
    /// For a connection on which nothing comes between two requests.
    pub idle_timeout: Duration,
    /// Longest pause of a client that sends a body (408) or reads an answer (closed). Below
    /// `min_rate` the pauses add up.
    pub stall_timeout: Duration,
    /// Bytes a second that a client must keep to, to be waited for without end.
    pub min_rate: u32,
    /// For requests in flight, when the server stops.
    pub grace: Duration,
}

impl Default for ServerOptions {
    fn default() -> Self {
        ServerOptions {
            max_connections: 512,
            max_uri: 8 * 1024,
            max_head: 16 * 1024,
            max_body: 50 * 1024 * 1024,
            body_budget: 96 * 1024 * 1024,
            head_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            stall_timeout: Duration::from_secs(20),
            min_rate: 1024,
            grace: Duration::from_secs(30),
        }
    }
}

/// A server that listens, on as many sockets as wanted, and serves once it is run.
pub struct Server<S> {
    executor: Executor,
    shared: Arc<Shared<S>>,
    grace: Duration,
    listeners: Vec<Listener>,
}

/// What all connections share.
struct Shared<S> {
    app: tide::Server<S>,
    limits: Limits,
    times: Times,
    budget: Arc<Budget>,
    slots: Arc<Semaphore>,
    signals: Signals,
}

impl<S: Clone + Send + Sync + 'static> Server<S> {
    /// A server for an app. Every task of it runs on the executor.
    pub fn new(executor: Executor, app: tide::Server<S>, options: ServerOptions) -> Self {
        let shared = Shared {
            app,
            limits: Limits {
                uri: options.max_uri,
                head: options.max_head,
                body: options.max_body,
            },
            times: Times {
                head: options.head_timeout,
                idle: options.idle_timeout,
                stall: options.stall_timeout,
                rate: options.min_rate,
            },
            budget: Arc::new(Budget::new(options.body_budget)),
            slots: Arc::new(Semaphore::new(options.max_connections)),
            signals: Signals::default(),
        };
        Server {
            executor,
            shared: Arc::new(shared),
            grace: options.grace,
            listeners: Vec::new(),
        }
    }

    /// Adds a listening TCP socket, its own or an inherited one. Handlers see the client's
    /// `ip:port` as `peer_addr`.
    pub fn listen(&mut self, listener: TcpListener) -> io::Result<()> {
        self.listeners.push(Listener::Tcp(Async::new(listener)?));
        Ok(())
    }

    /// Adds a listening Unix socket. Handlers see `unix` as `peer_addr`.
    pub fn listen_unix(&mut self, listener: UnixListener) -> io::Result<()> {
        self.listeners.push(Listener::Unix(Async::new(listener)?));
        Ok(())
    }

    /// What tells how many connections are open, for as long as the server runs and after it.
    pub fn connections(&self) -> Box<dyn Fn() -> usize + Send> {
        let shared = self.shared.clone();
        Box::new(move || shared.signals.open.load(Ordering::SeqCst))
    }

    /// Serves until `shutdown` is ready; then stops listening, closes idle connections, and waits
    /// for requests in flight for the grace time at most.
    ///
    /// Gives the number of connections that had to be cut off. Dropping the future cuts off all.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> usize {
        let signals = CutOff(&self.shared.signals);
        let accepting: Vec<_> = self
            .listeners
            .into_iter()
            .map(|listener| {
                let accepting =
                    accept::accept(self.executor.clone(), self.shared.clone(), listener);
                self.executor.spawn(accepting)
            })
            .collect();
        shutdown.await;
        for task in accepting {
            task.cancel().await; // Which closes the socket.
        }
        signals.0.finish.store(true, Ordering::SeqCst);
        signals.0.event.notify(usize::MAX);
        let _ = within(self.grace, signals.0.all_gone()).await;
        let left = signals.0.open.load(Ordering::SeqCst);
        if left > 0 {
            log::warn!("connections cut off, for taking longer than the grace time: {left}");
        }
        left
    }
}

/// Tells connections to end, and knows how many there are.
#[derive(Default)]
struct Signals {
    /// Notified on each change of the flags.
    event: Event,
    /// End after the request in flight.
    finish: AtomicBool,
    /// End now.
    drop: AtomicBool,
    /// There are too many: end those that are idle. Taken back when there is room.
    crowded: AtomicBool,
    open: AtomicUsize,
    /// Notified whenever one is gone.
    gone: Event,
}

/// What a connection is told.
struct Signal {
    finish: bool,
    drop: bool,
}

impl Signals {
    fn get(&self, idle: bool) -> Signal {
        Signal {
            finish: self.finish.load(Ordering::SeqCst)
                || (idle && self.crowded.load(Ordering::SeqCst)),
            drop: self.drop.load(Ordering::SeqCst),
        }
    }

    /// Asks idle connections to make room, or stops asking.
    fn set_crowded(&self, crowded: bool) {
        self.crowded.store(crowded, Ordering::SeqCst);
        if crowded {
            self.event.notify(usize::MAX);
        }
    }

    async fn all_gone(&self) {
        loop {
            listener!(self.gone => gone);
            if self.open.load(Ordering::SeqCst) == 0 {
                return;
            }
            gone.await;
        }
    }
}

/// Cuts off all connections when the server is gone, however it went.
struct CutOff<'a>(&'a Signals);

impl Drop for CutOff<'_> {
    fn drop(&mut self) {
        self.0.drop.store(true, Ordering::SeqCst);
        self.0.event.notify(usize::MAX);
    }
}
