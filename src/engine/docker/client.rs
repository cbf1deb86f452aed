//! One call of the Engine API: address, version, time limit, errors.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use event_listener::{Event, EventListener};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Method, Request, Response};
use miniserde::Deserialize;

use crate::Executor;
use crate::http::client::{Connection, ResponseStream, SendError, read_body, within};
use crate::sync::lock;

use super::error::DockerError;
use super::flavour::{Component, Flavour};
use super::host::Host;
use super::json::parse;
use super::version::{OLDEST, Version, negotiate};

/// Bytes of an answer: a list of all images of a busy host has some 100 KB.
const MAX_ANSWER: u64 = 16 << 20;

/// Time limit of most calls (reference section 7.8).
pub(super) const MINUTE: Duration = Duration::from_secs(60);

/// A Docker Engine. Cheap to clone. Each call has its own connection, so that nothing has to be
/// mended after the engine was restarted.
#[derive(Clone)]
pub struct Client {
    executor: Executor,
    host: Arc<Host>,
    spoken: Arc<Mutex<Spoken>>,
    /// Told when a call did not reach the engine, or its answer did not come.
    failed: Arc<Event>,
    /// Whether what the engine has is swept before anything is started on it again.
    away: Arc<AtomicBool>,
    /// Told when an engine that was away answers again.
    back: Arc<Event>,
}

/// How an engine is spoken to.
#[derive(Clone, Copy)]
struct Spoken {
    version: Version,
    flavour: Flavour,
}

/// One call.
pub(super) struct Call {
    /// For errors, as in `cannot {what}`.
    pub(super) what: String,
    pub(super) method: Method,
    /// Path and query, without the version.
    pub(super) path: String,
    /// A JSON document.
    pub(super) body: Option<String>,
    /// Of the whole answer, or of the head of a stream.
    pub(super) limit: Duration,
}

impl Call {
    /// A call without a body.
    pub(super) fn new(method: Method, path: impl Into<String>, what: impl Into<String>) -> Self {
        Call {
            what: what.into(),
            method,
            path: path.into(),
            body: None,
            limit: MINUTE,
        }
    }

    fn late(&self) -> DockerError {
        DockerError::TimedOut {
            what: self.what.clone(),
            seconds: self.limit.as_secs(),
        }
    }

    fn broken(&self, reason: &dyn std::error::Error) -> DockerError {
        broken(&self.what, reason)
    }
}

/// What the engine says of itself, for negotiation and checks.
#[derive(Deserialize)]
struct Versions {
    #[serde(rename = "ApiVersion")]
    api_version: String,
    #[serde(rename = "MinAPIVersion")]
    min_api_version: Option<String>,
    #[serde(rename = "Components")]
    components: Option<Vec<Component>>,
}

#[derive(Deserialize)]
struct Message {
    message: String,
}

impl Client {
    /// Finds an engine ([`Host::choose`]) and agrees with it on an API version.
    pub async fn connect(executor: Executor, host: Option<&str>) -> Result<Client, DockerError> {
        let client = Client {
            executor,
            host: Arc::new(Host::choose(host)?),
            spoken: Arc::new(Mutex::new(Spoken {
                version: OLDEST,
                flavour: Flavour::default(),
            })),
            failed: Arc::default(),
            away: Arc::default(),
            back: Arc::default(),
        };
        client.negotiate().await?;
        Ok(client)
    }

    /// Where the engine is.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The API version that was agreed on.
    pub fn version(&self) -> Version {
        lock(&self.spoken).version
    }

    /// Whose API it is.
    pub fn flavour(&self) -> Flavour {
        lock(&self.spoken).flavour
    }

    /// Agrees on an API version: the engine may be another after a restart.
    pub(super) async fn negotiate(&self) -> Result<Version, DockerError> {
        let what = "ask for the API version";
        let mut call = Call::new(Method::GET, "/version", what);
        call.limit = Duration::from_secs(10);
        // Without a version in the path, any engine answers.
        let document = within(call.limit, self.read(&call, "/version".into()))
            .await
            .map_err(|_| call.late())??;
        let versions: Versions = parse(what, &document)?;
        let version = negotiate(&versions.api_version, versions.min_api_version.as_deref())?;
        let flavour = Flavour::of(versions.components.as_deref());
        *lock(&self.spoken) = Spoken { version, flavour };
        Ok(version)
    }

