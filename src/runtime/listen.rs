//! Where the proxy takes its requests from.

use std::fmt;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::str::FromStr;

use nix::sys::socket::{
    AddressFamily, SockaddrLike, SockaddrStorage, getsockname, getsockopt, sockopt,
};

use super::RuntimeError;

/// Where to listen, as the command line says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// `tcp:ADDRESS:PORT`.
    Tcp(String),
    /// `unix:PATH`.
    Unix(PathBuf),
    /// `fd:0`: standard input is a stream socket, connected or listening.
    Inherited,
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("tcp", address)) if address.contains(':') => Ok(Listen::Tcp(address.to_owned())),
            Some(("unix", path)) if !path.is_empty() => Ok(Listen::Unix(path.into())),
            Some(("fd", "0")) => Ok(Listen::Inherited),
            _ => Err(format!(
                "cannot listen on {text}: use tcp:ADDRESS:PORT, unix:PATH or fd:0"
            )),
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Listen::Tcp(address) => write!(f, "tcp:{address}"),
            Listen::Unix(path) => write!(f, "unix:{}", path.display()),
            Listen::Inherited => f.write_str("fd:0"),
        }
    }
}

/// A source of connections; none of them blocks.
pub enum Listener {
    /// TCP.
    Tcp(TcpListener),
    /// Unix socket.
    Unix(UnixListener),
    /// The one connection that the process was started with.
    Connected(Option<Stream>),
}

impl Listener {
    /// Opens what the command line names.
    pub fn open(listen: &Listen) -> Result<Self, RuntimeError> {
        let failed = |source| RuntimeError::Listen {
            listen: listen.clone(),
            source,
        };
        let listener = match listen {
            Listen::Tcp(address) => TcpListener::bind(address.as_str()).map(Listener::Tcp),
            Listen::Unix(path) => UnixListener::bind(path).map(Listener::Unix),
            Listen::Inherited => inherited(),
        };
        listener
            .and_then(|listener| {
                match &listener {
                    Listener::Tcp(tcp) => tcp.set_nonblocking(true)?,
                    Listener::Unix(unix) => unix.set_nonblocking(true)?,
                    Listener::Connected(_) => {}
                }
                Ok(listener)
            })
            .map_err(failed)
    }

    /// Takes a waiting connection, if there is one.
    pub fn accept(&mut self) -> io::Result<Option<Stream>> {
        let accepted = match self {
            Listener::Tcp(listener) => listener.accept().and_then(|(stream, _)| {
                // Answers are two small writes: waiting for more (Nagle) costs 40 ms.
                stream.set_nodelay(true)?;
                Stream::tcp(stream)
            }),
            Listener::Unix(listener) => listener
                .accept()
                .and_then(|(stream, _)| Stream::unix(stream)),
            Listener::Connected(stream) => return Ok(stream.take()),
        };
        match accepted {
            Ok(stream) => Ok(Some(stream)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What to poll for a next connection; none if there will be none.
    pub fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Listener::Tcp(listener) => Some(listener.as_fd()),
            Listener::Unix(listener) => Some(listener.as_fd()),
            Listener::Connected(_) => None,
        }
    }
}

/// A connection that does not block.
pub enum Stream {
    /// TCP.
    Tcp(TcpStream),
    /// Unix socket.
    Unix(UnixStream),
}

impl Stream {
    fn tcp(stream: TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Stream::Tcp(stream))
    }

    fn unix(stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Stream::Unix(stream))
    }
}

impl io::Read for &Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => (&*stream).read(buffer),
            Stream::Unix(stream) => (&*stream).read(buffer),
        }
    }
}

impl io::Write for &Stream {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => (&*stream).write(buffer),
            Stream::Unix(stream) => (&*stream).write(buffer),
        }
    }

    fn write_vectored(&mut self, buffers: &[io::IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => (&*stream).write_vectored(buffers),
            Stream::Unix(stream) => (&*stream).write_vectored(buffers),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Stream::Tcp(stream) => stream.as_fd(),
            Stream::Unix(stream) => stream.as_fd(),
        }
    }
}

/// Tells what kind of socket standard input is.
fn inherited() -> io::Result<Listener> {
    let descriptor: OwnedFd = io::stdin().as_fd().try_clone_to_owned()?;
    let listens = getsockopt(&descriptor, sockopt::AcceptConn)
        .map_err(|_| io::Error::other("standard input is not a socket"))?;
    let address: SockaddrStorage = getsockname(std::os::fd::AsRawFd::as_raw_fd(&descriptor))?;
    match (address.family(), listens) {
        (Some(AddressFamily::Unix), true) => Ok(Listener::Unix(descriptor.into())),
        (Some(AddressFamily::Unix), false) => {
            Stream::unix(descriptor.into()).map(|stream| Listener::Connected(Some(stream)))
        }
        (Some(AddressFamily::Inet | AddressFamily::Inet6), true) => {
            Ok(Listener::Tcp(descriptor.into()))
        }
        (Some(AddressFamily::Inet | AddressFamily::Inet6), false) => {
            Stream::tcp(descriptor.into()).map(|stream| Listener::Connected(Some(stream)))
        }
        _ => Err(io::Error::other("standard input is not a stream socket")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written_back() {
        for text in [
            "tcp:0.0.0.0:8080",
            "tcp:[::1]:0",
            "unix:/run/a.sock",
            "fd:0",
        ] {
            assert_eq!(text.parse::<Listen>().unwrap().to_string(), text);
        }
        for text in ["", "tcp:8080", "unix:", "fd:1", "8080", "http://x"] {
            let error = text.parse::<Listen>().unwrap_err();
            assert!(error.contains("use tcp:ADDRESS:PORT"), "{text}: {error}");
        }
    }
}
