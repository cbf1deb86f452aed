//! Who calls: a subject with the key of its namespace (reference section 1.2).

use std::fmt;

use zeroize::Zeroizing;

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
}
