//! Requests to another OpenWhisk, and its answers.

use std::fmt;
use std::io;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::header::{AUTHORIZATION, HeaderValue};
use hyper::{HeaderMap, Method, StatusCode};
use smol::channel::{Receiver, Sender, bounded};

use zeroize::Zeroizing;

use super::room::NoRoom;
use crate::BoxFuture;
use crate::entity::Identity;

/// Pieces of a body that wait for whoever takes them.
const AHEAD: usize = 4;

/// A request for another OpenWhisk.
#[derive(Debug)]
pub struct Outgoing {
    /// Its method.
    pub method: Method,
    /// Path and query as they stand in the request line, from `/` on; percent-encoded.
    pub target: String,
    /// Headers without those of the connection (hop-by-hop), `Host` and `Content-Length`.
    pub headers: HeaderMap,
    /// Its body.
    pub body: OutgoingBody,
    /// How much longer than usual the answer may take: what a blocking invocation may run.
    pub patience: Duration,
    /// What the status of the answer says about the other side.
    pub judged: Judged,
    /// Whether nothing but the other side makes it last: no action runs meanwhile, and no client
    /// sends or reads it as slowly as it likes. Some connections are kept for these.
    pub short: bool,
}

impl Outgoing {
    /// [`Outgoing::new`] as a caller, with its key.
    pub fn by(identity: &Identity, method: Method, target: impl Into<String>) -> Self {
        Self::with_key(&identity.uuid, identity.key.expose(), method, target)
    }

    /// [`Outgoing::new`] with the key of a uuid. `Debug` does not print it.
    pub fn with_key(uuid: &str, key: &str, method: Method, target: impl Into<String>) -> Self {
        let credentials = Zeroizing::new(format!("{uuid}:{key}"));
        let header = Zeroizing::new(format!("Basic {}", STANDARD.encode(&*credentials)));
        let mut header = HeaderValue::from_str(&header).expect("base64 may stand in a header");
        header.set_sensitive(true);
        let mut request = Self::new(method, target);
        request.headers.insert(AUTHORIZATION, header);
        request
    }

    /// A request without a body, which is answered at once.
    pub fn new(method: Method, target: impl Into<String>) -> Self {
        Outgoing {
            method,
            target: target.into(),
            headers: HeaderMap::new(),
            body: OutgoingBody::Empty,
            patience: Duration::ZERO,
            judged: Judged::ByStatus,
            short: false,
        }
    }
}

/// What the status of an answer says about whoever gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judged {
    /// 5xx: it is not well.
    ByStatus,
    /// As [`Judged::ByStatus`], unless the answer names an activation: then an action has failed.
    ByActivation,
    /// 502 and 504, unless the answer names an activation: what stands before it does not get
    /// through. Nothing else: it may refuse more work, as this one may.
    ByInvocation,
    /// Nothing: the status is made by somebody's action.
    Not,
}

/// The body of a request.
pub enum OutgoingBody {
    /// There is none.
    Empty,
    /// It is here.
    Whole(Bytes),
    /// It comes in pieces.
    Pieces {
        /// Its length in bytes, if it was announced.
        length: Option<u64>,
        /// The pieces.
        pieces: Pieces,
    },
}

impl fmt::Debug for OutgoingBody {
    /// Without what is in it: parameters may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Whole(bytes) => write!(f, "Whole({} bytes)", bytes.len()),
            Self::Pieces { length, .. } => write!(f, "Pieces({length:?})"),
        }
    }
}

/// A body on its way: what has come, in order; it ends when the other end is dropped. An error is
/// the last thing to come.
pub type Pieces = Receiver<io::Result<Bytes>>;

/// Both ends of a body on its way. Whoever fills it waits while nobody takes anything, and learns
/// that nobody will by a failed send.
pub fn body() -> (Sender<io::Result<Bytes>>, Pieces) {
    bounded(AHEAD)
}

/// An answer of another OpenWhisk.
pub struct Incoming {
    /// Its status.
    pub status: StatusCode,
    /// Its headers without those of the connection (hop-by-hop).
    pub headers: HeaderMap,
    /// Its body.
    pub body: IncomingBody,
}

/// The body of an answer. Dropping it gives up the rest.
pub struct IncomingBody {
    /// Its length in bytes, if it was announced.
    pub length: Option<u64>,
    pieces: Pieces,
    /// Told by its end that nobody reads on.
    _reading: Option<Box<dyn Send + Sync>>,
}

