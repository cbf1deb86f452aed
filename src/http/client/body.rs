//! Reading an answer into memory, with a bound.

use std::fmt;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};

/// Why a body could not be read.
#[derive(Debug)]
pub enum BodyError {
    /// It is longer than the limit. Reading stopped, which closes the connection.
    TooLong {
        /// Its length in bytes: the announced one (`Content-Length`), else what had come when
        /// the limit was passed.
        length: u64,
        /// Its first bytes, exactly as many as the limit allows.
        start: Bytes,
    },
    /// The connection broke before the announced end.
    Broken(hyper::Error),
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { length, start } => write!(
                f,
                "the answer has {length} bytes, more than the {} that are allowed",
                start.len()
            ),
            Self::Broken(error) => write!(f, "the answer broke off: {error}"),
        }
    }
}

impl std::error::Error for BodyError {}

/// Reads a body of at most `limit` bytes, whether it has a length, is chunked, or ends with the
/// connection (HTTP/1.0). Holds at most `limit` bytes plus one read.
///
/// Of a longer one, the first `limit` bytes are read: section 7.6 of the reference shows them.
pub async fn read_body(mut incoming: Incoming, limit: u64) -> Result<Bytes, BodyError> {
    let announced = incoming.size_hint().exact();
    let mut whole = Start::default();
    while let Some(frame) = incoming.frame().await {
        let Ok(data) = frame.map_err(BodyError::Broken)?.into_data() else {
            continue; // Trailers mean nothing here.
        };
        let came = whole.len() + data.len() as u64;
        if came > limit {
            let room = usize::try_from(limit - whole.len()).unwrap_or(data.len());
            whole.push(data.slice(..room), announced);
            return Err(BodyError::TooLong {
                length: announced.unwrap_or(came),
                start: whole.finish(),
            });
        }
        whole.push(data, announced.map(|length| length.min(limit)));
        if came == limit && announced.is_some_and(|length| length > limit) {
            return Err(BodyError::TooLong {
                length: announced.unwrap_or(came),
                start: whole.finish(),
            });
        }
    }
    Ok(whole.finish())
}

/// What has come so far. A body that came in one piece, as nearly all do, is never copied.
#[derive(Default)]
struct Start {
    first: Bytes,
    rest: Option<BytesMut>,
}

impl Start {
    fn len(&self) -> u64 {
        self.rest.as_ref().map_or(self.first.len(), BytesMut::len) as u64
    }

    /// Adds a piece; `expected` is how long the whole will be, if known.
    fn push(&mut self, data: Bytes, expected: Option<u64>) {
        match &mut self.rest {
            Some(rest) => rest.extend_from_slice(&data),
            None if self.first.is_empty() => self.first = data,
            None => {
                let together = self.first.len() + data.len();
                let expected = expected.and_then(|length| usize::try_from(length).ok());
                let mut rest = BytesMut::with_capacity(together.max(expected.unwrap_or(0)));
                rest.extend_from_slice(&self.first);
                rest.extend_from_slice(&data);
                self.first = Bytes::new();
                self.rest = Some(rest);
            }
        }
    }

    fn finish(self) -> Bytes {
        self.rest.map_or(self.first, BytesMut::freeze)
    }
}
