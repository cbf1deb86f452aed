//! The answer of a sandbox, read with a bound.

use bytes::Bytes;
use hyper::Response;
use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, TRANSFER_ENCODING};

use crate::engine::logs::{EMPTY_LOG, UNMARKED};
use crate::http::client::{BodyError, read_body};

/// How large an answer may be, and how much is told of a larger one (reference section 7.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of a whole answer.
    pub max: u64,
    /// Bytes that are kept of one that is too long.
    pub kept: u64,
}

impl Bounds {
    /// As much is kept as an answer may have.
    pub const fn same(max: u64) -> Self {
        Bounds { max, kept: max }
    }

    /// What is kept of a body that is too long.
    pub(super) fn cut(self, mut start: Bytes, length: u64) -> (Bytes, Option<TooLong>) {
        start.truncate(usize::try_from(self.kept.min(self.max)).unwrap_or(usize::MAX));
        let max = self.max;
        (start, Some(TooLong { length, max }))
    }
}

/// A body that is too long.
#[derive(Clone, Copy, Debug)]
pub(super) struct TooLong {
    /// Its length.
    pub(super) length: u64,
    /// What it may have.
    pub(super) max: u64,
}

/// Status and body.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// The body, or its start if it is too long.
    pub(super) body: Bytes,
    /// Of a body that is too long. Its rest was not read: the connection is gone.
    pub(super) truncated: Option<TooLong>,
    /// There was no body, and nothing that said so: the server just closed the connection.
    pub(super) absent: bool,
    /// The proxy says that nothing was printed, and prints no sentinels.
    pub(super) log_is_empty: bool,
}

impl Answer {
    /// Reads a body within bounds.
    pub(super) async fn read(
        response: Response<Incoming>,
        bounds: Bounds,
    ) -> Result<Answer, hyper::Error> {
        let (head, incoming) = response.into_parts();
        let (body, truncated) = match read_body(incoming, bounds.max).await {
            Ok(body) => (body, None),
            Err(BodyError::TooLong { length, start }) => bounds.cut(start, length),
            Err(BodyError::Broken(error)) => return Err(error),
        };
        let announced = head.headers.contains_key(CONTENT_LENGTH)
            || head.headers.contains_key(TRANSFER_ENCODING);
        Ok(Answer {
            status: head.status.as_u16(),
            absent: body.is_empty() && !announced,
            body,
            truncated,
            log_is_empty: head.headers.get(EMPTY_LOG) == Some(&UNMARKED),
        })
    }
}
