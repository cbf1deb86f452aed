//! Sends an image to the engine while it is being written, without holding it in memory.

use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_lite::Stream;
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::http1;
use hyper::{Request, Response};
use smol::channel::{Receiver, Sender, bounded};

use crate::blocking::unblock;
use crate::http::bridge::Bridge;
use crate::http::client::{read_body, within};

use super::super::client::{Client, broken, refused};
use super::super::error::DockerError;
use super::super::images::PULL_LIMIT;

/// Bytes that are handed over at once.
const PIECE: usize = 64 << 10;

/// Pieces on the way.
const PIECES: usize = 4;

/// Bytes of the answer: some lines of progress.
const MAX_ANSWER: u64 = 1 << 20;

/// Posts what `write` writes, which runs on a thread of its own, and gives the answer's body.
pub(super) async fn post(
    client: &Client,
    what: &str,
    path: &str,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static,
) -> Result<Bytes, DockerError> {
    let exchange = async {
        let (sender, receiver) = bounded(PIECES);
        let writer = unblock(move || send_all(&sender, write));
        let response = async {
            let wire = client.wire().await?;
            let (mut connection, driver) = http1::handshake(Bridge::new(wire))
                .await
                .map_err(|error| broken(what, &error))?;
            // Ends with this future.
            let _driver = client.executor().spawn(driver);
            let request = Request::post(client.versioned(path))
                .header("Host", "docker")
                .header("Content-Type", "application/x-tar")
                .body(Pieces(Box::pin(receiver)))
                .map_err(|error| broken(what, &error))?;
            let response: Response<Incoming> = connection
                .send_request(request)
                .await
                .map_err(|error| broken(what, &error))?;
            if !response.status().is_success() {
                return Err(refused(what, response).await);
            }
            read_body(response.into_body(), MAX_ANSWER)
                .await
                .map_err(|error| broken(what, &error))
        };
        let answer = response.await;
        match writer.await.flatten() {
            // What went wrong while writing says more than the upload that broke of it.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(DockerError::Pack {
                what: "the image".to_owned(),
                reason: error.to_string(),
            }),
            _ => answer,
        }
    };
    within(PULL_LIMIT, exchange).await.unwrap_or_else(|_| {
        Err(DockerError::TimedOut {
            what: what.to_owned(),
            seconds: PULL_LIMIT.as_secs(),
        })
    })
}

/// Runs the writer, and ends the body with an error if it fails.
fn send_all(
    sender: &Sender<io::Result<Bytes>>,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let mut out = io::BufWriter::with_capacity(PIECE, Handover(sender));
    let result = write(&mut out).and_then(|()| out.flush());
    if let Err(error) = &result {
        // Whoever received may be gone, and then nobody needs to know.
        drop(sender.send_blocking(Err(io::Error::new(error.kind(), "writing failed"))));
    }
    result
}

/// Hands what is written over to the connection.
struct Handover<'a>(&'a Sender<io::Result<Bytes>>);

impl Write for Handover<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = Bytes::copy_from_slice(&bytes[..bytes.len().min(PIECE)]);
        let written = piece.len();
        self.0
            .send_blocking(Ok(piece))
            .map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A request body that comes piece by piece.
struct Pieces(Pin<Box<Receiver<io::Result<Bytes>>>>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.0
            .as_mut()
            .poll_next(context)
            .map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}
