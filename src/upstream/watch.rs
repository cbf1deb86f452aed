//! What a connection does for a call: watched from above TLS, so that it is known what of a
//! request was sent, and whose socket it is.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ureq::unversioned::transport::time::Duration as Time;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, NextTimeout, Transport,
};
use ureq::{Error, Timeout};

use super::call::{Call, Socket};
use crate::http::patience::Patience;

/// Bytes a second that the other side must take of a request, and give of an answer, to be waited
/// for without end: each holds a thread.
pub(super) const RATE: u32 = 1024;

/// Watches connections to `host`; those to proxies on the way there are not meant.
#[derive(Debug)]
pub(super) struct Watch {
    /// Host and port as in the URL.
    pub(super) host: String,
    /// Longest pause of an answer's body. Below [`RATE`] the pauses add up.
    pub(super) stall: Duration,
}

impl<In: Transport> Connector<In> for Watch {
    type Out = Either<In, Watched<In>>;

    fn connect(
        &self,
        details: &ConnectionDetails,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        let Some(inner) = chained else {
            return Ok(None);
        };
        let is_for = details.uri.authority().map(|authority| authority.as_str());
        if is_for != Some(&self.host) {
            return Ok(Some(Either::A(inner)));
        }
        let call = Call::current();
        if let Some(call) = &call {
            call.set_connected();
        }
        Ok(Some(Either::B(Watched {
            inner,
            socket: call.as_ref().and_then(|call| call.socket()),
            call,
            stall: self.stall,
            waiting: Patience::new(self.stall, RATE),
            broken: false,
        })))
    }
}

/// A connection that is watched.
pub(super) struct Watched<T> {
    inner: T,
    socket: Option<Socket>,
    /// The call that uses it.
    call: Option<Arc<Call>>,
    stall: Duration,
    /// With the body of the answer that comes.
    waiting: Patience,
    /// Nothing goes out any more; what has come in can be read.
    broken: bool,
}

impl<T: Transport> Watched<T> {
    /// The call of this thread, which uses the connection from now on.
    fn used(&mut self) -> Result<Arc<Call>, Error> {
        let call = Call::current().ok_or(Error::ConnectionFailed)?;
        let is_new = !self
            .call
            .as_ref()
            .is_some_and(|used| Arc::ptr_eq(used, &call));
        if is_new {
            if let Some(socket) = &self.socket {
                call.hold(socket);
            }
            self.call = Some(call.clone());
            self.waiting = Patience::new(self.stall, RATE);
        }
        if call.is_given_up() {
            return Err(io::Error::from(io::ErrorKind::ConnectionAborted).into());
        }
        Ok(call)
    }
}

impl<T: Transport> Transport for Watched<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let call = self.used()?;
        if self.broken {
            return Ok(());
        }
        match self.inner.transmit_output(amount, timeout) {
            Ok(()) => call.set_sent(),
            // Somebody who refuses a request need not read it to its end: the answer may be here.
            Err(Error::Io(_) | Error::Timeout(Timeout::PerWrite)) if call.is_sent() => {
                self.broken = true;
                call.set_refused();
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn await_input(&mut self, mut timeout: NextTimeout) -> Result<bool, Error> {
        let call = self.used()?;
        let is_body = timeout.after.is_not_happening();
        if is_body {
            // A body may take as long as it likes, if only it goes on.
            let now = Instant::now();
            let left = self.waiting.wait(now).saturating_duration_since(now);
            if left.is_zero() {
                return Err(Error::Timeout(Timeout::RecvBody));
            }
            timeout.after = Time::Exact(left);
            timeout.reason = Timeout::RecvBody;
        }
        let before = self.inner.buffers().input().len();
        match self.inner.await_input(timeout) {
            Ok(came) => {
                if came {
                    call.set_answered();
                }
                if is_body {
                    let bytes = self.inner.buffers().input().len().saturating_sub(before);
                    self.waiting.progress(Instant::now(), bytes);
                }
                Ok(came)
            }
            // ureq takes some of these for the regular end of a body that has no length.
            Err(Error::Io(error)) => Err(io::Error::other(error.to_string()).into()),
            Err(error) => Err(error),
        }
    }

    fn is_open(&mut self) -> bool {
        // It goes back to those that wait for a next call, or comes from there.
        if let Some(call) = self.call.take() {
            call.release();
        }
        !self.broken && self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}

impl<T> fmt::Debug for Watched<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched")
            .field("broken", &self.broken)
            .finish_non_exhaustive()
    }
}
