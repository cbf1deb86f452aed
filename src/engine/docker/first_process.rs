//! The first process of a container, where the kernel of this machine tells of its end: at once, while
//! an engine may take its time, or be away.

use std::io;
use std::os::fd::OwnedFd;

use rustix::process::{Pid, PidfdFlags, pidfd_open};
use smol::Async;

/// A process that is the first of a container.
pub(super) struct FirstProcess(Async<OwnedFd>);

impl FirstProcess {
    /// The process that has this number as the engine of the container with this id sees it.
    ///
    /// # Errors
    /// It has ended, or is one of another machine or another namespace, or this kernel does not
    /// tell of ends.
    pub(super) fn find(id: &str, process: i64) -> io::Result<FirstProcess> {
        let number = i32::try_from(process).ok().filter(|number| *number > 0);
        let number = number.and_then(Pid::from_raw);
        let number = number.ok_or(io::ErrorKind::InvalidInput)?;
        // Opened first: from here on nothing else can get its number.
        let process = pidfd_open(number, PidfdFlags::empty())?;
        let cgroups = format!("/proc/{}/cgroup", number.as_raw_nonzero());
        match std::fs::read_to_string(cgroups)?.contains(id) {
            true => Ok(FirstProcess(Async::new(process)?)),
            false => Err(io::Error::other("it is not of that container")),
        }
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    /// That cannot be waited for.
    pub(super) async fn ended(&self) -> io::Result<()> {
        self.0.readable().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    /// The last part of the path of this process's cgroup, which stands for a container's id.
    fn own_cgroup() -> String {
        let cgroups = std::fs::read_to_string("/proc/self/cgroup").unwrap();
        let line = cgroups.lines().next().unwrap();
        line.split_once(':').unwrap().1.to_owned()
    }

    #[test]
    fn the_end_of_a_process_is_told() {
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        let number = i64::from(child.id());
        let found = FirstProcess::find(&own_cgroup(), number).unwrap();
        let mut ended = Box::pin(found.ended());
        let early = smol::block_on(smol::future::poll_once(&mut ended));
        assert!(early.is_none());
        child.kill().unwrap();
        smol::block_on(ended).unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn a_process_of_somebody_else_is_not_taken_for_one() {
        let number = i64::from(std::process::id());
        for (id, number) in [
            ("0123456789abcdef", number),
            ("", 0),
            ("", -1),
            ("", i64::MAX),
        ] {
            assert!(FirstProcess::find(id, number).is_err(), "{id} {number}");
        }
    }
}
