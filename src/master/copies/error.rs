//! Why there is no copy.

use std::fmt;

use crate::catalog::{AccessError, CatalogError};
use crate::store::StoreError;
use crate::upstream::Looped;

/// Why an entity of the master's cannot be had by a caller.
#[derive(Clone, Debug)]
pub enum CopyError {
    /// This caller has no copy, and the master cannot be asked now, or does not tell: why.
    Unavailable(String),
    /// The master does not take the caller's key.
    KeyRefused,
    /// The master does not let the caller see it: `ns/name`.
    Forbidden(String),
    /// The master has nothing of that name, whatever is stored here.
    Missing,
    /// What has the name at the master is in another collection.
    OtherCollection,
    /// The request that it is wanted for has gone in a circle.
    Looped(Looped),
    /// The store failed.
    Store(StoreError),
}

impl CopyError {
    /// What the master has answered is not the entity of a path.
    pub(super) fn unreadable(path: &str) -> Self {
        Self::Unavailable(format!(
            "what the master has answered is not {path} as OpenWhisk tells it"
        ))
    }
}

impl fmt::Display for CopyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable(reason) => f.write_str(reason),
            Self::KeyRefused => f.write_str("the master does not take the key"),
            Self::Forbidden(path) => AccessError::Forbidden(path.clone()).fmt(f),
            Self::Missing => CatalogError::Missing.fmt(f),
            Self::OtherCollection => CatalogError::OtherCollection.fmt(f),
            Self::Looped(looped) => looped.fmt(f),
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for CopyError {}

impl From<StoreError> for CopyError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<CopyError> for AccessError {
    fn from(error: CopyError) -> Self {
        Self::Catalog(match error {
            CopyError::Forbidden(path) => return Self::Forbidden(path),
            CopyError::Unavailable(_) | CopyError::KeyRefused | CopyError::Looped(_) => {
                CatalogError::Unavailable(error.to_string())
            }
            CopyError::Missing => CatalogError::Missing,
            CopyError::OtherCollection => CatalogError::OtherCollection,
            CopyError::Store(error) => CatalogError::Store(error),
        })
    }
}
