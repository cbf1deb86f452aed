//! Sockets that the service manager listens on for the daemon.

use std::fmt;
use std::io;
use std::net::TcpListener;

use listenfd::ListenFd;
use rustix::io::{FdFlags, fcntl_setfd};

/// Why a socket that was handed over cannot be used.
#[derive(Debug)]
pub struct SocketError {
    /// Its place among those that were handed over, from 1.
    number: usize,
    error: io::Error,
}

impl fmt::Display for SocketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, error) = (self.number, &self.error);
        write!(
            f,
            "cannot use socket {number} of the service manager: {error}: owl.socket must have \
             ListenStream= with addresses of IP and Accept=no"
        )
    }
}

impl std::error::Error for SocketError {}

/// The listening sockets that this process was started with, in their order; none if it was
/// started without. Takes them: to be called once, before anything else makes descriptors.
///
/// # Errors
/// [`SocketError`] for the first that is not a listening TCP socket.
pub fn inherited() -> Result<Vec<TcpListener>, SocketError> {
    let mut descriptors = ListenFd::from_env();
    let mut listeners = Vec::with_capacity(descriptors.len());
    for place in 0..descriptors.len() {
        let failed = |error| SocketError {
            number: place + 1,
            error,
        };
        let Some(listener) = descriptors.take_tcp_listener(place).map_err(failed)? else {
            continue;
        };
        // They come open to children, of which none is to have the API's socket.
        fcntl_setfd(&listener, FdFlags::CLOEXEC).map_err(|errno| failed(errno.into()))?;
        listeners.push(listener);
    }
    Ok(listeners)
}
