//! Sockets to other OpenWhisks, which forget what they could not deliver.
//!
//! A kernel goes on sending for minutes what was written to a socket that has been closed, or whose
//! process has been killed. When a link is mended it would thus deliver a write that was given up
//! long ago, and made again meanwhile. Closing these sockets takes back what has not arrived, unless
//! an answer tells that it has.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use nix::libc::linger;
use nix::sys::socket::{setsockopt, sockopt};
use ureq::config::Config;
use ureq::unversioned::transport::{Buffers, LazyBuffers, NextTimeout, ShutdownHandle, Transport};
use ureq::{Error, Timeout};

use crate::http::patience::Patience;

/// Least time that an address has to take a connection.
const LEAST: Duration = Duration::from_millis(10);

/// Connects to the first address that takes a connection. Each has half of the time that is left,
/// the last one all of it.
///
/// # Errors
/// What the last address that was tried has said; [`Error::Timeout`] if it was nothing.
pub(super) fn connect(addresses: &[SocketAddr], timeout: NextTimeout) -> Result<TcpStream, Error> {
    let until = timeout.not_zero().map(|after| Instant::now() + *after);
    let mut failure = Error::HostNotFound;
    for (number, address) in addresses.iter().enumerate() {
        let connected = match until {
            None => TcpStream::connect(address),
            Some(until) => {
                let left = until.saturating_duration_since(Instant::now());
                let share = match number + 1 == addresses.len() {
                    true => left,
                    false => left / 2,
                };
                TcpStream::connect_timeout(address, share.max(LEAST))
            }
        };
        match connected {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = timed_out(error, Timeout::Connect),
        }
    }
    Err(failure)
}

/// How slowly the other side may take what is sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Longest pause. Below the rate the pauses add up.
    pub(super) stall: Duration,
    /// Bytes a second.
    pub(super) rate: u32,
}

impl Pace {
    const fn patience(self) -> Patience {
        Patience::new(self.stall, self.rate)
    }
}

/// A socket that is connected.
pub(super) struct Socket {
    /// Shared with those who may shut it down meanwhile.
    stream: Arc<TcpStream>,
    buffers: LazyBuffers,
    read_timeout: Option<Duration>,
    write_timeout: Option<Duration>,
    pace: Pace,
    /// With what is sent for one call.
    sending: Patience,
    /// Whether something has come in since something went out.
    answered: bool,
}

impl Socket {
    /// # Errors
    /// The system does not let it be set up.
    pub(super) fn new(stream: TcpStream, config: &Config, pace: Pace) -> Result<Self, Error> {
        stream.set_nodelay(true)?;
        // From the beginning: nobody can do it for a process that is killed.
        set_forgetful(&stream, true)?;
        Ok(Socket {
            stream: Arc::new(stream),
            buffers: LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size()),
            read_timeout: None,
            write_timeout: None,
            pace,
            sending: pace.patience(),
            answered: true,
        })
    }

    /// What shuts it down while it is in use.
    pub(super) fn shutdown_handle(&self) -> Weak<dyn ShutdownHandle> {
        let stream: Arc<dyn ShutdownHandle> = self.stream.clone();
        Arc::downgrade(&stream)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.answered
            && let Err(error) = set_forgetful(&self.stream, false)
        {
            log::debug!("a connection is closed with a reset: {error}");
        }
    }
}

