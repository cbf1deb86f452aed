//! Sockets that only this process can reach.
//!
//! A child listens on a Unix socket whose name is taken away as soon as it is made: what is left
//! is a descriptor of it, through which this process alone connects. Nobody else on the machine
//! can speak to an action, and nothing is left over, however the daemon ends.

use std::fs::DirBuilder;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use smol::Async;

/// Makes a socket to listen on, and the way to it. `parent` is where a private directory can be
/// made for it; that is gone again when this returns.
pub fn make(parent: &Path) -> io::Result<(UnixListener, Address)> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let (time, number) = (
        time.unwrap_or_default(),
        COUNT.fetch_add(1, Ordering::Relaxed),
    );
    let unique = format!("{}-{:x}-{number}", std::process::id(), time.as_nanos());
    let path = parent.join(format!("owl-{unique}"));
    // Fails if it exists, so that it cannot have been made ready by somebody else.
    DirBuilder::new().mode(0o700).create(&path)?;
    let made = make_in(&path);
    std::fs::remove_dir(&path)?;
    made
}

fn make_in(path: &Path) -> io::Result<(UnixListener, Address)> {
    let directory = open(path, OFlag::O_DIRECTORY)?;
    // By descriptor, since paths of sockets are limited to 107 bytes.
    let name = descriptor_path(&directory).join("socket");
    let listener = UnixListener::bind(&name)?;
    let node = open(&name, OFlag::empty());
    std::fs::remove_file(&name)?;
    Ok((listener, Address(node?)))
}

/// A socket without a name.
pub struct Address(OwnedFd);

impl Address {
    /// Connects to what listens on it.
    pub async fn connect(&self) -> io::Result<Async<UnixStream>> {
        Async::<UnixStream>::connect(descriptor_path(&self.0)).await
    }
}

/// A descriptor that names a file without opening it. Not by `std`, which drops `O_PATH` where the
/// C library is musl.
fn open(path: &Path, flags: OFlag) -> io::Result<OwnedFd> {
    let flags = OFlag::O_PATH | OFlag::O_CLOEXEC | flags;
    Ok(nix::fcntl::open(path, flags, Mode::empty())?)
}

fn descriptor_path(file: &OwnedFd) -> PathBuf {
    format!("/proc/self/fd/{}", file.as_raw_fd()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_have_no_name_and_leave_nothing_behind() {
        let parent = tempfile::tempdir().unwrap();
        // Longer than the path of a socket may be.
        let deep = parent.path().join("d".repeat(120));
        std::fs::create_dir(&deep).unwrap();
        let (listener, address) = make(&deep).unwrap();
        assert_eq!(std::fs::read_dir(&deep).unwrap().count(), 0);
        smol::block_on(address.connect()).unwrap();
        listener.accept().unwrap();
        drop(listener);
        let error = smol::block_on(address.connect()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }

    #[test]
    fn a_place_where_nothing_can_be_made_is_an_error() {
        assert!(make(Path::new("/nonexistent")).is_err());
    }
}
