//! Threads for what blocks: made when there is work, and gone a while after it.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::call::Call;
use crate::sync::lock;

/// How long a thread waits for more to do before it ends.
const LINGER: Duration = Duration::from_secs(10);

/// Bytes of a thread's stack: what ureq and rustls need, several times over.
const STACK: usize = 512 * 1024;

/// One thread of so many is kept for calls that are soon over.
const KEPT: usize = 4;

/// How long a call may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    /// As long as an action runs, or a client takes for its body or its answer.
    Long,
    /// No longer than the other side needs for it.
    Short,
}

/// Threads that carry calls, at most so many at a time. At rest there is none.
///
/// Some are never used for long calls: actions that run elsewhere, and clients that take their
/// time, must not keep this daemon from what it asks itself.
pub(super) struct Workers(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    more: Condvar,
    /// Threads, and calls of each length that may wait for one.
    most: usize,
    /// Threads that may carry long calls.
    most_long: usize,
    linger: Duration,
    /// Done when the last thread ends.
    at_rest: Box<dyn Fn() + Send + Sync>,
}

#[derive(Default)]
struct State {
    long: VecDeque<Job>,
    short: VecDeque<Job>,
    threads: usize,
    /// Threads that carry a call; the others are about to take one.
    busy: usize,
    /// Those of them that carry a long one.
    busy_long: usize,
}

impl State {
    /// Calls in the line that a free thread may take.
    fn ready(&self, most_long: usize) -> usize {
        self.short.len() + self.long.len().min(most_long - self.busy_long)
    }

    /// The next call that a free thread may take. Long ones first: they leave threads for others,
    /// and short ones do not.
    fn take(&mut self, most_long: usize) -> Option<(Length, Job)> {
        if self.busy_long < most_long
            && let Some(job) = self.long.pop_front()
        {
            self.busy_long += 1;
            return Some((Length::Long, job));
        }
        Some((Length::Short, self.short.pop_front()?))
    }
}

/// A call, and how it is carried.
struct Job {
    call: Arc<Call>,
    work: Box<dyn FnOnce() + Send>,
}

/// What becomes of a call that was handed in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Begun {
    /// A thread takes it at once.
    Now,
    /// It waits until one is free.
    Waiting,
}

/// Why a call was not taken.
#[derive(Debug)]
pub(super) enum NotBegun {
    /// As many as may be are under way, and as many wait.
    Busy,
    /// The system gives no thread.
    NoThread(io::Error),
}

impl Workers {
    /// At most `most` threads, before which as many calls of each length may wait. `at_rest` is
    /// done each time the last thread ends.
    pub(super) fn new(most: usize, at_rest: impl Fn() + Send + Sync + 'static) -> Self {
        Self::lingering(most, LINGER, at_rest)
    }

    fn lingering(
        most: usize,
        linger: Duration,
        at_rest: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        Workers(Arc::new(Shared {
            state: Mutex::default(),
            more: Condvar::new(),
            most,
            // The only one is for all.
            most_long: (most - most.div_ceil(KEPT)).max(1),
            linger,
            at_rest: Box::new(at_rest),
        }))
    }

    /// Has a thread carry a call with `work`.
    pub(super) fn begin(
        &self,
        call: &Arc<Call>,
        length: Length,
        work: impl FnOnce() + Send + 'static,
    ) -> Result<Begun, NotBegun> {
        let shared = &self.0;
        let job = Job {
            call: call.clone(),
            work: Box::new(work),
        };
        let mut state = lock(&shared.state);
        let state = &mut *state;
        let free = state.threads - state.busy;
        let ahead = state.ready(shared.most_long);
        let line = match length {
            Length::Long => &mut state.long,
            Length::Short => &mut state.short,
        };
        if line.len() >= free + shared.most {
            line.retain(|job| !job.call.is_given_up());
        }
        if line.len() >= free + shared.most {
            return Err(NotBegun::Busy);
        }
        line.push_back(job);
        if state.ready(shared.most_long) == ahead {
            return Ok(Begun::Waiting);
        }
        if ahead < free {
            shared.more.notify_one();
            return Ok(Begun::Now);
        }
        if state.threads == shared.most {
            return Ok(Begun::Waiting);
        }
        let worker = shared.clone();
        let thread = thread::Builder::new()
            .name("owl-upstream".to_owned())
            .stack_size(STACK)
            .spawn(move || worker.work());
        if let Err(error) = thread {
            let line = match length {
                Length::Long => &mut state.long,
                Length::Short => &mut state.short,
            };
            line.pop_back();
            return Err(NotBegun::NoThread(error));
        }
        state.threads += 1;
        Ok(Begun::Now)
    }
}

