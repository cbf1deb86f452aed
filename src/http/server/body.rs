//! Bodies on their way between hyper and tide, piece by piece.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body as _, Frame, Incoming, SizeHint};
use smol::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead};

use super::passing::Passing;
use super::refusal::Refusal;
use super::state::State;

/// Largest piece of an answer that is copied at once.
const PIECE: usize = 64 * 1024;

/// What a body that is passed on takes at most: what hyper reads ahead, and the pieces that wait
/// to go on.
pub(super) const IN_PASSING: u64 = 192 * 1024;

/// A request body as tide reads it. Nothing is read from the client before the handler asks.
pub(super) struct RequestBody {
    incoming: Option<Incoming>,
    /// Came, and was not consumed yet.
    piece: Bytes,
    /// Data bytes that have come.
    came: u64,
    state: Arc<State>,
    passing: Option<Passing>,
}

impl RequestBody {
    pub(super) fn new(incoming: Incoming, state: Arc<State>, passing: Option<Passing>) -> Self {
        RequestBody {
            incoming: Some(incoming),
            piece: Bytes::new(),
            came: 0,
            state,
            passing,
        }
    }

    /// Takes memory for what has come and, as far as it is announced, for what will.
    fn reserve(&self, announced: Option<u64>) -> io::Result<()> {
        let total = match announced {
            Some(left) => self.came + left,
            // In steps, so that small chunks do not each ask anew.
            None => (self.came + 1).next_multiple_of(PIECE as u64),
        };
        let is_passing = self.passing.as_ref().is_some_and(Passing::get);
        let total = if is_passing {
            total.min(IN_PASSING)
        } else {
            total
        };
        if self.state.reserve(total) {
            return Ok(());
        }
        let refusal = Refusal::overloaded();
        let error = io::Error::new(io::ErrorKind::OutOfMemory, refusal.message.clone());
        self.state.lock().refused_body = Some(refusal);
        Err(error)
    }
}

impl AsyncBufRead for RequestBody {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let body = self.get_mut();
        while body.piece.is_empty() {
            let Some(incoming) = &mut body.incoming else {
                break;
            };
            if incoming.is_end_stream() {
                body.incoming = None;
                break;
            }
            let announced = incoming.size_hint().exact();
            body.reserve(announced)?;
            let Some(incoming) = &mut body.incoming else {
                break;
            };
            match ready!(Pin::new(incoming).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        body.came += data.len() as u64;
                        body.piece = data;
                    }
                }
                Some(Err(error)) => {
                    body.incoming = None;
                    return Poll::Ready(Err(io::Error::other(error)));
                }
                None => body.incoming = None,
            }
        }
        Poll::Ready(Ok(&body.piece))
    }

    fn consume(self: Pin<&mut Self>, amount: usize) {
        let piece = &mut self.get_mut().piece;
        bytes::Buf::advance(piece, amount.min(piece.len()));
    }
}

impl AsyncRead for RequestBody {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let piece = ready!(self.as_mut().poll_fill_buf(cx))?;
        let n = piece.len().min(out.len());
        out[..n].copy_from_slice(&piece[..n]);
        self.consume(n);
        Poll::Ready(Ok(n))
    }
}

impl Drop for RequestBody {
    /// Leaves what was not read to the connection, which knows whether reading on is worth it.
    fn drop(&mut self) {
        if let Some(incoming) = self.incoming.take().filter(|body| !body.is_end_stream()) {
            let mut state = self.state.lock();
            state.read_until = None;
            state.dropped = Some(incoming);
        }
    }
}

/// A response body as hyper reads it.
pub(super) enum ResponseBody {
    /// In memory, or through.
    Whole(Bytes),
    /// From tide.
    Reader {
        reader: Box<dyn AsyncBufRead + Unpin + Send + Sync>,
        /// Bytes to come, if known.
        left: Option<u64>,
    },
}

impl ResponseBody {
    pub(super) fn whole(bytes: Bytes) -> Self {
        ResponseBody::Whole(bytes)
    }

    /// From tide, which knows the length of all but streams.
    pub(super) fn from_tide(body: http_types::Body) -> Self {
        match body.len() {
            Some(0) => Self::whole(Bytes::new()),
            length => ResponseBody::Reader {
                left: length.map(|length| length as u64),
                reader: body.into_reader(),
            },
        }
    }
}

impl hyper::body::Body for ResponseBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let body = self.get_mut();
        let data = match body {
            ResponseBody::Whole(bytes) => std::mem::take(bytes),
            ResponseBody::Reader { reader, left } => {
                let most = left.map_or(PIECE, |left| {
                    usize::try_from(left).map_or(PIECE, |left| left.min(PIECE))
                });
                let piece = match ready!(Pin::new(&mut *reader).poll_fill_buf(cx)) {
                    Ok(piece) => &piece[..piece.len().min(most)],
                    Err(error) => return Poll::Ready(Some(Err(error))),
                };
                let data = Bytes::copy_from_slice(piece);
                Pin::new(reader).consume(data.len());
                match left {
                    Some(left) if data.is_empty() && *left > 0 => {
                        return Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into())));
                    }
                    Some(left) => *left -= data.len() as u64,
                    None => {}
                }
                data
            }
        };
        Poll::Ready((!data.is_empty()).then(|| Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, ResponseBody::Whole(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            ResponseBody::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            ResponseBody::Reader { left, .. } => left.map(SizeHint::with_exact).unwrap_or_default(),
        }
    }
}

/// Why a request body could not be read; made by [`read_request_body`].
#[derive(Debug)]
pub enum RequestBodyError {
    /// It is longer than the limit: the announced length in bytes, or what had come.
    TooLong(u64),
    /// It broke off, came too slowly, was malformed, or there is no memory for it. The server
    /// answers for the handler then, whatever it returns: 400, 408, 413 or 503.
    Failed(io::Error),
}

impl fmt::Display for RequestBodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong(length) => write!(f, "the body of {length} bytes is too long"),
            Self::Failed(error) => write!(f, "the body cannot be read: {error}"),
        }
    }
}

impl std::error::Error for RequestBodyError {}

/// Reads a request body of at most `limit` bytes into one piece of memory of the right size.
///
/// One that announces more is not read at all.
pub async fn read_request_body(
    mut body: http_types::Body,
    limit: u64,
) -> Result<Vec<u8>, RequestBodyError> {
    let announced = body.len().map(|length| length as u64);
    if let Some(length) = announced.filter(|length| *length > limit) {
        return Err(RequestBodyError::TooLong(length));
    }
    let room = announced.and_then(|length| usize::try_from(length).ok());
    let mut bytes = Vec::with_capacity(room.unwrap_or(0));
    // Piece by piece: `read_to_end` would zero the memory first, and double it to see the end.
    loop {
        let piece = body.fill_buf().await.map_err(RequestBodyError::Failed)?;
        let came = piece.len();
        if came == 0 {
            return Ok(bytes);
        }
        if (bytes.len() + came) as u64 > limit {
            // One byte more than allowed shows that there is more.
            return Err(RequestBodyError::TooLong(limit.saturating_add(1)));
        }
        bytes.extend_from_slice(piece);
        body.consume(came);
    }
}

/// Nothing can go wrong in the service itself: what does becomes an answer.
pub(super) type Answer = Result<hyper::Response<ResponseBody>, Infallible>;
