//! From a URL to a socket.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::time::{Duration, Instant as Time};
use ureq::unversioned::transport::{
    ConnectionDetails, Connector, Either, NextTimeout, TcpConnector, Transport,
};
use ureq::{Error, Timeout, config::Config};

use super::call::Call;
use super::names::{Names, NoAddress};

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
#[derive(Debug, Default)]
pub(super) struct Reach {
    names: Names,
    tcp: TcpConnector,
}

impl Reach {
    /// Looks names up together with everybody who shares them.
    pub(super) fn new(names: Names) -> Self {
        Reach {
            names,
            tcp: TcpConnector::default(),
        }
    }

    fn addresses(&self, details: &ConnectionDetails) -> Result<ResolvedSocketAddrs, Error> {
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
        let mut addresses = details.resolver.empty();
        for address in found {
            // More than can be tried in the time anyway.
            if addresses.try_push(address).is_err() {
                break;
            }
        }
        Ok(addresses)
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
    type Out = <TcpConnector as Connector<In>>::Out;

    fn connect(
        &self,
        details: &ConnectionDetails,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        if chained.is_some() {
            return Ok(chained.map(Either::A));
        }
        let addrs = self.addresses(details)?;
        let call = Call::current();
        let register = details.register_shutdown.clone();
        let details = ConnectionDetails {
            uri: details.uri,
            addrs,
            config: details.config,
            request_level: details.request_level,
            resolver: details.resolver,
            now: (details.current_time)(),
            timeout: remaining(details),
            current_time: details.current_time.clone(),
            run_connector: details.run_connector.clone(),
            register_shutdown: Arc::new(move |socket| {
                if call.as_ref().is_some_and(|call| !call.hold(&socket)) {
                    return Err(io::Error::from(io::ErrorKind::ConnectionAborted).into());
                }
                register(socket)
            }),
        };
        self.tcp.connect(&details, None::<In>)
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
