//! The body of a request as ureq reads it.

use std::io::{self, Read};
use std::sync::Arc;

use bytes::{Buf, Bytes};

use super::call::Call;
use super::{OutgoingBody, Pieces};

/// What is left of a body. A second attempt goes on where the first has left it, which is at the
/// beginning as long as nothing was sent.
pub(super) struct Rest {
    call: Arc<Call>,
    /// Has come, and was not read yet.
    here: Bytes,
    coming: Option<Pieces>,
    /// Bytes that are not here yet, if they were announced.
    left: Option<u64>,
}

impl Rest {
    /// All of a body; none if there is none.
    pub(super) fn new(body: OutgoingBody, call: Arc<Call>) -> Option<Self> {
        let (here, coming, left) = match body {
            OutgoingBody::Empty => return None,
            OutgoingBody::Whole(bytes) => (bytes, None, None),
            OutgoingBody::Pieces { length, pieces } => (Bytes::new(), Some(pieces), length),
        };
        Some(Rest {
            call,
            here,
            coming,
            left,
        })
    }

    /// The next piece; none at the end.
    fn piece(&mut self) -> io::Result<Option<Bytes>> {
        let Some(coming) = &self.coming else {
            return Ok(None);
        };
        let piece = coming.recv_blocking().ok().transpose()?;
        // What ends with its caller has not come to its end.
        if self.call.is_given_up() {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        match (&piece, &mut self.left) {
            (Some(piece), Some(left)) => {
                let too_long = || io::Error::other("the body is longer than announced");
                *left = left.checked_sub(piece.len() as u64).ok_or_else(too_long)?;
            }
            (None, Some(1..)) => return Err(io::ErrorKind::UnexpectedEof.into()),
            (_, _) => {}
        }
        Ok(piece)
    }

    /// Something that nobody sends: the other side takes no more, and ureq wants it to its end.
    fn filling(&mut self, into: &mut [u8]) -> usize {
        self.call.close_body();
        self.coming = None;
        let left = self.here.len() as u64 + self.left.unwrap_or(0);
        let length = usize::try_from(left).map_or(into.len(), |left| left.min(into.len()));
        let of_here = length.min(self.here.len());
        self.here.advance(of_here);
        self.left = self.left.map(|left| left - (length - of_here) as u64);
        length
    }
}

impl Read for Rest {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.call.is_refused() {
            return Ok(self.filling(into));
        }
        while self.here.is_empty() {
            match self.piece() {
                Ok(Some(piece)) => self.here = piece,
                Ok(None) => return Ok(0),
                Err(error) => {
                    self.call.set_abandoned();
                    return Err(error);
                }
            }
        }
        let length = self.here.len().min(into.len());
        self.here.copy_to_slice(&mut into[..length]);
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::body;

    fn in_pieces(length: Option<u64>, pieces: Vec<io::Result<Bytes>>) -> (Arc<Call>, Rest) {
        let (sender, coming) = body();
        for piece in pieces {
            sender.try_send(piece).unwrap();
        }
        let call = Call::new(Some(coming.clone()));
        let pieces = OutgoingBody::Pieces {
            length,
            pieces: coming,
        };
        let rest = Rest::new(pieces, call.clone()).unwrap();
        (call, rest)
    }

    fn text(rest: &mut Rest) -> io::Result<String> {
        let mut text = String::new();
        rest.read_to_string(&mut text).map(|_| text)
    }

    #[test]
    fn pieces_make_the_whole() {
        for length in [None, Some(7)] {
            let (_, mut rest) = in_pieces(length, vec![Ok("one ".into()), Ok("two".into())]);
            assert_eq!(text(&mut rest).unwrap(), "one two");
        }
        let mut rest = Rest::new(OutgoingBody::Whole("whole".into()), Call::new(None)).unwrap();
        assert_eq!(text(&mut rest).unwrap(), "whole");
    }

    #[test]
    fn what_is_not_whole_is_an_error() {
        let broken = Err(io::ErrorKind::ConnectionReset.into());
        for (length, pieces) in [
            (None, vec![Ok("one".into()), broken]),
            (Some(4), vec![Ok("one".into())]),
            (Some(2), vec![Ok("one".into())]),
        ] {
            let (call, mut rest) = in_pieces(length, pieces);
            assert!(text(&mut rest).is_err());
            assert!(call.is_abandoned());
        }
        // An end that comes from giving up is none.
        let (call, mut rest) = in_pieces(None, vec![]);
        call.give_up();
        assert!(text(&mut rest).is_err());
    }

    #[test]
    fn what_is_refused_is_not_waited_for() {
        let (sender, coming) = body();
        let call = Call::new(Some(coming.clone()));
        let pieces = OutgoingBody::Pieces {
            length: Some(100_000),
            pieces: coming,
        };
        let mut rest = Rest::new(pieces, call.clone()).unwrap();
        sender.try_send(Ok("one".into())).unwrap();
        let mut start = [0; 2];
        rest.read_exact(&mut start).unwrap();
        call.set_refused();
        let mut filling = Vec::new();
        rest.read_to_end(&mut filling).unwrap();
        assert_eq!(filling.len(), 99_998);
        assert!(sender.is_closed());
    }
}
