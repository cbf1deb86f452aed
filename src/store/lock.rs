//! The lock that keeps two daemons off one store.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::error::StoreError;

/// Held while it lives. The kernel releases it when the process ends, however it ends.
#[derive(Debug)]
pub(super) struct DaemonLock {
    _file: File,
}

impl DaemonLock {
    /// Takes the lock of the store in `dir` and writes this process's id into it.
    ///
    /// # Errors
    /// [`StoreError::Locked`] with the id of the process that has it.
    pub(super) fn take(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join("daemon.lock");
        let failed = |error| StoreError::file("cannot lock the store with", &path, &error);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Without its number the message is still useful.
                let _ = file.take(16).read_to_string(&mut holder);
                return Err(StoreError::Locked(in_use(dir, holder.trim())));
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        file.set_len(0).map_err(failed)?;
        writeln!(file, "{}", std::process::id()).map_err(failed)?;
        Ok(DaemonLock { _file: file })
    }
}

fn in_use(dir: &Path, holder: &str) -> String {
    let holder = match holder {
        "" => "another process".to_owned(),
        pid => format!("process {pid}"),
    };
    format!(
        "the store in {} is in use by {holder}: stop that owl, or give this one another data \
         directory",
        dir.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let lock = DaemonLock::take(dir.path()).unwrap();
        let error = DaemonLock::take(dir.path()).unwrap_err();
        assert!(matches!(error, StoreError::Locked(_)));
        let text = error.to_string();
        assert!(text.contains(&format!("process {}", std::process::id())));
        assert!(text.contains(&dir.path().display().to_string()));
        drop(lock);
        DaemonLock::take(dir.path()).unwrap();
    }
}
