//! Deadlines, all behind one timer of the reactor.
//!
//! Nearly every wait here has a time limit, and nearly none of them is ever reached. A timer of
//! `async-io` for each would be put into the reactor's books, wake the reactor for that, and be
//! taken out again microseconds later. Here a deadline is an entry in a map of our own, and the one
//! timer behind them all moves only for one that comes before every other; once it has gone off, it
//! is set for the earliest that is left.

mod book;

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use smol::Timer;

use crate::sync::lock;
use book::{Book, Entry};

/// A time limit ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimedOut;

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("timed out")
    }
}

impl std::error::Error for TimedOut {}

impl From<TimedOut> for io::Error {
    fn from(_: TimedOut) -> Self {
        io::ErrorKind::TimedOut.into()
    }
}

/// Waits for a future for `limit` at most; after that it is dropped. The future is asked first, so
/// that one which is ready is never late.
pub async fn within<F: Future>(limit: Duration, future: F) -> Result<F::Output, TimedOut> {
    let mut future = pin!(future);
    let mut deadline = None;
    std::future::poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Ok(output));
        }
        // A limit beyond the end of time is none.
        let deadline = deadline.get_or_insert_with(|| Instant::now().checked_add(limit).map(at));
        match deadline {
            Some(deadline) => Pin::new(deadline).poll(cx).map(|()| Err(TimedOut)),
            None => Poll::Pending,
        }
    })
    .await
}

/// Ready at a time, and ever after.
pub fn at(when: Instant) -> Deadline {
    Deadline { when, entry: None }
}

/// A future that is ready at a time. See [`at`].
#[must_use = "futures do nothing unless they are polled"]
#[derive(Debug)]
pub struct Deadline {
    when: Instant,
    /// Its entry, once it has been waited for.
    entry: Option<Entry>,
}

impl Deadline {
    /// When it is ready.
    pub const fn when(&self) -> Instant {
        self.when
    }
}

impl Future for Deadline {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let clock = Clock::get();
        if let Some(entry) = self.entry {
            let mut state = lock(&clock.state);
            let replaced = match state.book.waker(entry) {
                // It was due.
                None => return Poll::Ready(()),
                Some(known) if known.will_wake(cx.waker()) => return Poll::Pending,
                Some(known) => std::mem::replace(known, cx.waker().clone()),
            };
            drop(state);
            // As in `drop` below.
            drop(replaced);
            return Poll::Pending;
        }
        if self.when <= Instant::now() {
            return Poll::Ready(());
        }
        self.entry = Some(clock.insert(self.when, cx.waker().clone()));
        Poll::Pending
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        if let Some(entry) = self.entry {
            // The waker may be the last of its task, whose end may drop other deadlines.
            let removed = lock(&Clock::get().state).book.remove(entry);
            drop(removed);
        }
    }
}

/// What all deadlines of the process share.
struct Clock {
    state: Mutex<State>,
}

struct State {
    book: Book<Waker>,
    /// Goes off at `armed`.
    timer: Timer,
}

impl Clock {
    fn get() -> &'static Arc<Clock> {
        static CLOCK: OnceLock<Arc<Clock>> = OnceLock::new();
        CLOCK.get_or_init(|| {
            Arc::new(Clock {
                state: Mutex::new(State {
                    book: Book::default(),
                    timer: Timer::never(),
                }),
            })
        })
    }

    fn insert(self: &Arc<Self>, when: Instant, waker: Waker) -> Entry {
        let mut state = lock(&self.state);
        let entry = state.book.insert(when, waker);
        let due = self.arm(&mut state);
        drop(state);
        due.into_iter().for_each(Waker::wake);
        entry
    }

    /// Sets the timer for the earliest deadline, unless it goes off early enough. Gives whom to
    /// wake: of deadlines that have passed meanwhile.
    fn arm(self: &Arc<Self>, state: &mut State) -> Vec<Waker> {
        let mut due = Vec::new();
        while let Some(when) = state.book.arm() {
            state.timer.set_at(when);
            let waker = Waker::from(self.clone());
            if Pin::new(&mut state.timer)
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
            {
                break;
            }
            due.extend(state.book.went_off(Instant::now()));
        }
        due
    }
}

/// The timer wakes the clock itself, on the thread that drives the reactor: there is no task.
impl Wake for Clock {
    fn wake(self: Arc<Self>) {
        let mut state = lock(&self.state);
        let mut due = state.book.went_off(Instant::now());
        due.extend(self.arm(&mut state));
        drop(state);
        due.into_iter().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_limit_ends_a_wait() {
        let late = smol::block_on(within(5 * MS, std::future::pending::<()>()));
        assert_eq!(late, Err(TimedOut));
        let ready = smol::block_on(within(Duration::ZERO, async { 1 }));
        assert_eq!(ready, Ok(1));
        let no_end = smol::block_on(within(Duration::MAX, async {
            at(Instant::now() + MS).await;
            2
        }));
        assert_eq!(no_end, Ok(2));
    }

    #[test]
    fn the_earlier_is_ready_before_the_later_whichever_was_first() {
        let begun = Instant::now();
        let (sender, receiver) = smol::channel::unbounded();
        let executor = smol::Executor::new();
        for wait in [40, 10, 30, 20, 10] {
            let sender = sender.clone();
            let task = executor.spawn(async move {
                at(begun + wait * MS).await;
                assert!(Instant::now() >= begun + wait * MS);
                let _ = sender.try_send(wait);
            });
            task.detach();
        }
        drop(sender);
        let mut came = Vec::new();
        smol::block_on(executor.run(async {
            while let Ok(wait) = receiver.recv().await {
                came.push(wait);
            }
        }));
        assert_eq!(came.len(), 5);
        // On a busy machine several may be due at once, and tasks are run in any order then.
        assert!(begun.elapsed() >= 40 * MS);
    }

    #[test]
    fn deadlines_of_several_threads_go_off() {
        let threads: Vec<_> = (0..4)
            .map(|thread| {
                std::thread::spawn(move || {
                    for wait in 0..20 {
                        let begun = Instant::now();
                        let wait = (wait * 7 + thread) % 5 * MS;
                        smol::block_on(at(begun + wait));
                        assert!(begun.elapsed() >= wait);
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
    }

    #[test]
    fn one_that_is_dropped_wakes_nobody() {
        let mut dropped = Box::pin(at(Instant::now() + 5 * MS));
        let first = smol::block_on(smol::future::poll_once(&mut dropped));
        assert_eq!(first, None);
        drop(dropped);
        smol::block_on(at(Instant::now() + 10 * MS));
        // One that was polled again by another task wakes that one.
        let mut moved = Box::pin(at(Instant::now() + 5 * MS));
        assert_eq!(smol::block_on(smol::future::poll_once(&mut moved)), None);
        std::thread::spawn(move || smol::block_on(moved))
            .join()
            .unwrap();
    }
}
