//! Speaks `/init` and `/run` to a sandbox (reference section 7).

mod answer;
mod classify;
mod keep_alive;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_lite::FutureExt;
use http_body_util::Full;
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, Uri};
use serde_json::value::RawValue;
use smol::Timer;

use crate::Executor;
use crate::deadline;
use crate::entity::Response;
use crate::http::client::{Connection, SendError, Wire, within};

use super::Sandbox;
use super::logs::{EMPTY_LOG, UNMARKED};
pub use answer::Bounds;

use answer::Answer;
use keep_alive::KeepAlive;

/// Bytes that an answer to `/init` may have (reference section 7.4).
const INIT_ANSWER: Bounds = Bounds::same(1 << 20);

/// Pauses between attempts to connect to a sandbox that is booting: short at first, since they
/// add to a cold start; the last one repeats (reference section 7.4).
const BOOT_PAUSES: [u64; 6] = [1, 2, 5, 10, 20, 50];

/// How long connecting to a sandbox that answered before may take.
const RECONNECT: Duration = Duration::from_secs(5);

/// How often to look whether the sandbox has ended while it owes an answer. A container that is
/// killed may take its end of the connection along without a word.
const EXIT_CHECK: Duration = Duration::from_millis(250);

/// One run, classified (reference section 7.5).
#[derive(Clone, Debug)]
pub struct RunResult {
    /// The outcome.
    pub response: Response,
    /// The time limit passed: annotation `timeout`.
    pub timed_out: bool,
    /// The sandbox may be used again.
    pub keep: bool,
    /// The run did not happen: the sandbox was dead when a warm one was expected, or is shutting
    /// down (503). The activation may run elsewhere; `response` is for when it may not.
    pub retry: bool,
    /// Nothing was printed, and no sentinels will come.
    pub log_is_empty: bool,
}

/// Why `/init` did not succeed (reference section 7.4). The sandbox must go.
#[derive(Clone, Debug)]
pub struct ActionFailure {
    /// The outcome of the activation.
    pub response: Response,
    /// The time limit passed: annotation `timeout`.
    pub timed_out: bool,
    /// The sandbox is shutting down (503): the activation may start elsewhere. The caller bounds
    /// how often.
    pub retry: bool,
}

/// How an exchange with a sandbox ended.
#[derive(Debug)]
enum Ending {
    /// With an answer.
    Answer(Answer),
    /// The time limit passed before the whole answer was there.
    TimedOut,
    /// The request went out, at least in part, and no usable answer came.
    Broken,
    /// Nothing went out: there is no connection to be had.
    Unreachable,
}

/// The platform's end of the protocol with one sandbox. One request at a time; its connection is
/// kept open between requests.
pub struct Proxy {
    executor: Executor,
    sandbox: Arc<dyn Sandbox>,
    keep_alive: KeepAlive,
    /// A run went well, and none badly since: if the sandbox cannot be reached now, then it died
    /// while idle and not of what the next action does.
    warm: bool,
}

impl Proxy {
    /// A proxy for a sandbox that was just started.
    pub fn new(executor: Executor, sandbox: Arc<dyn Sandbox>) -> Proxy {
        Proxy {
            executor,
            sandbox,
            keep_alive: KeepAlive::new(),
            warm: false,
        }
    }

    /// A proxy for a sandbox that was initialised, and has run well, for an earlier process of
    /// the daemon.
    pub fn of_warm(executor: Executor, sandbox: Arc<dyn Sandbox>) -> Proxy {
        Proxy {
            warm: true,
            ..Proxy::new(executor, sandbox)
        }
    }

    /// The sandbox that it speaks to.
    pub fn sandbox(&self) -> &Arc<dyn Sandbox> {
        &self.sandbox
    }

    /// Closes the connection. To be called before the sandbox is frozen (reference section 7.10).
    pub fn disconnect(&mut self) {
        self.keep_alive.close();
    }

