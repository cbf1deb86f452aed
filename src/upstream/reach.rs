//! From a URL to a socket.

use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::time::{Duration, Instant as Time};
use ureq::unversioned::transport::{ConnectionDetails, Connector, Either, NextTimeout, Transport};
use ureq::{Error, Timeout, config::Config};

use super::call::Call;
use super::names::{Names, NoAddress};
use super::socket::{self, Pace, Socket};

/// More addresses than can be tried in the time anyway.
const MOST: usize = 16;

/// Finds no address: ureq asks for one before it looks for a connection that is there. [`Reach`]
/// does it when there is none.
#[derive(Debug)]
pub(super) struct Later;

impl Resolver for Later {
    fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        Ok(self.empty())
    }
}

/// Opens sockets, unless a proxy has given one already.
#[derive(Debug)]
pub(super) struct Reach {
    names: Names,
    pace: Pace,
}

impl Reach {
    /// Looks names up together with everybody who shares them. The other side has to take what is
    /// sent at this pace.
    pub(super) fn new(names: Names, pace: Pace) -> Self {
        Reach { names, pace }
    }

    fn addresses(&self, details: &ConnectionDetails) -> Result<Vec<SocketAddr>, Error> {
        let (Some(host), Some(port)) = (details.uri.host(), port(details.uri)) else {
            return Err(Error::HostNotFound);
        };
        let found = self
            .names
            .addresses(host, port, *remaining(details).after)
            .map_err(|error| match error {
                NoAddress::TimedOut => Error::Timeout(Timeout::Resolve),
                NoAddress::Unknown(reason) => io::Error::other(reason).into(),
            })?;
        Ok(found.into_iter().take(MOST).collect())
    }
}

/// The port of a URL.
fn port(uri: &Uri) -> Option<u16> {
    uri.port_u16().or(match uri.scheme_str() {
        Some("http") => Some(80),
        Some("https") => Some(443),
        _ => None,
    })
}

/// The time that is left to make a connection. ureq tells each who has a part in it how much there
/// was at the beginning.
pub(super) fn remaining(details: &ConnectionDetails) -> NextTimeout {
    let mut timeout = details.timeout;
    if let (Duration::Exact(after), Time::Exact(began)) = (timeout.after, details.now) {
        timeout.after = Duration::Exact(after.saturating_sub(Instant::now() - began));
    }
    timeout
}

impl<In: Transport> Connector<In> for Reach {
    type Out = Either<In, Socket>;

    fn connect(
        &self,
        details: &ConnectionDetails,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        if chained.is_some() {
            return Ok(chained.map(Either::A));
        }
        let addresses = self.addresses(details)?;
        let stream = socket::connect(&addresses, remaining(details))?;
        let socket = Socket::new(stream, details.config, self.pace)?;
        let handle = socket.shutdown_handle();
        if Call::current().is_some_and(|call| !call.hold(&handle)) {
            return Err(io::Error::from(io::ErrorKind::ConnectionAborted).into());
        }
        (details.register_shutdown)(handle)?;
        Ok(Some(Either::B(socket)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports() {
        let of = |uri: &'static str| port(&Uri::from_static(uri));
        assert_eq!(of("http://h/x"), Some(80));
        assert_eq!(of("https://h"), Some(443));
        assert_eq!(of("https://[::1]:3233"), Some(3233));
        assert_eq!(of("ftp://h"), None);
    }
}
