//! Who calls, and what they may do (reference sections 1.2 and 1.5).

use std::net::{IpAddr, SocketAddr};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_types::StatusCode;
use http_types::headers::HeaderValues;

use super::error::ApiError;
use crate::entity::{GUEST_KEY, GUEST_UUID, Identity};
use crate::store::Store;

/// Characters of a key.
const KEY_LENGTH: usize = 64;

/// Finds out who calls.
///
/// `peer` is the other end of the connection, never what a header says about it: the guest's key
/// is known to anybody, so it opens nothing to those who come over a network.
pub(super) fn authenticate(
    store: &Store,
    authorization: Option<&HeaderValues>,
    peer: Option<&str>,
) -> Result<Identity, ApiError> {
    let Some(authorization) = authorization else {
        return Err(ApiError::unauthenticated(
            "The resource requires authentication, which was not supplied with the request",
        ));
    };
    let invalid = || ApiError::unauthenticated("The supplied authentication is invalid");
    let decoded = basic(authorization.last().as_str()).ok_or_else(invalid)?;
    let (uuid, key) = decoded.split_once(':').ok_or_else(invalid)?;
    if key.len() != KEY_LENGTH {
        return Err(invalid());
    }
    if uuid == GUEST_UUID && key == GUEST_KEY && !is_loopback(peer) {
        return Err(invalid());
    }
    let found = store.authenticate(uuid, key).map_err(|error| {
        // Who has no key yet is not told what is wrong with the store.
        log::error!("a key cannot be checked: {error}");
        ApiError::rejection(
            StatusCode::InternalServerError,
            "There was an internal server error.",
        )
    })?;
    found.ok_or_else(invalid)
}

/// Whether a resource, `ns` or `ns/name`, is the caller's own: nothing else is accessible.
pub(super) fn own(identity: &Identity, namespace: &str, resource: &str) -> Result<(), ApiError> {
    if identity.namespace == namespace {
        Ok(())
    } else {
        Err(ApiError::forbidden(resource))
    }
}

/// `<uuid>:<key>` of a header, or whatever name and password it has.
pub(super) fn basic(header: &str) -> Option<zeroize::Zeroizing<String>> {
    let (scheme, credentials) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = STANDARD.decode(credentials.trim()).ok()?;
    Some(String::from_utf8(decoded).ok()?.into())
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
    fn credentials() {
        let uuid_and_key = |header| basic(header).map(|text| text.to_string());
        assert_eq!(uuid_and_key("Basic YTpi"), Some("a:b".into()));
        assert_eq!(uuid_and_key("basic  YTpi "), Some("a:b".into()));
        for wrong in ["", "Basic", "Basic %", "Bearer YTpi", "Basic /w=="] {
            assert_eq!(uuid_and_key(wrong), None, "{wrong}");
        }
    }

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
