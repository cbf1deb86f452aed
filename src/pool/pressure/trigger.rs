//! Lets the kernel say when tasks stall for memory.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::time::Timespec;
use smol::Async;

/// Where the kernel takes it.
const FILE: &str = "/proc/pressure/memory";

/// Microseconds of stalls within so many microseconds that are told of. Whole multiples of two
/// seconds are what the kernel lets everybody ask for. It puts a zero in the place of the last byte.
const STALLS: &[u8] = b"some 200000 2000000\0";

/// Is told of stalls as long as it lives.
pub struct Trigger<F = File> {
    /// Watches the file: what is told there is a priority event, which the executor does not wait
    /// for, and a watcher is readable when it has one.
    watcher: Async<OwnedFd>,
    _file: F,
}

impl Trigger {
    /// Asks to be told.
    ///
    /// # Errors
    /// The kernel is older than 5.2, was built or started without it, or lets only others ask.
    pub fn new() -> io::Result<Self> {
        let mut file = OpenOptions::new().read(true).write(true).open(FILE)?;
        file.write_all(STALLS)?;
        Self::watching(file)
    }
}

impl<F: AsFd> Trigger<F> {
    fn watching(file: F) -> io::Result<Self> {
        let watcher = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(&watcher, &file, EventData::new_u64(0), EventFlags::PRI)?;
        Ok(Trigger {
            watcher: Async::new(watcher)?,
            _file: file,
        })
    }

    /// Waits until tasks have stalled; told at most once in two seconds.
    ///
    /// # Errors
    /// The kernel does not tell any more.
    pub async fn stalled(&self) -> io::Result<()> {
        self.watcher.readable().await?;
        // Taking the event is what makes room for the next.
        let mut events = Vec::with_capacity(1);
        let at_once = Timespec::default();
        let watcher = self.watcher.get_ref();
        epoll::wait(watcher, spare_capacity(&mut events), Some(&at_once))?;
        match events.first().map(|event| event.flags) {
            Some(flags) if flags.contains(EventFlags::ERR) => {
                Err(io::ErrorKind::NotConnected.into())
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsRawFd;
    use std::time::Duration;

    use nix::sys::socket::{MsgFlags, send};
    use smol::Timer;

    use super::*;

    /// Whether something is told within a time.
    fn told<F: AsFd>(trigger: &Trigger<F>, within: Duration) -> bool {
        let quiet = async {
            Timer::after(within).await;
            false
        };
        let told = async { trigger.stalled().await.is_ok() };
        smol::block_on(smol::future::or(told, quiet))
    }

    /// A socket with urgent data has priority events, too, and a test can make them.
    #[test]
    fn priority_events_are_told_and_others_are_not() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let sender = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let trigger = Trigger::watching(listener.accept().unwrap().0).unwrap();
        let send = |flags| send(sender.as_raw_fd(), b"!", flags).unwrap();
        send(MsgFlags::empty());
        assert!(!told(&trigger, Duration::from_millis(50)));
        send(MsgFlags::MSG_OOB);
        assert!(told(&trigger, Duration::from_secs(30)));
    }
}