impl Transport for Socket {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let timeout = timeout.for_write();
        let most = wait(timeout)?;
        self.answered = false;
        let mut sent = 0;
        while sent < amount {
            let now = Instant::now();
            let left = self.sending.wait(now).saturating_duration_since(now);
            if left.is_zero() {
                return Err(Error::Timeout(Timeout::PerWrite));
            }
            // The same each time, unless the other side is slow.
            let (wait, reason) = match most {
                Some(most) if most < left => (Some(most), timeout.reason),
                _ => (Some(left), Timeout::PerWrite),
            };
            if wait != self.write_timeout {
                self.stream.set_write_timeout(wait)?;
                self.write_timeout = wait;
            }
            match (&*self.stream).write(&self.buffers.output()[sent..amount]) {
                Ok(0) => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
                Ok(bytes) => {
                    self.sending.progress(Instant::now(), bytes);
                    sent += bytes;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(timed_out(error, reason)),
            }
        }
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let timeout = timeout.for_read();
        let until = wait(timeout)?.map(|wait| Instant::now() + wait);
        loop {
            let wait = until.map(|until| until.saturating_duration_since(Instant::now()));
            if wait.is_some_and(|wait| wait.is_zero()) {
                return Err(Error::Timeout(timeout.reason));
            }
            if wait != self.read_timeout {
                self.stream.set_read_timeout(wait)?;
                self.read_timeout = wait;
            }
            match (&*self.stream).read(self.buffers.input_append_buf()) {
                // Linux does not go on by itself with a read that has a timeout.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(timed_out(error, timeout.reason)),
                Ok(amount) => {
                    self.buffers.input_appended(amount);
                    self.answered = true;
                    return Ok(amount > 0);
                }
            }
        }
    }

    fn is_open(&mut self) -> bool {
        // Between two calls.
        self.sending = self.pace.patience();
        // Neither its end nor anything that nobody has asked for is there.
        let is_quiet = || {
            self.stream.set_nonblocking(true)?;
            let looked = self.stream.peek(&mut [0]);
            self.stream.set_nonblocking(false)?;
            looked
        };
        is_quiet().is_err_and(|error: io::Error| error.kind() == io::ErrorKind::WouldBlock)
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket")
            .field("to", &self.stream.peer_addr().ok())
            .finish_non_exhaustive()
    }
}

/// Whether closing a socket takes back what has not arrived (with a reset), or leaves its delivery
/// to the kernel.
fn set_forgetful(stream: &TcpStream, is_forgetful: bool) -> io::Result<()> {
    let value = linger {
        l_onoff: is_forgetful.into(),
        l_linger: 0,
    };
    Ok(setsockopt(stream, sockopt::Linger, &value)?)
}

/// How long to wait; none: for as long as it takes.
fn wait(timeout: NextTimeout) -> Result<Option<Duration>, Error> {
    if timeout.after.is_zero() {
        return Err(Error::Timeout(timeout.reason));
    }
    Ok(timeout.not_zero().map(|after| *after))
}