impl IncomingBody {
    /// A body that comes in pieces.
    pub fn new(length: Option<u64>, pieces: Pieces) -> Self {
        IncomingBody {
            length,
            pieces,
            _reading: None,
        }
    }

    /// Keeps something until the body is dropped, which so learns that nobody reads on.
    pub fn watch(&mut self, reading: impl Send + Sync + 'static) {
        self._reading = Some(Box::new(reading));
    }

    /// A body that is here.
    pub fn whole(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let (sender, pieces) = body();
        let length = Some(bytes.len() as u64);
        if !bytes.is_empty() {
            // There is room for the first piece.
            let _ = sender.try_send(Ok(bytes));
        }
        Self::new(length, pieces)
    }

    /// The next piece; none at the end.
    pub async fn piece(&mut self) -> io::Result<Option<Bytes>> {
        self.pieces.recv().await.ok().transpose()
    }
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpstreamError {
    /// It is known to be out of reach, and was not asked.
    Down,
    /// Nothing of the request has come there: what went wrong.
    Unsent(String),
    /// The request may have had its effect there: what went wrong before the answer.
    Broken(String),
    /// As many requests as may be are under way.
    Busy,
    /// It has answered with this status, and there is no memory for its answer now.
    NoRoom(StatusCode),
    /// The body of the request broke off on its way here: what went wrong. That says nothing
    /// about the other side, which may have had a part of it.
    Abandoned(String),
}

impl UpstreamError {
    /// Whether the other side cannot have acted on the request.
    pub fn is_without_effect(&self) -> bool {
        !matches!(self, Self::Broken(_) | Self::Abandoned(_) | Self::NoRoom(_))
    }
}

impl fmt::Display for UpstreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Down => f.write_str("it is out of reach, and is tried again from time to time"),
            Self::Unsent(reason) => write!(f, "it cannot be reached: {reason}"),
            Self::Broken(reason) => write!(f, "it has not answered: {reason}"),
            Self::Busy => f.write_str("as many requests as may be are under way (OWL_FORWARDS)"),
            Self::NoRoom(status) => write!(
                f,
                "it has answered {status}, but its answer cannot be taken now: {NoRoom}"
            ),
            Self::Abandoned(reason) => write!(f, "the request broke off before its end: {reason}"),
        }
    }
}

impl std::error::Error for UpstreamError {}

/// What carries requests to another OpenWhisk.
pub trait Exchange: Send + Sync {
    /// Sends a request and waits for the head of its answer. Dropping the future gives up on the
    /// answer; the request may have its effect all the same.
    fn send(&self, request: Outgoing) -> BoxFuture<'_, Result<Incoming, UpstreamError>>;
}

#[cfg(test)]
mod tests {
    use super::super::Room;
    use super::*;
    use smol::block_on;

    #[test]
    fn bodies_are_read_within_a_bound() {
        block_on(async {
            let room = Room::default();
            let whole = IncomingBody::whole("text");
            assert_eq!(whole.length, Some(4));
            assert_eq!(room.read(whole, 4).await.unwrap(), "text");
            let longer = IncomingBody::whole("text");
            assert!(room.read(longer, 3).await.is_err());
            let none = IncomingBody::whole("");
            assert_eq!(room.read(none, 0).await.unwrap(), "");

            let in_pieces = |last: io::Result<Bytes>| {
                let (sender, pieces) = body();
                sender.try_send(Ok("ab".into())).unwrap();
                sender.try_send(last).unwrap();
                IncomingBody::new(None, pieces)
            };
            let read = async |last, limit| room.read(in_pieces(last), limit).await;
            assert_eq!(read(Ok("cd".into()), 4).await.unwrap(), "abcd");
            assert!(read(Ok("cd".into()), 3).await.is_err());
            let broken = Err(io::ErrorKind::ConnectionReset.into());
            assert!(read(broken, 9).await.is_err());
        });
    }

    #[test]
    fn no_payload_in_debug() {
        let mut request = Outgoing::new(Method::POST, "/api/v1");
        request.body = OutgoingBody::Whole("secret".into());
        assert!(!format!("{request:?}").contains("secret"));
        let request = Outgoing::with_key("u", "k", Method::GET, "/");
        assert_eq!(request.headers["authorization"], "Basic dTpr");
        assert!(!format!("{request:?}").contains("dTpr"));
    }
}
