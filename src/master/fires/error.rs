//! The error type of fired triggers.

use std::fmt;

use crate::entity::ActivationId;
use crate::store::StoreError;

/// Why a trigger was not taken in for the master.
#[derive(Clone, Debug)]
pub enum FireError {
    /// There is no room for it, and nothing of a lower or the same priority that could go: how many
    /// bytes there are.
    Full(u64),
    /// Another activation has the id that was given.
    Taken(ActivationId),
    /// The gateway stops.
    Stopping,
    /// The store failed.
    Store(StoreError),
}

impl fmt::Display for FireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(limit) => write!(
                f,
                "the trigger is one for the master, which is out of reach, and those that wait for \
                 it leave no room ({} MiB, OWL_FIRES_SIZE): try again later",
                limit >> 20
            ),
            Self::Taken(id) => write!(f, "another activation has the id {id}"),
            Self::Stopping => f.write_str("the gateway is stopping"),
            Self::Store(error) => write!(f, "the trigger could not be stored: {error}"),
        }
    }
}

impl std::error::Error for FireError {}

impl From<StoreError> for FireError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
