//! The lock that keeps two daemons off one store.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::error::StoreError;

/// How long is waited for the lock of a process that has ended. A child that it was just starting
/// has the lock, too, until it runs its own program.
const LEAVING: Duration = Duration::from_secs(5);

/// How often it is looked then.
const LOOK: Duration = Duration::from_millis(20);

/// Held while it lives. The kernel releases it when the process ends, however it ends.
#[derive(Debug)]
pub(super) struct DaemonLock {
    file: File,
}

impl Drop for DaemonLock {
    /// Says so, rather than only closing the file: a child that is just being started may have it
    /// open, too.
    fn drop(&mut self) {
        if let Err(error) = self.file.unlock() {
            log::warn!("cannot release the lock of the store: {error}");
        }
    }
}

impl DaemonLock {
    /// Takes the lock of the store in `dir` and writes this process's id into it. Waits for some
    /// seconds at most, if the one that has it has ended.
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
        let until = Instant::now() + LEAVING;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) => {
                    // Without its number the message is still useful.
                    let holder = fs::read_to_string(&path).unwrap_or_default();
                    let holder = holder.trim();
                    if !has_ended(holder) || Instant::now() >= until {
                        return Err(StoreError::Locked(in_use(dir, holder)));
                    }
                    thread::sleep(LOOK);
                }
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
        }
        file.set_len(0).map_err(failed)?;
        writeln!(file, "{}", std::process::id()).map_err(failed)?;
        Ok(DaemonLock { file })
    }
}

/// Whether there is no process of this number.
fn has_ended(pid: &str) -> bool {
    let is_number = pid.parse::<u32>().is_ok();
    is_number && !Path::new("/proc").join(pid).exists()
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

    #[test]
    fn what_an_ended_process_has_left_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let lock = DaemonLock::take(dir.path()).unwrap();
        // No process has a number that high.
        fs::write(dir.path().join("daemon.lock"), u32::MAX.to_string()).unwrap();
        let child = thread::spawn(move || {
            thread::sleep(10 * LOOK);
            drop(lock);
        });
        DaemonLock::take(dir.path()).unwrap();
        child.join().unwrap();
    }
}
