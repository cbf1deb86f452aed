//! A private directory for an action's files.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A directory that nobody else may enter, removed with all that is in it when dropped.
#[derive(Debug)]
pub struct PrivateDirectory(PathBuf);

impl PrivateDirectory {
    /// Makes one where temporary files go.
    pub fn new() -> io::Result<Self> {
        let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let unique = time.unwrap_or_default().as_nanos();
        let parent = std::env::temp_dir();
        // An image made of this binary alone has no /tmp.
        std::fs::create_dir_all(&parent)?;
        let path = parent.join(format!("owl-action-{}-{unique:x}", std::process::id()));
        // Fails if it exists, so that it cannot have been made ready by somebody else.
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(PrivateDirectory(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for PrivateDirectory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
