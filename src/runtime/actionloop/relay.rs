//! What the action's process prints, on its way to the streams of the proxy. It goes through the
//! proxy so that it is known of each run whether anything was printed at all.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::os::fd::{AsFd, OwnedFd};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags};
use nix::unistd::pipe2;

use super::is_not_now;
use crate::engine::logs::Stream;
use crate::runtime::output;

/// Bytes that are held of each stream.
const HELD: usize = 16 * 1024;

/// How often a stream is read before something else has its turn.
const TURNS: usize = 16;

/// The most that a pipe can hold (pipe-max-size, pipe(7)): what lies in it when a run ends is less.
const MOST_LEFT: usize = 1 << 20;

/// Both streams of one process.
#[derive(Debug)]
pub struct Relay {
    ends: [End; 2],
}

#[derive(Debug)]
struct End {
    stream: Stream,
    /// Nothing once the process, and all that it has started, have closed it.
    from: Option<File>,
    /// Made once: to clear it for each read would cost more than most runs print.
    buffer: Box<[u8]>,
    /// What of the buffer has not been passed on.
    held: Range<usize>,
}

impl Relay {
    /// Two pipes. The ends of the process are to become its standard output and error.
    pub fn new() -> io::Result<(Self, [OwnedFd; 2])> {
        let (stdout, out) = End::new(Stream::Stdout)?;
        let (stderr, err) = End::new(Stream::Stderr)?;
        let ends = [stdout, stderr];
        Ok((Relay { ends }, [out, err]))
    }

    /// Passes on what is there, as long as the streams take it.
    pub fn pass(&mut self) {
        for end in &mut self.ends {
            for _ in 0..TURNS {
                if !end.flush() || !end.fill() {
                    break;
                }
            }
        }
    }

    /// Passes on all that was printed until now, and waits for whoever reads it.
    pub fn finish(&mut self) {
        for end in &mut self.ends {
            let mut passed = 0;
            loop {
                passed += end.held.len();
                output::bytes_whole(end.stream, &end.buffer[end.held.clone()]);
                end.held = 0..0;
                // Something that goes on printing is not waited for.
                if passed > MOST_LEFT || !end.fill() {
                    break;
                }
            }
        }
    }

    /// What `poll` is to look at, so that [`Relay::pass`] is called when it gets on.
    pub fn waits(&self) -> impl Iterator<Item = PollFd<'_>> {
        self.ends.iter().filter_map(End::waits)
    }
}

/// What it has said last is often why it has ended.
impl Drop for Relay {
    fn drop(&mut self) {
        self.finish();
    }
}

impl End {
    fn new(stream: Stream) -> io::Result<(Self, OwnedFd)> {
        let (from, to) = pipe2(OFlag::O_CLOEXEC)?;
        fcntl(&from, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        let end = End {
            stream,
            from: Some(from.into()),
            buffer: vec![0; HELD].into(),
            held: 0..0,
        };
        Ok((end, to))
    }

    /// Whether nothing is held any more.
    fn flush(&mut self) -> bool {
        if !self.held.is_empty() {
            self.held.start += output::bytes_now(self.stream, &self.buffer[self.held.clone()]);
        }
        self.held.is_empty()
    }

    /// Whether there was something to hold.
    fn fill(&mut self) -> bool {
        let Some(from) = &mut self.from else {
            return false;
        };
        match from.read(&mut self.buffer) {
            Ok(0) => self.from = None,
            Ok(length) => self.held = 0..length,
            Err(error) if is_not_now(&error) => {}
            Err(_) => self.from = None,
        }
        !self.held.is_empty()
    }

    fn waits(&self) -> Option<PollFd<'_>> {
        match &self.from {
            _ if !self.held.is_empty() => Some(output::writable(self.stream)),
            Some(from) => Some(PollFd::new(from.as_fd(), PollFlags::POLLIN)),
            None => None,
        }
    }
}
