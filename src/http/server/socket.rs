//! Sockets: those that listen, and the connections that they give.

use std::io::{self, IoSlice};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::pin::Pin;
use std::task::{Context, Poll};

use smol::Async;
use smol::io::{AsyncRead, AsyncWrite};

use super::exchange::Ends;
use crate::http::sparing::Sparing;

/// A listening socket.
pub(super) enum Listener {
    Tcp(Async<TcpListener>),
    Unix(Async<UnixListener>),
}

impl Listener {
    pub(super) async fn accept(&self) -> io::Result<(Socket, Ends)> {
        match self {
            Listener::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                // An answer is one write: waiting for more (Nagle) delays it by up to 40 ms.
                stream.get_ref().set_nodelay(true)?;
                let ends = Ends {
                    peer: peer.to_string(),
                    local: stream.get_ref().local_addr()?.to_string(),
                };
                // After an answer the next request may be there already.
                Ok((Socket::Tcp(Sparing::hopeful(stream)), ends))
            }
            Listener::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                let ends = Ends {
                    peer: "unix".to_owned(),
                    local: "unix".to_owned(),
                };
                Ok((Socket::Unix(Sparing::hopeful(stream)), ends))
            }
        }
    }
}

/// A connection.
pub(super) enum Socket {
    Tcp(Sparing<TcpStream>),
    Unix(Sparing<UnixStream>),
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Socket::Tcp(stream) => Pin::new(stream).poll_read(cx, out),
            Socket::Unix(stream) => Pin::new(stream).poll_read(cx, out),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Socket::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Socket::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Socket::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, pieces),
            Socket::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, pieces),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(())) // Nothing is kept back.
    }

    /// Ends what is sent; what comes can still be read. (`Async` itself would do nothing here.)
    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(match self.get_mut() {
            Socket::Tcp(stream) => stream.get_ref().shutdown(Shutdown::Write),
            Socket::Unix(stream) => stream.get_ref().shutdown(Shutdown::Write),
        })
    }
}
