//! Sockets that only this process can reach.
//!
//! A child listens on a Unix socket whose name is taken away as soon as it is made: what is left
//! is a descriptor of it, through which this process alone connects. Nobody else on the machine
//! can speak to an action, and nothing is left over, however the daemon ends.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use nix::libc::{O_DIRECTORY, O_PATH};
use smol::Async;

/// Makes sockets in a directory of its own.
pub struct Sockets {
    path: PathBuf,
    directory: File,
    count: AtomicU64,
}

impl Sockets {
    /// Makes a directory below `parent` that nobody else may enter.
    pub fn new(parent: &Path) -> io::Result<Self> {
        let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let unique = time.unwrap_or_default().as_nanos();
        let path = parent.join(format!("owl-{}-{unique:x}", std::process::id()));
        // Fails if it exists, so that it cannot have been made ready by somebody else.
        DirBuilder::new().mode(0o700).create(&path)?;
        let directory = open(&path, O_DIRECTORY)?;
        Ok(Sockets {
            path,
            directory,
            count: AtomicU64::new(0),
        })
    }

    /// A socket to listen on, and the way to it.
    pub fn make(&self) -> io::Result<(UnixListener, Address)> {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        // By descriptor, since paths of sockets are limited to 107 bytes.
        let path = descriptor_path(&self.directory).join(number.to_string());
        let listener = UnixListener::bind(&path)?;
        let node = open(&path, 0);
        std::fs::remove_file(&path)?;
        Ok((listener, Address(node?)))
    }
}

impl Drop for Sockets {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.path);
    }
}

/// A socket without a name.
pub struct Address(File);

impl Address {
    /// Connects to what listens on it.
    pub async fn connect(&self) -> io::Result<Async<UnixStream>> {
        Async::<UnixStream>::connect(descriptor_path(&self.0)).await
    }
}

fn open(path: &Path, flags: i32) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(O_PATH | flags)
        .open(path)
}

fn descriptor_path(file: &File) -> PathBuf {
    format!("/proc/self/fd/{}", file.as_raw_fd()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_have_no_name_and_leave_nothing_behind() {
        let parent = tempfile::tempdir().unwrap();
        let entries = || {
            let list = std::fs::read_dir(parent.path()).unwrap();
            list.map(|entry| entry.unwrap().path()).collect::<Vec<_>>()
        };
        let sockets = Sockets::new(parent.path()).unwrap();
        let (listener, address) = sockets.make().unwrap();
        let [directory] = &entries()[..] else {
            panic!("one directory expected");
        };
        assert_eq!(std::fs::read_dir(directory).unwrap().count(), 0);
        smol::block_on(address.connect()).unwrap();
        listener.accept().unwrap();
        drop(listener);
        let error = smol::block_on(address.connect()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        drop(sockets);
        assert!(entries().is_empty());
    }
}
