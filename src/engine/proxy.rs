//! Speaks `/init` and `/run` to a sandbox (reference section 7).

mod answer;
mod classify;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_lite::FutureExt;
use http_body_util::Full;
use hyper::Request;
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST};
use smol::Timer;

use crate::Executor;
use crate::entity::Response;
use crate::http::client::{Connection, SendError, Wire, within};

use super::Sandbox;
use answer::Answer;

/// Bytes that an answer to `/init` may have (reference section 7.4).
const MAX_INIT_ANSWER: u64 = 1 << 20;

/// How long an idle connection is trusted. Servers close theirs without telling: node after 5 s.
const MAX_IDLE: Duration = Duration::from_secs(3);

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
    /// A connection that nothing is under way on, and since when.
    idle: Option<(Connection, Instant)>,
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
            idle: None,
            warm: false,
        }
    }

    /// The sandbox that it speaks to.
    pub fn sandbox(&self) -> &Arc<dyn Sandbox> {
        &self.sandbox
    }

    /// Closes the connection. To be called before the sandbox is frozen (reference section 7.10).
    pub fn disconnect(&mut self) {
        self.idle = None;
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
        match within(boot.max(timeout), self.connect_booting()).await {
            Ok(Ok(wire)) => match Connection::open(&self.executor, wire).await {
                Ok(connection) => self.idle = Some((connection, Instant::now())),
                Err(error) => log::debug!("sandbox {}: {error}", self.sandbox.id()),
            },
            Ok(Err(error)) => {
                log::debug!("cannot connect to sandbox {}: {error}", self.sandbox.id());
                let ending = Ending::Unreachable;
                let out_of_memory = self.out_of_memory(&ending, true).await;
                return classify::init(ending, Duration::ZERO, timeout, out_of_memory);
            }
            Err(_) => return classify::init(Ending::TimedOut, timeout, timeout, false),
        }
        let started = Instant::now();
        let ending = self
            .exchange("/init", body, MAX_INIT_ANSWER, started + timeout)
            .await;
        let elapsed = started.elapsed();
        let out_of_memory = self.out_of_memory(&ending, elapsed < timeout).await;
        classify::init(ending, elapsed, timeout, out_of_memory)
    }

    /// Runs the action with a body of section 7.3. At most `max_response` bytes of its answer are
    /// kept (reference section 7.6).
    pub async fn run(&mut self, body: Bytes, timeout: Duration, max_response: u64) -> RunResult {
        let started = Instant::now();
        let ending = self
            .exchange("/run", body, max_response, started + timeout)
            .await;
        let elapsed = started.elapsed();
        let dead_when_warm = self.warm && matches!(ending, Ending::Unreachable);
        let ask = elapsed < timeout && !dead_when_warm;
        let out_of_memory = self.out_of_memory(&ending, ask).await;
        let mut result = classify::run(ending, elapsed, timeout, out_of_memory);
        result.retry |= dead_when_warm;
        self.warm = result.keep;
        result
    }

    async fn out_of_memory(&self, ending: &Ending, ask: bool) -> bool {
        let broken = matches!(ending, Ending::Broken | Ending::Unreachable);
        ask && broken && self.sandbox.killed_for_memory().await
    }

    async fn exchange(&mut self, path: &str, body: Bytes, max: u64, deadline: Instant) -> Ending {
        let request = Request::post(path)
            .header(HOST, "localhost:8080")
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json")
            .body(Full::new(body))
            .expect("a constant path and constant headers are valid");
        let sandbox = self.sandbox.clone();
        self.attempt(request, max)
            .or(watch(&*sandbox, deadline))
            .await
    }

    /// Sends a request, without a time limit. A connection is put back only after a whole answer:
    /// a dropped future or a broken one closes it.
    async fn attempt(&mut self, mut request: Request<Full<Bytes>>, max: u64) -> Ending {
        if let Some((mut connection, since)) = self.idle.take()
            && since.elapsed() < MAX_IDLE
            && !connection.is_closed()
        {
            match connection.send(request).await {
                Ok(response) => return self.finish(connection, response, max).await,
                Err(SendError::Unsent(unsent)) => request = *unsent,
                Err(SendError::Broken(error)) => return self.broken(&error),
            }
        }
        let connected = if request.uri().path() == "/init" {
            self.connect_booting().await
        } else {
            within(RECONNECT, self.sandbox.connect())
                .await
                .unwrap_or_else(|late| Err(late.into()))
        };
        let wire = match connected {
            Ok(wire) => wire,
            Err(error) => {
                log::debug!("cannot connect to sandbox {}: {error}", self.sandbox.id());
                return Ending::Unreachable;
            }
        };
        let mut connection = match Connection::open(&self.executor, wire).await {
            Ok(connection) => connection,
            Err(error) => return self.broken(&error),
        };
        match connection.send(request).await {
            Ok(response) => self.finish(connection, response, max).await,
            Err(SendError::Unsent(_)) => Ending::Unreachable,
            Err(SendError::Broken(error)) => self.broken(&error),
        }
    }

    async fn finish(
        &mut self,
        connection: Connection,
        response: hyper::Response<hyper::body::Incoming>,
        max: u64,
    ) -> Ending {
        match Answer::read(response, max).await {
            Ok(answer) => {
                if answer.truncated.is_none() {
                    self.idle = Some((connection, Instant::now()));
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

/// Ends when the time limit passes or the sandbox is gone, whichever is first.
async fn watch(sandbox: &dyn Sandbox, deadline: Instant) -> Ending {
    loop {
        let now = Instant::now();
        if now >= deadline {
            return Ending::TimedOut;
        }
        let gone = sandbox.has_exited();
        Timer::at(deadline.min(now + EXIT_CHECK)).await;
        // Asked before the pause: an answer that was sent before the end is still on its way.
        if gone {
            return Ending::Broken;
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
