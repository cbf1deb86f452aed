//! Who calls: a subject with the key of its namespace (reference section 1.2).

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::NamespaceLimits;

/// The uuid of OpenWhisk's well-known guest (reference section 10).
pub const GUEST_UUID: &str = "23bc46b1-71f6-4ed5-8c54-816aa4f8c502";
/// The key of OpenWhisk's well-known guest: anybody knows it, so it is not a secret.
pub const GUEST_KEY: &str = "123zO3xZCLrMN6v2BKK1dXYFpXlPkccOFqm12CdAsMgRU4VrNZ9lyGVCGuMDGIwP";

/// A text that must not be printed: `Debug` shows a mask, dropping it wipes it.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Wraps a text.
    pub fn new(text: String) -> Self {
        Secret(Zeroizing::new(text))
    }

    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// An authenticated caller.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Subject name; equal to the namespace in OWL.
    pub subject: String,
    /// Its namespace.
    pub namespace: String,
    /// The namespace's uuid: user name of the credentials.
    pub uuid: String,
    /// Password of the credentials.
    pub key: Secret,
    /// What was set for the namespace.
    pub limits: Arc<NamespaceLimits>,
}

/// Name and password, with a colon between, of a header of basic authentication; as a rule they
/// are `uuid:key`.
pub fn basic_credentials(header: &str) -> Option<Secret> {
    let (scheme, credentials) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = STANDARD.decode(credentials.trim()).ok()?;
    String::from_utf8(decoded).ok().map(Secret::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials() {
        let text = |header| basic_credentials(header).map(|found| found.expose().to_owned());
        assert_eq!(text("Basic YTpi"), Some("a:b".into()));
        assert_eq!(text("basic  YTpi "), Some("a:b".into()));
        for wrong in ["", "Basic", "Basic %", "Bearer YTpi", "Basic /w=="] {
            assert_eq!(text(wrong), None, "{wrong}");
        }
    }
}
