//! A small client of OWL's own API, for `owl demo`: one connection that is kept open.

use std::fmt;
use std::io::BufRead;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Method, Request};

use crate::Executor;
use crate::http::client::{Connection, Endpoint, read_body, within};

/// Largest answer that is read.
const MAX_ANSWER: u64 = 16 << 20;

/// What failed, in words for a person.
#[derive(Debug)]
pub struct RestError(pub String);

impl fmt::Display for RestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for RestError {}

/// An answer, read to its end.
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Body.
    pub body: Bytes,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Result<serde_json::Value, RestError> {
        serde_json::from_slice(&self.body)
            .map_err(|error| RestError(format!("the answer is not JSON: {error}")))
    }
}

/// A client of one daemon.
pub struct Rest {
    executor: Executor,
    address: SocketAddr,
    authorization: String,
    connection: Option<Connection>,
}

impl Rest {
    /// A client with the credentials `uuid:key`.
    pub fn new(executor: Executor, address: SocketAddr, credentials: &str) -> Self {
        Rest {
            executor,
            address,
            authorization: format!("Basic {}", STANDARD.encode(credentials)),
            connection: None,
        }
    }

    /// Sends a request and reads the answer. `path` follows `/api/v1/namespaces/_/`.
    pub async fn send(
        &mut self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<Answer, RestError> {
        let what = format!("{method} {path}");
        let request = Request::builder()
            .method(method)
            .uri(format!("/api/v1/namespaces/_/{path}"))
            .header("host", self.address.to_string())
            .header("authorization", &self.authorization)
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| RestError(format!("{what}: {error}")))?;
        let exchange = async {
            let connection = self.connection().await?;
            let response = connection
                .send(request)
                .await
                .map_err(|error| format!("{error:?}"))?;
            let status = response.status().as_u16();
            let body = read_body(response.into_body(), MAX_ANSWER)
                .await
                .map_err(|error| format!("{error:?}"))?;
            Ok::<_, String>(Answer { status, body })
        };
        match within(Duration::from_secs(90), exchange).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(RestError(format!("{what}: {error}"))),
            Err(_) => Err(RestError(format!("{what}: no answer within 90 seconds"))),
        }
    }

    /// The same, for an answer that must have this status.
    pub async fn expect(
        &mut self,
        status: u16,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<Answer, RestError> {
        let answer = self.send(method.clone(), path, body).await?;
        if answer.status == status {
            return Ok(answer);
        }
        let text = String::from_utf8_lossy(&answer.body);
        Err(RestError(format!(
            "{method} {path} was answered with {}: {text}",
            answer.status
        )))
    }

    async fn connection(&mut self) -> Result<&mut Connection, String> {
        if self
            .connection
            .as_ref()
            .is_none_or(|connection| connection.is_closed())
        {
            let wire = Endpoint::Tcp(self.address)
                .connect()
                .await
                .map_err(|error| format!("cannot connect to {}: {error}", self.address))?;
            let connection = Connection::open(&self.executor, wire)
                .await
                .map_err(|error| error.to_string())?;
            self.connection = Some(connection);
        }
        Ok(self.connection.as_mut().expect("it was just made"))
    }
}

/// A daemon that was started as a child; killed when dropped.
pub struct Daemon {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    /// From its start to its listening.
    pub start_time: Duration,
}

impl Daemon {
    /// Starts `owl serve` of this very binary with these variables in its environment, and waits
    /// until it listens. Its warnings and errors go to standard error.
    pub fn start(environment: &[(&str, String)]) -> Result<Daemon, RestError> {
        let failed = |what: String| RestError(format!("cannot start the daemon: {what}"));
        let binary = std::env::current_exe().map_err(|error| failed(error.to_string()))?;
        let clock = Instant::now();
        let mut child = Command::new(binary)
            .arg("serve")
            // What a file sets is not for a daemon that is given its settings here.
            .env_remove("OWL_CONFIG")
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| failed(error.to_string()))?;
        let log = child.stderr.take().expect("it was asked for");
        let (sender, receiver) = mpsc::channel();
        // Ends with the child: its standard error closes.
        std::thread::spawn(move || {
            for line in std::io::BufReader::new(log).lines().map_while(Result::ok) {
                if let Some((_, address)) = line.split_once("listening on http://") {
                    let _ = sender.send(address.trim().parse::<SocketAddr>());
                } else if !line.contains("INFO") && !line.contains("DEBUG") {
                    eprintln!("  daemon: {line}");
                }
            }
        });
        match receiver.recv_timeout(Duration::from_secs(20)) {
            Ok(Ok(address)) => Ok(Daemon {
                child,
                address,
                start_time: clock.elapsed(),
            }),
            other => {
                let _ = child.kill();
                let _ = child.wait();
                Err(failed(match other {
                    Ok(Err(error)) => format!("it listens on an unknown address: {error}"),
                    _ => "it ended, or did not listen within 20 seconds; see above".to_string(),
                }))
            }
        }
    }

    /// Sends SIGTERM and waits for the end, which must be a clean one.
    pub fn stop(mut self) -> Result<(), RestError> {
        let pid = nix::unistd::Pid::from_raw(self.child.id() as i32);
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        match self.child.wait() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(RestError(format!("the daemon ended with {status}"))),
            Err(error) => Err(RestError(format!("cannot wait for the daemon: {error}"))),
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
