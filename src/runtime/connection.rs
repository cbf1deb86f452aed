//! One connection for hyper, over a socket that is polled by [`super::server`].

use std::cell::Cell;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use hyper::rt::ReadBufCursor;
use nix::poll::PollFlags;

use super::listen::Stream;

/// A socket, and what its connection waits for.
pub struct Socket {
    stream: Stream,
    waits_for: Cell<PollFlags>,
}

impl Socket {
    /// Wraps a stream that does not block.
    pub fn new(stream: Stream) -> Rc<Self> {
        Rc::new(Socket {
            stream,
            waits_for: Cell::new(PollFlags::empty()),
        })
    }

    /// What to poll the socket for, as of the last time that the connection was driven.
    pub fn waits_for(&self) -> PollFlags {
        self.waits_for.get()
    }

    /// Forgets what was waited for: call it before driving the connection.
    pub fn reset(&self) {
        self.waits_for.set(PollFlags::empty());
    }

    fn wait<T>(&self, result: io::Result<T>, flags: PollFlags) -> Poll<io::Result<T>> {
        match result {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.waits_for.set(self.waits_for.get() | flags);
                Poll::Pending
            }
            other => Poll::Ready(other),
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// hyper's end of a [`Socket`]. It wakes nobody: the server drives every connection after a poll.
pub struct Io(pub Rc<Socket>);

impl hyper::rt::Read for Io {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut cursor: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        // A buffer of our own costs a copy and saves an `unsafe` block.
        let mut buffer = [0; 16 * 1024];
        let room = cursor.remaining().min(buffer.len());
        let read = loop {
            match (&self.0.stream).read(&mut buffer[..room]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result,
            }
        };
        self.0
            .wait(read, PollFlags::POLLIN)
            .map_ok(|length| cursor.put_slice(&buffer[..length]))
    }
}

impl hyper::rt::Write for Io {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = (&self.0.stream).write(bytes);
        self.0.wait(written, PollFlags::POLLOUT)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = (&self.0.stream).write_vectored(buffers);
        self.0.wait(written, PollFlags::POLLOUT)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Dropping the socket closes it: nothing is sent after the last answer.
        Poll::Ready(Ok(()))
    }
}
