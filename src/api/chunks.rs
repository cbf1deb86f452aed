//! Bodies that are made or come while the client takes them, so that no more than one piece of
//! them is in memory.

use std::io;
use std::iter::once;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http_types::Body;
use smol::io::{AsyncBufRead, AsyncRead};
use smol::stream::{self, Stream};

/// The bytes of a body, piece by piece.
struct Chunks<S> {
    chunks: S,
    /// Has come, and was not read yet.
    chunk: Bytes,
}

/// A body of these pieces.
pub(super) fn body<I>(chunks: I) -> Body
where
    I: Iterator<Item = Vec<u8>> + Send + Sync + Unpin + 'static,
{
    stream(
        stream::iter(chunks.map(|chunk| Ok(Bytes::from(chunk)))),
        None,
    )
}

/// A body of the pieces of a stream. `length` is its length in bytes, if that is known.
pub(super) fn stream<S>(chunks: S, length: Option<usize>) -> Body
where
    S: Stream<Item = io::Result<Bytes>> + Send + Sync + Unpin + 'static,
{
    let chunks = Chunks {
        chunks,
        chunk: Bytes::new(),
    };
    Body::from_reader(chunks, length)
}

/// Documents as a JSON array.
pub(super) fn array(documents: impl Iterator<Item = Vec<u8>>) -> impl Iterator<Item = Vec<u8>> {
    let separated = documents.enumerate().map(|(index, mut document)| {
        if index > 0 {
            document.insert(0, b',');
        }
        document
    });
    once(b"[".to_vec())
        .chain(separated)
        .chain(once(b"]".to_vec()))
}

impl<S: Stream<Item = io::Result<Bytes>> + Unpin> AsyncBufRead for Chunks<S> {
    fn poll_fill_buf(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let body = self.get_mut();
        while body.chunk.is_empty() {
            match ready!(Pin::new(&mut body.chunks).poll_next(context)) {
                Some(chunk) => body.chunk = chunk?,
                None => break,
            }
        }
        Poll::Ready(Ok(&body.chunk))
    }

    fn consume(self: Pin<&mut Self>, amount: usize) {
        let chunk = &mut self.get_mut().chunk;
        chunk.advance(amount.min(chunk.len()));
    }
}

impl<S: Stream<Item = io::Result<Bytes>> + Unpin> AsyncRead for Chunks<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let available = ready!(self.as_mut().poll_fill_buf(context))?;
        let length = available.len().min(into.len());
        into[..length].copy_from_slice(&available[..length]);
        self.consume(length);
        Poll::Ready(Ok(length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(chunks: &[&str]) -> String {
        let chunks: Vec<_> = chunks
            .iter()
            .map(|chunk| chunk.as_bytes().to_vec())
            .collect();
        smol::block_on(body(chunks.into_iter()).into_string()).unwrap()
    }

    #[test]
    fn pieces_make_the_whole() {
        assert_eq!(text(&["one ", "", "two"]), "one two");
        assert_eq!(text(&["", "x"]), "x");
        assert_eq!(text(&[]), "");
    }

    #[test]
    fn arrays() {
        let shown = |documents: &[&str]| {
            let documents = documents.iter().map(|text| text.as_bytes().to_vec());
            let pieces: Vec<u8> = array(documents).flatten().collect();
            String::from_utf8(pieces).unwrap()
        };
        assert_eq!(shown(&[]), "[]");
        assert_eq!(shown(&["1", "{}"]), "[1,{}]");
    }
}
