//! The socket through which a daemon tells how it stands: in the folder of its store, and for its
//! own user and root only, since it tells of the actions of all namespaces.
//!
//! Nothing is asked there: who connects gets the document, and the connection is closed.

use std::fs::{File, OpenOptions, Permissions, remove_file};
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nix::libc::O_DIRECTORY;
use smol::Async;
use smol::io::AsyncWriteExt;
use smol::lock::Semaphore;

use crate::Executor;
use crate::http::client::within;

/// Its name in the folder.
const NAME: &str = "status.sock";

/// Who is told at a time. Others wait in the kernel's queue.
const AT_A_TIME: usize = 4;

/// How long somebody may take to read the document.
const READING: Duration = Duration::from_secs(5);

/// Pause after a failure to accept, for which there may be too many open files.
const PAUSE: Duration = Duration::from_millis(500);

/// The way to the socket of a folder. By a descriptor, since paths of sockets are limited to 107
/// bytes.
struct Way {
    folder: File,
}

impl Way {
    fn to(folder: &Path) -> io::Result<Way> {
        let folder = OpenOptions::new()
            .read(true)
            .custom_flags(O_DIRECTORY)
            .open(folder)?;
        Ok(Way { folder })
    }

    fn path(&self) -> PathBuf {
        let folder = self.folder.as_raw_fd();
        format!("/proc/self/fd/{folder}/{NAME}").into()
    }
}

/// Makes the socket of a folder whose lock this process has. What an earlier process has left of it
/// is taken away.
///
/// # Errors
/// The folder's file system has no sockets, most likely.
pub fn listen(folder: &Path) -> io::Result<UnixListener> {
    let way = Way::to(folder)?;
    let path = way.path();
    match remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // Nobody finds it under its name before it is closed to others.
    let new = path.with_extension("new");
    match remove_file(&new) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&new)?;
    std::fs::set_permissions(&new, Permissions::from_mode(0o600))?;
    std::fs::rename(&new, &path)?;
    Ok(listener)
}

/// Takes the socket of a folder away.
pub fn remove(folder: &Path) {
    if let Ok(way) = Way::to(folder) {
        let _ = remove_file(way.path());
    }
}

/// Connects to the daemon of a folder.
///
/// # Errors
/// [`ErrorKind::NotFound`] and [`ErrorKind::ConnectionRefused`]: there is none.
pub fn connect(folder: &Path) -> io::Result<UnixStream> {
    UnixStream::connect(Way::to(folder)?.path())
}

/// Tells everybody who connects what `tell` gives, for ever.
pub async fn serve(
    executor: Executor,
    listener: Async<UnixListener>,
    tell: impl Fn() -> Vec<u8> + Send,
) {
    let places = Arc::new(Semaphore::new(AT_A_TIME));
    loop {
        let place = places.acquire_arc().await;
        let (mut stream, _) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                log::warn!("cannot tell the status: {error}");
                smol::Timer::after(PAUSE).await;
                continue;
            }
        };
        let document = tell();
        let told = async move {
            // Who does not read does not want to know.
            let _ = within(READING, stream.write_all(&document)).await;
            drop(place);
        };
        executor.spawn(told).detach();
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn it_is_for_its_own_user_and_takes_the_place_of_an_earlier_one() {
        let parent = tempfile::tempdir().unwrap();
        // Longer than the path of a socket may be.
        let folder = parent.path().join("d".repeat(120));
        std::fs::create_dir(&folder).unwrap();
        assert_eq!(connect(&folder).unwrap_err().kind(), ErrorKind::NotFound);
        drop(listen(&folder).unwrap());
        let gone = connect(&folder).unwrap_err();
        assert_eq!(gone.kind(), ErrorKind::ConnectionRefused);
        let _listener = listen(&folder).unwrap();
        let names: Vec<_> = std::fs::read_dir(&folder).unwrap().collect();
        assert_eq!(names.len(), 1, "{names:?}");
        let mode = folder.join(NAME).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        connect(&folder).unwrap();
        remove(&folder);
        assert_eq!(connect(&folder).unwrap_err().kind(), ErrorKind::NotFound);
    }

    #[test]
    fn who_connects_is_told_even_beside_those_who_do_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let listener = Async::new(listen(folder.path()).unwrap()).unwrap();
        let executor: Executor = Arc::default();
        // More than the kernel takes for one who does not read.
        let tell = || vec![b'x'; 4 << 20];
        let _serving = executor.spawn(serve(executor.clone(), listener, tell));
        let folder = folder.path().to_owned();
        let reader = std::thread::spawn(move || {
            let _silent: Vec<UnixStream> =
                (1..AT_A_TIME).map(|_| connect(&folder).unwrap()).collect();
            let mut told = Vec::new();
            connect(&folder).unwrap().read_to_end(&mut told).unwrap();
            told.len()
        });
        let read = async {
            while !reader.is_finished() {
                smol::Timer::after(Duration::from_millis(5)).await;
            }
        };
        smol::block_on(executor.run(read));
        assert_eq!(reader.join().unwrap(), 4 << 20);
    }
}
