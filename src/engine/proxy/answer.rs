//! The answer of a sandbox, read with a bound.

use bytes::Bytes;
use hyper::Response;
use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, TRANSFER_ENCODING};

use crate::http::client::{BodyError, read_body};

/// Status and body.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// The body, or its start if it is too long.
    pub(super) body: Bytes,
    /// The length of a body that is too long. Its rest was not read: the connection is gone.
    pub(super) truncated: Option<u64>,
    /// There was no body, and nothing that said so: the server just closed the connection.
    pub(super) absent: bool,
}

impl Answer {
    /// Reads a body of at most `max` bytes.
    pub(super) async fn read(
        response: Response<Incoming>,
        max: u64,
    ) -> Result<Answer, hyper::Error> {
        let (head, incoming) = response.into_parts();
        let (body, truncated) = match read_body(incoming, max).await {
            Ok(body) => (body, None),
            Err(BodyError::TooLong { length, start }) => (start, Some(length)),
            Err(BodyError::Broken(error)) => return Err(error),
        };
        let announced = head.headers.contains_key(CONTENT_LENGTH)
            || head.headers.contains_key(TRANSFER_ENCODING);
        Ok(Answer {
            status: head.status.as_u16(),
            absent: body.is_empty() && !announced,
            body,
            truncated,
        })
    }
}
