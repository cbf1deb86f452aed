//! Answers that go on for as long as the other side lives.

use std::io;
use std::pin::Pin;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::{Response, StatusCode};
use smol::future::poll_fn;
use smol::io::AsyncRead;

use super::Wire;
use crate::http::bridge::Bridge;

/// Bytes read at once from an upgraded connection.
const PIECE: usize = 8 * 1024;

/// The body of an answer together with the connection that it comes over.
///
/// Dropping it closes the connection. Made by [`super::Connection::into_stream`].
pub struct ResponseStream {
    source: Source,
    /// Keeps the connection moving.
    _driver: smol::Task<()>,
}

enum Source {
    /// Chunked, with a length, or until the connection ends.
    Body(Incoming),
    /// The connection itself, after a `101`.
    Raw {
        /// Came together with the head of the answer.
        first: Bytes,
        wire: Box<dyn Wire>,
    },
}

impl ResponseStream {
    pub(super) async fn open(
        response: Response<Incoming>,
        driver: smol::Task<()>,
    ) -> io::Result<Self> {
        let source = if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            let upgraded = hyper::upgrade::on(response)
                .await
                .map_err(io::Error::other)?;
            let parts = upgraded
                .downcast::<Bridge<Box<dyn Wire>>>()
                .map_err(|_| io::Error::other("the upgraded connection is not of this client"))?;
            Source::Raw {
                first: parts.read_buf,
                wire: parts.io.into_inner(),
            }
        } else {
            Source::Body(response.into_body())
        };
        Ok(ResponseStream {
            source,
            _driver: driver,
        })
    }

    /// The next bytes, as they came; none at the end. May be dropped and called again: nothing
    /// is lost.
    pub async fn chunk(&mut self) -> io::Result<Option<Bytes>> {
        match &mut self.source {
            Source::Body(body) => loop {
                match body.frame().await {
                    None => return Ok(None),
                    Some(Err(error)) => return Err(io::Error::other(error)),
                    Some(Ok(frame)) => {
                        if let Ok(data) = frame.into_data() {
                            return Ok(Some(data));
                        }
                    }
                }
            },
            Source::Raw { first, wire } => {
                if !first.is_empty() {
                    return Ok(Some(std::mem::take(first)));
                }
                poll_fn(|cx| {
                    // On the stack for the time of one poll: an idle stream holds no buffer.
                    let mut piece = [0; PIECE];
                    Pin::new(&mut *wire)
                        .poll_read(cx, &mut piece)
                        .map_ok(|n| (n > 0).then(|| Bytes::copy_from_slice(&piece[..n])))
                })
                .await
            }
        }
    }
}
