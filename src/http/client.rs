//! One HTTP/1.1 connection to a Docker Engine or a sandbox, over TCP or a Unix socket.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{Request, Response};
use smol::Async;
use smol_hyper::rt::FuturesIo;

use crate::{BoxFuture, Executor};

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
    /// Connects, with no time limit of its own: wrap it in one.
    pub async fn connect(&self) -> io::Result<Box<dyn Wire>> {
        Ok(match self {
            Endpoint::Tcp(address) => {
                let stream = Async::<std::net::TcpStream>::connect(*address).await?;
                // Requests are one or two small writes: waiting for more (Nagle) costs 40 ms.
                stream.get_ref().set_nodelay(true)?;
                Box::new(stream)
            }
            Endpoint::Unix(path) => {
                Box::new(Async::<std::os::unix::net::UnixStream>::connect(path).await?)
            }
        })
    }
}

/// One open connection: requests go over it one after another.
pub struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    /// Drives the connection; dropped with it, which closes the socket.
    _driver: smol::Task<()>,
}

/// Why a request got no answer.
#[derive(Debug)]
pub enum SendError {
    /// Nothing of the request went out: it may be sent again on another connection.
    Unsent(Box<Request<Full<Bytes>>>),
    /// It went out, at least in part, and the connection broke before an answer.
    Broken(hyper::Error),
}

impl Connection {
    /// Speaks HTTP over a stream. `upgrades` are possible (Docker's hijacked attach).
    pub async fn open(executor: &Executor, wire: Box<dyn Wire>) -> hyper::Result<Self> {
        let (sender, driver) = http1::Builder::new()
            // Keeps header names as sent; answers of sandboxes are small.
            .max_headers(128)
            .handshake(FuturesIo::new(wire))
            .await?;
        let driver = executor.spawn(async move {
            if let Err(error) = driver.with_upgrades().await {
                log::trace!("connection ended: {error}");
            }
        });
        Ok(Connection {
            sender,
            _driver: driver,
        })
    }

    /// Whether the other side has closed the connection, as far as is known.
    pub fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Sends a request and waits for the head of the answer. No time limit of its own.
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
}
