//! Bodies that are made while the client takes them, so that no more than one piece of them is in
//! memory.

use std::io;
use std::iter::once;
use std::pin::Pin;
use std::task::{Context, Poll};

use http_types::Body;
use smol::io::{AsyncBufRead, AsyncRead};

/// The text of a body, piece by piece.
struct Chunks<I> {
    chunks: I,
    /// What is to be read next.
    buffer: Vec<u8>,
    /// How much of it has been read.
    read: usize,
}

/// A body of these pieces.
pub(super) fn body<I>(chunks: I) -> Body
where
    I: Iterator<Item = Vec<u8>> + Send + Sync + Unpin + 'static,
{
    let chunks = Chunks {
        chunks,
        buffer: Vec::new(),
        read: 0,
    };
    Body::from_reader(chunks, None)
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

impl<I: Iterator<Item = Vec<u8>> + Unpin> AsyncBufRead for Chunks<I> {
    fn poll_fill_buf(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let body = self.get_mut();
        while body.read == body.buffer.len() {
            body.read = 0;
            match body.chunks.next() {
                Some(chunk) => body.buffer = chunk,
                None => {
                    body.buffer.clear();
                    break;
                }
            }
        }
        Poll::Ready(Ok(&body.buffer[body.read..]))
    }

    fn consume(self: Pin<&mut Self>, amount: usize) {
        let body = self.get_mut();
        body.read = body.buffer.len().min(body.read + amount);
    }
}

impl<I: Iterator<Item = Vec<u8>> + Unpin> AsyncRead for Chunks<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let available = std::task::ready!(self.as_mut().poll_fill_buf(context))?;
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