impl Shared {
    fn work(&self) {
        while let Some((length, job)) = self.next() {
            let work = AssertUnwindSafe(|| job.call.carry(job.work));
            // Whoever waits for the answer sees that it does not come.
            if catch_unwind(work).is_err() {
                log::error!("a request to another OpenWhisk was not carried to its end");
            }
            let mut state = lock(&self.state);
            state.busy -= 1;
            state.busy_long -= usize::from(length == Length::Long);
        }
        if lock(&self.state).threads == 0 {
            (self.at_rest)();
        }
    }

    /// The next call; none when there was nothing to do for long enough.
    fn next(&self) -> Option<(Length, Job)> {
        let state = lock(&self.state);
        let (mut state, _) = self
            .more
            .wait_timeout_while(state, self.linger, |state| state.ready(self.most_long) == 0)
            .unwrap_or_else(PoisonError::into_inner);
        let next = state.take(self.most_long);
        match next {
            Some(_) => state.busy += 1,
            None => state.threads -= 1,
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use smol::channel::{Receiver, Sender, bounded};

    use super::*;

    /// Work that has begun once something comes, and goes on until it is let go.
    fn work() -> (impl FnOnce() + Send + 'static, Receiver<()>, Sender<()>) {
        let (begun, has_begun) = bounded(1);
        let (go, goes_on) = bounded::<()>(1);
        let work = move || {
            begun.try_send(()).unwrap();
            let _ = goes_on.recv_blocking();
        };
        (work, has_begun, go)
    }

    fn workers(most: usize) -> (Workers, Receiver<()>) {
        let (rest, rests) = bounded(1);
        let workers = Workers::lingering(most, Duration::from_millis(1), move || {
            rest.try_send(()).unwrap();
        });
        (workers, rests)
    }

    #[test]
    fn no_more_threads_than_may_be_and_none_at_rest() {
        let (workers, rests) = workers(1);
        let (first, has_begun, go) = work();
        assert_eq!(
            workers
                .begin(&Call::new(None), Length::Long, first)
                .unwrap(),
            Begun::Now
        );
        has_begun.recv_blocking().unwrap();

        let (second, second_has_begun, second_go) = work();
        let waiting = Call::new(None);
        let begun = workers.begin(&waiting, Length::Long, second);
        assert_eq!(begun.unwrap(), Begun::Waiting);
        let beyond = workers.begin(&Call::new(None), Length::Long, || ());
        assert!(matches!(beyond, Err(NotBegun::Busy)));

        // A place in the line that nobody wants is free.
        waiting.give_up();
        let (third, third_has_begun, third_go) = work();
        let begun = workers.begin(&Call::new(None), Length::Long, third);
        assert_eq!(begun.unwrap(), Begun::Waiting);
        drop((go, second_go));
        third_has_begun.recv_blocking().unwrap();
        assert!(second_has_begun.recv_blocking().is_err());
        assert_eq!(lock(&workers.0.state).threads, 1);
        drop(third_go);
        rests.recv_blocking().unwrap();
        assert_eq!(lock(&workers.0.state).threads, 0);
    }

    #[test]
    fn a_panic_costs_no_place() {
        let (workers, _rests) = workers(1);
        let panics = || std::panic::resume_unwind(Box::new("no message"));
        workers
            .begin(&Call::new(None), Length::Long, panics)
            .unwrap();
        let (work, has_begun, go) = work();
        workers.begin(&Call::new(None), Length::Long, work).unwrap();
        has_begun.recv_blocking().unwrap();
        drop(go);
    }

    #[test]
    fn long_calls_leave_threads_for_short_ones() {
        let (workers, rests) = workers(4);
        let begin = |length| {
            let (work, has_begun, go) = work();
            let begun = workers.begin(&Call::new(None), length, work).unwrap();
            (begun, has_begun, go)
        };
        let long: Vec<_> = (0..5).map(|_| begin(Length::Long)).collect();
        let begun: Vec<_> = long
            .iter()
            .map(|(begun, ..)| begun == &Begun::Now)
            .collect();
        assert_eq!(begun, [true, true, true, false, false]);
        // However many wait, and one after another.
        for _ in 0..3 {
            let (begun, has_begun, go) = begin(Length::Short);
            assert_eq!(begun, Begun::Now);
            has_begun.recv_blocking().unwrap();
            let (waits, next_has_begun, next_go) = begin(Length::Short);
            assert_eq!(waits, Begun::Waiting);
            drop(go);
            next_has_begun.recv_blocking().unwrap();
            drop(next_go);
            while lock(&workers.0.state).busy > 3 {
                thread::yield_now();
            }
        }
        for (_, has_begun, go) in long {
            has_begun.recv_blocking().unwrap();
            drop(go);
        }
        rests.recv_blocking().unwrap();
    }
}
