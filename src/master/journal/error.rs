//! The error type of the journal.

use std::fmt;

use crate::store::StoreError;

/// Why the journal did not do something.
#[derive(Clone, Debug)]
pub enum JournalError {
    /// It has no room for another write: how many bytes it may have.
    Full(u64),
    /// There is no such entry.
    NoEntry(u64),
    /// An entry cannot be read.
    Damaged(u64),
    /// An entry is not in a state for that: what is in the way, and what to do.
    Refused(String),
    /// A copy cannot be made: of what, and why.
    Copy(String),
    /// The store failed.
    Store(StoreError),
}

impl fmt::Display for JournalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(limit) => write!(
                f,
                "the journal of writes for the master is full ({} MiB, OWL_JOURNAL_SIZE): wait \
                 until the master is back, or make room with owl sync drop",
                limit >> 20
            ),
            Self::NoEntry(number) => write!(
                f,
                "the journal has no entry {number}: owl sync status lists those that it has"
            ),
            Self::Damaged(number) => write!(
                f,
                "entry {number} of the journal cannot be read: drop it with owl sync drop"
            ),
            Self::Refused(what) | Self::Copy(what) => f.write_str(what),
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for JournalError {}

impl From<StoreError> for JournalError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
