//! Streams that are not asked in vain.
//!
//! `Async` asks the system first and waits only when that has nothing, and after a wait it asks
//! twice. So each message costs three reads of which one gives something. A read that gave less
//! than there was room for has emptied the stream: what comes next has to be waited for.

use std::io::{self, ErrorKind, IoSlice, Read};
use std::os::fd::AsFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use smol::Async;
use smol::io::{AsyncRead, AsyncWrite};

/// A stream that is waited for rather than asked, where it is known to be empty.
#[derive(Debug)]
pub(crate) struct Sparing<T> {
    stream: Async<T>,
    /// What is read next is likely to be there already.
    hopeful: bool,
    /// The last read has emptied it.
    empty: bool,
}

impl<T> Sparing<T> {
    /// A stream whose other side has to be waited for each time: it answers, or prints.
    pub(crate) fn new(stream: Async<T>) -> Self {
        Sparing {
            stream,
            hopeful: false,
            empty: false,
        }
    }

    /// A stream whose other side may have sent more meanwhile, which costs less to find by asking
    /// than by waiting for it.
    pub(crate) fn hopeful(stream: Async<T>) -> Self {
        Sparing {
            hopeful: true,
            ..Sparing::new(stream)
        }
    }

    /// The file behind it.
    pub(crate) fn get_ref(&self) -> &T {
        self.stream.get_ref()
    }
}

impl<T: AsFd> AsyncRead for Sparing<T>
where
    Async<T>: Unpin,
    for<'a> &'a T: Read,
{
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        loop {
            if this.empty {
                ready!(this.stream.poll_readable(cx))?;
                this.empty = false;
            }
            match this.stream.get_ref().read(out) {
                Ok(n) => {
                    // The end, after which there is nothing to wait for, is no emptiness.
                    this.empty = !this.hopeful && n > 0 && n < out.len();
                    return Poll::Ready(Ok(n));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    // It may be ready for what was read long ago.
                    if this.stream.poll_readable(cx)?.is_ready() {
                        this.empty = true;
                    } else {
                        return Poll::Pending;
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl<T> AsyncWrite for Sparing<T>
where
    Async<T>: AsyncWrite + Unpin,
{
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, pieces)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_close(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::io::Write;
    use std::os::fd::BorrowedFd;
    use std::os::unix::net::UnixStream;
    use std::thread;
    use std::time::Duration;

    use smol::future::{block_on, poll_once};
    use smol::io::AsyncReadExt;

    use super::*;

    /// Counts how often it is asked.
    struct Counted(UnixStream, Cell<u32>);

    impl AsFd for Counted {
        fn as_fd(&self) -> BorrowedFd<'_> {
            self.0.as_fd()
        }
    }

    impl Read for &Counted {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            self.1.set(self.1.get() + 1);
            (&self.0).read(out)
        }
    }

    fn pair() -> (UnixStream, Async<Counted>) {
        let (near, far) = UnixStream::pair().unwrap();
        (near, Async::new(Counted(far, Cell::new(0))).unwrap())
    }

    #[test]
    fn a_message_that_is_waited_for_costs_one_read() {
        let (mut near, far) = pair();
        let mut far = Sparing::new(far);
        let mut out = [0; 100];
        near.write_all(b"first").unwrap();
        assert_eq!(smol::block_on(far.read(&mut out)).unwrap(), 5);
        let before = far.get_ref().1.get();
        for _ in 0..10 {
            // It waits: nothing has been sent.
            assert!(block_on(poll_once(far.read(&mut out))).is_none());
            near.write_all(b"next").unwrap();
            assert_eq!(smol::block_on(far.read(&mut out)).unwrap(), 4);
        }
        assert_eq!(far.get_ref().1.get() - before, 10);
    }

    #[test]
    fn one_that_may_be_there_is_asked_for_once_before_it_is_waited_for() {
        let (mut near, far) = pair();
        let mut far = Sparing::hopeful(far);
        let mut out = [0; 100];
        near.write_all(b"first").unwrap();
        assert_eq!(block_on(poll_once(far.read(&mut out))).unwrap().unwrap(), 5);
        assert!(block_on(poll_once(far.read(&mut out))).is_none());
        near.write_all(b"next").unwrap();
        smol::block_on(far.read(&mut out)).unwrap();
        let before = far.get_ref().1.get();
        for _ in 0..10 {
            assert!(block_on(poll_once(far.read(&mut out))).is_none());
            near.write_all(b"next").unwrap();
            // What the reactor tells of it is known still when it has been read.
            smol::block_on(far.stream.readable()).unwrap();
            assert_eq!(smol::block_on(far.read(&mut out)).unwrap(), 4);
        }
        assert_eq!(far.get_ref().1.get() - before, 20);
    }

    #[test]
    fn nothing_is_lost_however_it_is_cut() {
        for hopeful in [false, true] {
            let (mut near, far) = pair();
            let mut far = Sparing {
                hopeful,
                ..Sparing::new(far)
            };
            let sent: Vec<u8> = (0..50_000u32).map(|n| (n % 251) as u8).collect();
            let sends = sent.clone();
            let writer = thread::spawn(move || {
                for (n, piece) in sends.chunks(997).enumerate() {
                    near.write_all(piece).unwrap();
                    if n % 7 == 0 {
                        thread::sleep(Duration::from_millis(1));
                    }
                }
            });
            let mut came = Vec::new();
            smol::block_on(async {
                let mut out = [0; 1000];
                loop {
                    match far.read(&mut out).await.unwrap() {
                        0 => break,
                        n => came.extend_from_slice(&out[..n]),
                    }
                }
                // The end stays the end.
                assert_eq!(far.read(&mut out).await.unwrap(), 0);
            });
            writer.join().unwrap();
            assert!(came == sent, "{} of {} bytes", came.len(), sent.len());
        }
    }
}