    pub(super) fn executor(&self) -> &Executor {
        &self.executor
    }

    /// Makes a call and reads its whole answer.
    pub(super) async fn call(&self, call: Call) -> Result<Bytes, DockerError> {
        let read = within(call.limit, self.read(&call, self.versioned(&call.path)));
        let result = read.await.map_err(|_| call.late())?;
        if result.as_ref().is_err_and(DockerError::is_unavailable) {
            self.failed.notify(usize::MAX);
        }
        result
    }

    /// Waits until a call fails because the engine cannot be spoken to.
    pub(super) async fn has_failed(&self) {
        self.failed.listen().await;
    }

    /// What ends when the engine answers again, having been away.
    pub(super) fn return_of_engine(&self) -> EventListener {
        self.back.listen()
    }

    /// Whether the engine is away, and what it has is swept before anything is started on it again.
    pub(super) fn is_away(&self) -> bool {
        self.away.load(Ordering::Acquire)
    }

    /// The engine is away, or answers again.
    pub(super) fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::Release);
        if !away {
            self.back.notify(usize::MAX);
        }
    }

    /// Makes a call whose answer has no end. The time limit is for its head.
    pub(super) async fn stream(&self, call: Call) -> Result<ResponseStream, DockerError> {
        let (connection, response) =
            within(call.limit, self.send(&call, self.versioned(&call.path)))
                .await
                .map_err(|_| call.late())??;
        connection
            .into_stream(response)
            .await
            .map_err(|error| call.broken(&error))
    }

    /// Path with the version in front.
    pub(super) fn versioned(&self, path: &str) -> String {
        format!("/v{}{path}", self.version())
    }

    async fn read(&self, call: &Call, path: String) -> Result<Bytes, DockerError> {
        let (_connection, response) = self.send(call, path).await?;
        read_body(response.into_body(), MAX_ANSWER)
            .await
            .map_err(|error| call.broken(&error))
    }

    /// Sends a request; an answer that is an error becomes one here.
    async fn send(
        &self,
        call: &Call,
        path: String,
    ) -> Result<(Connection, Response<Incoming>), DockerError> {
        let wire = self.wire().await?;
        let mut connection = Connection::open(&self.executor, wire)
            .await
            .map_err(|error| call.broken(&error))?;
        let mut request = Request::builder()
            .method(call.method.clone())
            .uri(path)
            .header("Host", "docker");
        if call.body.is_some() {
            request = request.header("Content-Type", "application/json");
        }
        let body = call.body.clone().unwrap_or_default();
        let request = request
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| call.broken(&error))?;
        let response = connection
            .send(request)
            .await
            .map_err(|error| match error {
                SendError::Broken(error) => call.broken(&error),
                unsent => call.broken(&unsent),
            })?;
        if response.status().is_client_error() || response.status().is_server_error() {
            return Err(refused(&call.what, response).await);
        }
        Ok((connection, response))
    }

    /// A fresh connection.
    pub(super) async fn wire(&self) -> Result<Box<dyn crate::http::client::Wire>, DockerError> {
        self.host
            .connect()
            .await
            .map_err(|source| DockerError::Connect {
                host: self.host.to_string(),
                source,
            })
    }
}

/// A connection that broke.
pub(super) fn broken(what: &str, mut reason: &dyn std::error::Error) -> DockerError {
    // The innermost cause says what happened, the outer ones only where.
    while let Some(source) = reason.source() {
        reason = source;
    }
    DockerError::Broken {
        what: what.to_owned(),
        reason: reason.to_string(),
    }
}

/// The error that an answer holds.
pub(super) async fn refused(what: &str, response: Response<Incoming>) -> DockerError {
    let status = response.status().as_u16();
    let body = read_body(response.into_body(), 64 << 10).await;
    let body = body.unwrap_or_default();
    let message = match parse::<Message>(what, &body) {
        Ok(Message { message }) => message.trim().to_owned(),
        Err(_) => String::from_utf8_lossy(&body).chars().take(200).collect(),
    };
    DockerError::Refused {
        what: what.to_owned(),
        status,
        message,
    }
}
