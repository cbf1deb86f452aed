//! One HTTP/1.1 connection to a Docker Engine or a sandbox, over TCP or a Unix socket.
//!
//! Nothing in here has a time limit of its own: callers wrap what they wait for in [`within`].

mod body;
mod stream;

pub use body::{BodyError, read_body};
pub use stream::ResponseStream;

pub use crate::deadline::{TimedOut, within};

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{Request, Response};
use smol::Async;

use crate::http::bridge::Bridge;
use crate::http::sparing::Sparing;
use crate::{BoxFuture, Executor};

/// Bytes that hyper may read ahead of whoever consumes an answer. Its own default, 400 KB, is
/// much for a gateway that keeps one connection for each container.
const READ_AHEAD: usize = 64 * 1024;

/// A byte stream in both directions, whatever it runs over.
pub trait Wire: smol::io::AsyncRead + smol::io::AsyncWrite + Send + Unpin {}
impl<T: smol::io::AsyncRead + smol::io::AsyncWrite + Send + Unpin> Wire for T {}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// TCP.
    Tcp(SocketAddr),
    /// Unix socket.
    Unix(PathBuf),
}

impl Endpoint {
    /// Connects.
    pub async fn connect(&self) -> io::Result<Box<dyn Wire>> {
        Ok(match self {
            Endpoint::Tcp(address) => {
                let stream = Async::<std::net::TcpStream>::connect(*address).await?;
                // Requests are one or two small writes: waiting for more (Nagle) costs 40 ms.
                stream.get_ref().set_nodelay(true)?;
                Box::new(Sparing::new(stream))
            }
            Endpoint::Unix(path) => {
                let stream = Async::<std::os::unix::net::UnixStream>::connect(path).await?;
                Box::new(Sparing::new(stream))
            }
        })
    }
}

/// One open connection: requests go over it one after another.
pub struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    /// Drives the connection; dropped with it, which closes the socket.
    driver: smol::Task<()>,
}

/// Why a request got no answer.
pub enum SendError {
    /// Nothing of the request went out: it may be sent again on another connection.
    Unsent(Box<Request<Full<Bytes>>>),
    /// It went out, at least in part, and the connection broke before an answer, or the answer
    /// was not HTTP. The other side may have acted on it.
    Broken(hyper::Error),
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsent(_) => f.write_str("the connection was closed before the request"),
            Self::Broken(error) => write!(f, "the connection broke before an answer: {error}"),
        }
    }
}

impl fmt::Debug for SendError {
    /// Without the request: its headers and body may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsent(_) => f.write_str("Unsent"),
            Self::Broken(error) => f.debug_tuple("Broken").field(error).finish(),
        }
    }
}

impl std::error::Error for SendError {}

impl Connection {
    /// Speaks HTTP over a stream.
    pub async fn open(executor: &Executor, wire: Box<dyn Wire>) -> hyper::Result<Self> {
        let (sender, driver) = http1::Builder::new()
            .max_buf_size(READ_AHEAD)
            .handshake(Bridge::new(wire))
            .await?;
        let driver = executor.spawn(async move {
            if let Err(error) = driver.with_upgrades().await {
                log::trace!("connection ended: {error}");
            }
        });
        Ok(Connection { sender, driver })
    }

    /// Whether the other side has closed the connection, as far as is known.
    pub fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Sends a request and waits for the head of the answer.
    ///
    /// The request needs a `Host` header; the length of its body is added. An earlier answer must
    /// have been read to its end, or this waits for ever; one dropped halfway closes the
    /// connection. Dropping the returned future closes the connection too, as HTTP/1.1 has no
    /// other way to take a request back.
    pub fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> BoxFuture<'_, Result<Response<Incoming>, SendError>> {
        Box::pin(async move {
            if self.sender.ready().await.is_err() {
                return Err(SendError::Unsent(Box::new(request)));
            }
            match self.sender.try_send_request(request).await {
                Ok(response) => Ok(response),
                Err(mut error) => Err(match error.take_message() {
                    Some(request) => SendError::Unsent(Box::new(request)),
                    None => SendError::Broken(error.into_error()),
                }),
            }
        })
    }

    /// Gives the connection up to the answer that came over it last, for bodies that go on for
    /// as long as the other side lives: a `200` (Docker's logs, events, and attach without
    /// upgrade) or a `101` (attach with `Connection: Upgrade` and `Upgrade: tcp`).
    ///
    /// Fails only for a `101` that nobody asked for.
    pub async fn into_stream(self, response: Response<Incoming>) -> io::Result<ResponseStream> {
        ResponseStream::open(response, self.driver).await
    }
}

#[cfg(test)]
mod tests;
