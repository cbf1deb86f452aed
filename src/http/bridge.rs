//! What hyper reads from and writes to: a stream of smol.
//!
//! hyper lends memory that holds nothing yet, which only `unsafe` code could let a stream fill. To
//! zero it first, as the usual adapter does, costs more than the reading: hyper lends 64 KB at a
//! time, and asks several times in vain for each message. So a stream fills one piece of memory
//! that all connections of a thread use in turn, and only what has come is copied.

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::rt::{Read, ReadBufCursor, Write};
use smol::io::{AsyncRead, AsyncWrite};

/// Most bytes that are read at once.
const PIECE: usize = 64 * 1024;

thread_local! {
    /// Where streams of this thread put what they read; empty before the first one, and while one
    /// reads.
    static PAD: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A stream of smol as hyper wants it.
#[derive(Debug)]
pub struct Bridge<T>(T);

impl<T> Bridge<T> {
    /// A bridge over a stream whose vectored writes reach the system as such: hyper gives a head
    /// and its body to one of them rather than copy both into one piece.
    pub fn new(stream: T) -> Self {
        Bridge(stream)
    }

    /// The stream.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T: AsyncRead + Unpin> Read for Bridge<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut out: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let most = out.remaining().min(PIECE);
        let mut pad = PAD.take();
        if pad.is_empty() {
            // From the system, which has zeroed it, and takes room only as it is used.
            pad = vec![0; PIECE];
        }
        let result = Pin::new(&mut self.get_mut().0).poll_read(cx, &mut pad[..most]);
        if let Poll::Ready(Ok(n)) = result {
            out.put_slice(&pad[..n]);
        }
        PAD.set(pad);
        ready!(result)?;
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> Write for Bridge<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().0).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().0).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_close(cx)
    }
}

#[cfg(test)]
mod tests {
    use hyper::rt::ReadBuf;
    use smol::future::poll_fn;
    use smol::io::Cursor;

    use super::*;

    /// Reads once, into memory with room for `room` bytes.
    fn read(bridge: &mut Bridge<Cursor<Vec<u8>>>, room: usize) -> Vec<u8> {
        let mut memory = vec![7; room];
        let mut out = ReadBuf::new(&mut memory);
        smol::block_on(poll_fn(|cx| {
            Pin::new(&mut *bridge).poll_read(cx, out.unfilled())
        }))
        .unwrap();
        out.filled().to_vec()
    }

    #[test]
    fn what_comes_is_what_is_read() {
        let long: Vec<u8> = (0..100_000u32).map(|n| n as u8).collect();
        let mut bridge = Bridge::new(Cursor::new(long.clone()));
        let mut came = read(&mut bridge, 10);
        assert_eq!(came, long[..10]);
        came.extend(read(&mut bridge, 1 << 20));
        assert_eq!(came.len(), 10 + PIECE);
        came.extend(read(&mut bridge, 1 << 20));
        assert_eq!(came, long);
        assert!(read(&mut bridge, 10).is_empty());
    }

    #[test]
    fn no_room_reads_nothing() {
        let mut bridge = Bridge::new(Cursor::new(vec![1, 2]));
        assert!(read(&mut bridge, 0).is_empty());
        assert_eq!(read(&mut bridge, 5), [1, 2]);
    }
}
