//! Why the gateway did not do something.

use std::fmt;

use crate::store::StoreError;

/// Why an API was not made, found, changed or deleted.
#[derive(Debug)]
pub enum GatewayError {
    /// The document or an argument is not what it has to be: what is wrong with it.
    Invalid(String),
    /// The API, or the part of it, is not there: its name.
    Missing(String),
    /// It has been changed by somebody else meanwhile, again and again.
    Changed,
    /// What is stored under this base path cannot be read.
    Corrupt(String),
    /// The store did not do it.
    Store(StoreError),
}

impl GatewayError {
    /// Something is wrong with what was sent.
    pub(super) fn invalid(what: impl Into<String>) -> Self {
        Self::Invalid(what.into())
    }
}

impl fmt::Display for GatewayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(what) => f.write_str(what),
            Self::Missing(what) => write!(f, "{what} does not exist."),
            Self::Changed => f.write_str("Concurrent modification to resource detected."),
            Self::Corrupt(what) => write!(
                f,
                "the stored API {what} cannot be read: delete it by its base path, and create it again"
            ),
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for GatewayError {}

impl From<StoreError> for GatewayError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