    /// Initialises the sandbox with a body of section 7.2.
    ///
    /// It may take `boot` to accept a connection (or `timeout`, if that is longer), and `timeout`
    /// from then on: the boot of a runtime on a slow device is not the action's fault.
    pub async fn init(
        &mut self,
        body: Bytes,
        boot: Duration,
        timeout: Duration,
    ) -> Result<(), ActionFailure> {
        let connection = match within(boot.max(timeout), self.connect_booting()).await {
            Ok(Ok(wire)) => self.open(wire).await,
            Ok(Err(error)) => Err(self.unreachable(&error)),
            Err(_) => return classify::init(Ending::TimedOut, timeout, timeout, false),
        };
        let started = Instant::now();
        let ending = match connection {
            Ok(connection) => {
                let request = request("/init", body);
                let deadline = started + timeout;
                let ending = self
                    .exchange(request, Some(connection), INIT_ANSWER, deadline)
                    .await;
                // The first run has a connection of its own. To wait and see whether this one
                // stays open would cost more.
                self.keep_alive.close();
                ending
            }
            Err(ending) => ending,
        };
        let elapsed = started.elapsed();
        let out_of_memory = self.out_of_memory(&ending, elapsed < timeout).await;
        classify::init(ending, elapsed, timeout, out_of_memory)
    }

    /// Runs the action with a body of section 7.3.
    pub async fn run(&mut self, body: Bytes, timeout: Duration, bounds: Bounds) -> RunResult {
        let started = Instant::now();
        let connection = self.keep_alive.take().await;
        let mut request = request("/run", body);
        request.headers_mut().insert(EMPTY_LOG, UNMARKED);
        let ending = self
            .exchange(request, connection, bounds, started + timeout)
            .await;
        let elapsed = started.elapsed();
        let dead_when_warm = self.warm && matches!(ending, Ending::Unreachable);
        let ask = elapsed < timeout && !dead_when_warm;
        let out_of_memory = self.out_of_memory(&ending, ask).await;
        let log_is_empty = matches!(&ending, Ending::Answer(answer) if answer.log_is_empty);
        let mut result = classify::run(ending, elapsed, timeout, out_of_memory);
        result.log_is_empty = log_is_empty;
        result.retry |= dead_when_warm;
        self.warm = result.keep;
        result
    }

    async fn out_of_memory(&self, ending: &Ending, ask: bool) -> bool {
        let broken = matches!(ending, Ending::Broken | Ending::Unreachable);
        ask && broken && self.sandbox.killed_for_memory().await
    }

    /// Sends a request, over a connection that is there or a new one, until a time limit.
    async fn exchange(
        &mut self,
        request: Request<Full<Bytes>>,
        connection: Option<Connection>,
        bounds: Bounds,
        deadline: Instant,
    ) -> Ending {
        let sandbox = self.sandbox.clone();
        let sent = AtomicBool::new(false);
        self.attempt(request, connection, bounds, &sent)
            .or(watch(&*sandbox, deadline, &sent))
            .await
    }

    /// Sends a request, without a time limit. A connection is put back only after a whole answer:
    /// a dropped future or a broken one closes it.
    async fn attempt(
        &mut self,
        mut request: Request<Full<Bytes>>,
        connection: Option<Connection>,
        bounds: Bounds,
        sent: &AtomicBool,
    ) -> Ending {
        if let Some(mut connection) = connection {
            sent.store(true, Ordering::Relaxed);
            match connection.send(request).await {
                Ok(response) => return self.finish(connection, response, bounds).await,
                Err(SendError::Unsent(unsent)) => request = *unsent,
                Err(SendError::Broken(error)) => return self.broken(&error),
            }
            sent.store(false, Ordering::Relaxed);
        }
        if self.sandbox.has_exited() {
            return self.unreachable(&io::ErrorKind::NotConnected.into());
        }
        let connected = within(RECONNECT, self.sandbox.connect()).await;
        let connection = match connected.unwrap_or_else(|late| Err(late.into())) {
            Ok(wire) => self.open(wire).await,
            Err(error) => Err(self.unreachable(&error)),
        };
        let mut connection = match connection {
            Ok(connection) => connection,
            Err(ending) => return ending,
        };
        sent.store(true, Ordering::Relaxed);
        match connection.send(request).await {
            Ok(response) => self.finish(connection, response, bounds).await,
            Err(SendError::Unsent(_)) => self.unreachable(&io::ErrorKind::NotConnected.into()),
            Err(SendError::Broken(error)) => self.broken(&error),
        }
    }