/// A socket says that it would block when its time is over.
fn timed_out(error: io::Error, reason: Timeout) -> Error {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Error::Timeout(reason),
        _ => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::sync::atomic::{AtomicBool, Ordering};

    use ureq::Agent;

    use super::*;

    const PACE: Pace = Pace {
        stall: Duration::from_secs(600),
        rate: 1,
    };

    fn pair() -> (Socket, TcpStream) {
        paced(PACE)
    }

    /// Both ends of a connection that has little room for what nobody has read.
    fn paced(pace: Pace) -> (Socket, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        setsockopt(&listener, sockopt::RcvBuf, &4096).unwrap();
        let address = listener.local_addr().unwrap();
        let near = connect(&[address], NextTimeout::default()).unwrap();
        let config = Agent::config_builder().build();
        let socket = Socket::new(near, &config, pace).unwrap();
        setsockopt(&*socket.stream, sockopt::SndBuf, &4096).unwrap();
        (socket, listener.accept().unwrap().0)
    }

    fn send(socket: &mut Socket, text: &[u8]) -> Result<(), Error> {
        socket.buffers().output()[..text.len()].copy_from_slice(text);
        let timeout = NextTimeout {
            after: Duration::from_millis(200).into(),
            ..NextTimeout::default()
        };
        socket.transmit_output(text.len(), timeout)
    }

    #[test]
    fn what_has_not_arrived_is_taken_back() {
        let (mut socket, mut far) = pair();
        let mut sent = 0;
        // Until nothing goes any more.
        while send(&mut socket, &[7; 1024]).is_ok() {
            sent += 1024;
        }
        drop(socket);
        let mut arrived = Vec::new();
        let end = far.read_to_end(&mut arrived).unwrap_err();
        assert_eq!(end.kind(), io::ErrorKind::ConnectionReset);
        assert!(arrived.len() < sent, "{} of {sent}", arrived.len());
    }

    #[test]
    fn after_an_answer_it_is_closed_in_order() {
        let (mut socket, mut far) = pair();
        assert!(socket.is_open());
        send(&mut socket, b"request").unwrap();
        far.read_exact(&mut [0; 7]).unwrap();
        far.write_all(b"answer").unwrap();
        assert!(socket.await_input(NextTimeout::default()).unwrap());
        assert_eq!(socket.buffers().input(), b"answer");
        assert!(socket.is_open());
        far.write_all(b"more").unwrap();
        drop(socket.await_input(NextTimeout::default()));
        drop(socket);
        assert_eq!(far.read(&mut [0]).unwrap(), 0);
    }

    /// Sends without end to somebody who reads `bytes` at a time, with pauses that nobody minds:
    /// how much has gone when it failed, and why. None: it has not failed for long.
    fn send_to_slow(pace: Pace, bytes: usize) -> Option<(usize, Error)> {
        let (mut socket, mut far) = paced(pace);
        let done = Arc::new(AtomicBool::new(false));
        let is_done = done.clone();
        let reader = std::thread::spawn(move || {
            let mut into = vec![0; bytes];
            while !is_done.load(Ordering::Relaxed) && far.read_exact(&mut into).is_ok() {
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let began = Instant::now();
        let mut sent = 0;
        let mut failed = None;
        while failed.is_none() && began.elapsed() < 4 * pace.stall {
            let timeout = NextTimeout {
                after: Duration::from_secs(60).into(),
                reason: Timeout::PerWrite,
                ..NextTimeout::default()
            };
            socket.buffers().output()[..1024].fill(7);
            match socket.transmit_output(1024, timeout) {
                Ok(()) => sent += 1024,
                Err(error) => failed = Some((sent, error)),
            }
        }
        done.store(true, Ordering::Relaxed);
        drop(socket);
        reader.join().unwrap();
        failed
    }

    #[test]
    fn who_takes_too_little_is_not_waited_for() {
        // 1 KiB in 20 ms is 50 KiB a second at most.
        let stall = Duration::from_millis(500);
        let rate = 1 << 20;
        let failed = send_to_slow(Pace { stall, rate }, 1024);
        let (sent, error) = failed.expect("it goes on");
        assert!(
            matches!(error, Error::Timeout(Timeout::PerWrite)),
            "{error}"
        );
        assert!(sent > 0);
        let rate = 1024;
        assert!(send_to_slow(Pace { stall, rate }, 1024).is_none());
    }

    #[test]
    fn waits_no_longer_than_told() {
        let (mut socket, _far) = pair();
        let timeout = NextTimeout {
            after: Duration::from_millis(1).into(),
            reason: Timeout::RecvResponse,
            ..NextTimeout::default()
        };
        let waited = socket.await_input(timeout);
        assert!(matches!(waited, Err(Error::Timeout(Timeout::RecvResponse))));
    }

    #[test]
    fn the_next_address_is_tried() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let there = listener.local_addr().unwrap();
        let refuses = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let timeout = NextTimeout {
            after: Duration::from_secs(60).into(),
            ..NextTimeout::default()
        };
        let connected = connect(&[refuses, there], timeout).unwrap();
        assert_eq!(connected.peer_addr().unwrap(), there);
        let failed = connect(&[refuses, refuses], timeout);
        assert!(
            matches!(failed, Err(Error::Io(error)) if error.kind() == io::ErrorKind::ConnectionRefused)
        );
    }
}
