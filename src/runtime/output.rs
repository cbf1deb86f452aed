//! What the sandbox prints: the action's lines, and the marks that end an activation's log.

use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::write;

use crate::engine::logs::{SENTINEL, Stream};

/// Bytes that a pipe takes at once without waiting, where it takes any (PIPE_BUF, pipe(7)).
const PIECE: usize = 4096;

/// Whether anything was printed since the last marks.
static PRINTED: AtomicBool = AtomicBool::new(false);

/// Writes a line. A closed stream is no failure of the action: the text is lost.
pub fn line(stream: Stream, text: &str) {
    // One write for text and line end: readers then see whole lines where they are short.
    let mut bytes = Vec::with_capacity(text.len() + 1);
    bytes.extend_from_slice(text.as_bytes());
    bytes.push(b'\n');
    bytes_whole(stream, &bytes);
}

/// Writes bytes as they are, all of them, and waits for whoever reads the stream. What a closed
/// stream does not take is lost.
pub fn bytes_whole(stream: Stream, mut bytes: &[u8]) {
    PRINTED.store(true, Ordering::Relaxed);
    while !bytes.is_empty() {
        match write(descriptor(stream), bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => _ = poll(&mut [writable(stream)], PollTimeout::NONE),
            Err(_) => return,
        }
    }
}

/// Writes as many bytes as the stream takes without waiting, and gives back how many that were. A
/// closed stream takes them all: they are lost.
pub fn bytes_now(stream: Stream, bytes: &[u8]) -> usize {
    PRINTED.store(true, Ordering::Relaxed);
    let mut done = 0;
    while done < bytes.len() {
        if !matches!(poll(&mut [writable(stream)], PollTimeout::ZERO), Ok(1..)) {
            return done;
        }
        let end = bytes.len().min(done + PIECE);
        match write(descriptor(stream), &bytes[done..end]) {
            Ok(written) => done += written,
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => return done,
            Err(_) => return bytes.len(),
        }
    }
    done
}

fn descriptor(stream: Stream) -> BorrowedFd<'static> {
    match stream {
        Stream::Stdout => rustix::stdio::stdout(),
        Stream::Stderr => rustix::stdio::stderr(),
    }
}

/// Whether nothing was printed since the last marks.
pub fn nothing_printed() -> bool {
    !PRINTED.load(Ordering::Relaxed)
}

/// Ends the log of an activation on both streams (reference section 7.7).
pub fn end_activation() {
    line(Stream::Stdout, SENTINEL);
    line(Stream::Stderr, SENTINEL);
    PRINTED.store(false, Ordering::Relaxed);
}

/// What `poll` is to look at for [`bytes_now`] to get on.
pub fn writable(stream: Stream) -> PollFd<'static> {
    PollFd::new(descriptor(stream), PollFlags::POLLOUT)
}
