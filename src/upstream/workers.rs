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

/// Threads that carry calls, at most so many at a time. At rest there is none.
pub(super) struct Workers(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    more: Condvar,
    /// Threads, and calls that may wait for one.
    most: usize,
    linger: Duration,
    /// Done when the last thread ends.
    at_rest: Box<dyn Fn() + Send + Sync>,
}

#[derive(Default)]
struct State {
    line: VecDeque<Job>,
    threads: usize,
    /// Threads that carry a call; the others are about to take one.
    busy: usize,
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
    /// At most `most` threads, before which as many calls may wait. `at_rest` is done each time
    /// the last thread ends.
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
            linger,
            at_rest: Box::new(at_rest),
        }))
    }

    /// Has a thread carry a call with `work`.
    pub(super) fn begin(
        &self,
        call: &Arc<Call>,
        work: impl FnOnce() + Send + 'static,
    ) -> Result<Begun, NotBegun> {
        let shared = &self.0;
        let job = Job {
            call: call.clone(),
            work: Box::new(work),
        };
        let mut state = lock(&shared.state);
        let free = state.threads - state.busy;
        if state.line.len() >= free && state.threads < shared.most {
            let worker = shared.clone();
            thread::Builder::new()
                .name("owl-upstream".to_owned())
                .stack_size(STACK)
                .spawn(move || worker.work())
                .map_err(NotBegun::NoThread)?;
            state.threads += 1;
            state.line.push_back(job);
            return Ok(Begun::Now);
        }
        if state.line.len() >= free + shared.most {
            state.line.retain(|job| !job.call.is_given_up());
        }
        let ahead = state.line.len();
        if ahead >= free + shared.most {
            return Err(NotBegun::Busy);
        }
        state.line.push_back(job);
        shared.more.notify_one();
        match ahead < free {
            true => Ok(Begun::Now),
            false => Ok(Begun::Waiting),
        }
    }
}

impl Shared {
    fn work(&self) {
        while let Some(job) = self.next() {
            let work = AssertUnwindSafe(|| job.call.carry(job.work));
            // Whoever waits for the answer sees that it does not come.
            if catch_unwind(work).is_err() {
                log::error!("a request to another OpenWhisk was not carried to its end");
            }
            lock(&self.state).busy -= 1;
        }
        if lock(&self.state).threads == 0 {
            (self.at_rest)();
        }
    }

    /// The next call; none when there was nothing to do for long enough.
    fn next(&self) -> Option<Job> {
        let state = lock(&self.state);
        let (mut state, _) = self
            .more
            .wait_timeout_while(state, self.linger, |state| state.line.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        let job = state.line.pop_front();
        match job {
            Some(_) => state.busy += 1,
            None => state.threads -= 1,
        }
        job
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
        assert_eq!(workers.begin(&Call::new(None), first).unwrap(), Begun::Now);
        has_begun.recv_blocking().unwrap();

        let (second, second_has_begun, second_go) = work();
        let waiting = Call::new(None);
        let begun = workers.begin(&waiting, second);
        assert_eq!(begun.unwrap(), Begun::Waiting);
        let beyond = workers.begin(&Call::new(None), || ());
        assert!(matches!(beyond, Err(NotBegun::Busy)));

        // A place in the line that nobody wants is free.
        waiting.give_up();
        let (third, third_has_begun, third_go) = work();
        let begun = workers.begin(&Call::new(None), third);
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
        workers.begin(&Call::new(None), panics).unwrap();
        let (work, has_begun, go) = work();
        workers.begin(&Call::new(None), work).unwrap();
        has_begun.recv_blocking().unwrap();
        drop(go);
    }
}
