//! Who calls, and what they may do (reference sections 1.2 and 1.5).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use http_types::headers::AUTHORIZATION;

use super::State;
use super::error::ApiError;
use super::master::via_of;
use crate::entity::{GUEST_KEY, GUEST_UUID, Identity, basic_credentials};
use crate::master::{self, KeyError};

/// Characters of a key.
const KEY_LENGTH: usize = 64;

/// Finds out who calls.
///
/// The other end of the connection counts, never what a header says about it: the guest's key is
/// known to anybody, so it opens nothing to those who come over a network.
pub(super) async fn authenticate(
    request: &tide::Request<State>,
) -> Result<Arc<Identity>, ApiError> {
    let Some(authorization) = request.header(AUTHORIZATION) else {
        return Err(ApiError::unauthenticated(
            "The resource requires authentication, which was not supplied with the request",
        ));
    };
    let invalid = || ApiError::from(KeyError::Refused);
    let credentials = basic_credentials(authorization.last().as_str()).ok_or_else(invalid)?;
    let (uuid, key) = credentials.expose().split_once(':').ok_or_else(invalid)?;
    if key.len() != KEY_LENGTH {
        return Err(invalid());
    }
    if uuid == GUEST_UUID && key == GUEST_KEY && !is_loopback(request.peer_addr()) {
        return Err(invalid());
    }
    let state = request.state();
    let keys = state.master().map(|master| &master.keys);
    let found =
        master::authenticate(keys, state.store(), uuid, key, via_of(request).as_deref()).await;
    Ok(found?)
}

/// Whether a resource, `ns` or `ns/name`, is the caller's own: nothing else is accessible.
pub(super) fn own(identity: &Identity, namespace: &str, resource: &str) -> Result<(), ApiError> {
    if identity.namespace == namespace {
        Ok(())
    } else {
        Err(ApiError::forbidden(resource))
    }
}

/// Whether the other end of a connection is on this machine.
pub(super) fn is_loopback(peer: Option<&str>) -> bool {
    let ip = |peer: &str| -> Option<IpAddr> {
        let address = peer.parse::<SocketAddr>().map(|address| address.ip());
        address.ok().or_else(|| peer.parse().ok())
    };
    peer.and_then(ip)
        .is_some_and(|ip| ip.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback() {
        for yes in [
            "127.0.0.1:80",
            "127.1.2.3",
            "[::1]:80",
            "[::ffff:127.0.0.1]:1",
        ] {
            assert!(is_loopback(Some(yes)), "{yes}");
        }
        for no in [
            "172.17.0.2:80",
            "[::ffff:10.0.0.1]:1",
            "[fe80::1]:1",
            "",
            "localhost",
        ] {
            assert!(!is_loopback(Some(no)), "{no}");
        }
        assert!(!is_loopback(None));
    }
}
