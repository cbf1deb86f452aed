//! The one error type of the store.

use std::fmt;
use std::path::Path;

/// Why the store did not do something.
#[derive(Clone, Debug)]
pub enum StoreError {
    /// There is an entity of that path already.
    Exists,
    /// The entity is not at the expected revision any more.
    Changed,
    /// The store is full, and nothing more can be evicted.
    Full,
    /// Another process has the store open.
    Locked(String),
    /// Anything else: what failed, on what, and what to do.
    Failed(String),
}

impl StoreError {
    /// A failure of the operating system on a file.
    pub(super) fn file(what: &str, path: &Path, error: &std::io::Error) -> Self {
        Self::Failed(format!("{what} {}: {error}", path.display()))
    }

    /// What a caller gets whose write came after [`Store::close`](super::Store::close).
    pub(super) fn closed() -> Self {
        Self::Failed("the store is closed: the daemon is stopping".to_owned())
    }
}

/// Failures of LMDB that reach a caller; the full map never does, the writer handles it.
impl From<heed::Error> for StoreError {
    fn from(error: heed::Error) -> Self {
        match error {
            heed::Error::Mdb(heed::MdbError::MapFull) => Self::Full,
            heed::Error::Io(error) if error.kind() == std::io::ErrorKind::StorageFull => {
                Self::Failed(format!(
                    "cannot write to the store: {error}: make room on its file system"
                ))
            }
            error => Self::Failed(format!("the store failed: {error}")),
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exists => f.write_str("resource already exists"),
            Self::Changed => f.write_str("Concurrent modification to resource detected."),
            Self::Full => {
                f.write_str("the store is full: delete entities, or give it a larger map")
            }
            Self::Locked(what) | Self::Failed(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for StoreError {}