    async fn open(&self, wire: Box<dyn Wire>) -> Result<Connection, Ending> {
        Connection::open(&self.executor, wire)
            .await
            .map_err(|error| self.broken(&error))
    }

    async fn finish(
        &mut self,
        connection: Connection,
        response: hyper::Response<hyper::body::Incoming>,
        bounds: Bounds,
    ) -> Ending {
        match Answer::read(response, bounds).await {
            Ok(answer) => {
                if answer.truncated.is_none() {
                    self.keep_alive.put(connection);
                }
                Ending::Answer(answer)
            }
            Err(error) => self.broken(&error),
        }
    }

    fn broken(&self, error: &hyper::Error) -> Ending {
        log::debug!("connection to sandbox {} broke: {error}", self.sandbox.id());
        Ending::Broken
    }

    fn unreachable(&self, error: &io::Error) -> Ending {
        log::debug!("cannot connect to sandbox {}: {error}", self.sandbox.id());
        Ending::Unreachable
    }

    /// Connects to a sandbox whose server may not listen yet. The caller sets the time limit.
    async fn connect_booting(&self) -> io::Result<Box<dyn Wire>> {
        let last = BOOT_PAUSES[BOOT_PAUSES.len() - 1];
        let mut pauses = BOOT_PAUSES.into_iter();
        loop {
            match self.sandbox.connect().await {
                Err(error) if is_booting(&error) && !self.sandbox.has_exited() => {
                    let pause = pauses.next().unwrap_or(last);
                    Timer::after(Duration::from_millis(pause)).await;
                }
                result => return result,
            }
        }
    }
}

/// A request of the protocol.
fn request(path: &'static str, body: Bytes) -> Request<Full<Bytes>> {
    const JSON: HeaderValue = HeaderValue::from_static("application/json");
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = Uri::from_static(path);
    let headers = request.headers_mut();
    headers.insert(HOST, HeaderValue::from_static("localhost:8080"));
    headers.insert(CONTENT_TYPE, JSON);
    headers.insert(ACCEPT, JSON);
    request
}

/// Ends when the time limit passes or the sandbox is gone, whichever is first.
async fn watch(sandbox: &dyn Sandbox, until: Instant, sent: &AtomicBool) -> Ending {
    loop {
        let now = Instant::now();
        if now >= until {
            return Ending::TimedOut;
        }
        let gone = sandbox.has_exited();
        deadline::at(until.min(now + EXIT_CHECK)).await;
        // Asked before the pause: an answer that was sent before the end is still on its way.
        if gone {
            return match sent.load(Ordering::Relaxed) {
                true => Ending::Broken,
                false => Ending::Unreachable,
            };
        }
    }
}

/// Whether a failed attempt to connect means that nobody listens yet: refused, no route, or a
/// Unix socket that does not exist yet.
fn is_booting(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::NotFound
    )
}

/// What a result means that came without a sandbox: the same as an answer to `/run` with it.
pub fn response(result: Box<RawValue>, bounds: Bounds) -> Response {
    let body = Bytes::from(String::from(Box::<str>::from(result)));
    let length = body.len() as u64;
    let (body, truncated) = match length > bounds.max {
        true => bounds.cut(body, length),
        false => (body, None),
    };
    classify::run_answer(&Answer {
        status: 200,
        body,
        truncated,
        absent: false,
        log_is_empty: false,
    })
}
