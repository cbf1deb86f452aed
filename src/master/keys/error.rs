//! Why a key opens nothing.

use std::fmt;

use crate::store::StoreError;

/// Why a key opens nothing.
#[derive(Clone, Debug)]
pub enum KeyError {
    /// It is wrong, or its namespace is blocked here.
    Refused,
    /// It is not known well enough, and the master cannot be asked about it: why.
    Unavailable(String),
    /// What is known of it cannot be read or kept.
    Store(StoreError),
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("the key is wrong"),
            Self::Unavailable(why) => write!(f, "the key cannot be checked: {why}"),
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for KeyError {}

impl From<StoreError> for KeyError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
