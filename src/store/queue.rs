//! The bounded queue between callers and the writer thread.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use smol::channel::Sender;

use super::error::StoreError;
use super::operation::Operation;
use crate::sync::lock;

/// Operations that wait before more of them have to.
const MAX_OPERATIONS: usize = 1024;

/// Bytes of operations that wait before more of them have to.
const MAX_BYTES: u64 = 8 << 20;

/// Operations in one commit: bounds what a commit has in memory and how long the first one waits.
const BATCH_OPERATIONS: usize = 128;

/// Bytes in one commit, if it is more than one operation.
const BATCH_BYTES: u64 = 2 << 20;

/// An operation on its way to the writer.
pub(super) struct Queued {
    /// What to do.
    pub(super) operation: Operation,
    /// Where the result goes; nobody needs to listen.
    pub(super) reply: Sender<Result<u64, StoreError>>,
}

/// What the writer gets when it asks for work.
pub(super) enum Work {
    /// Operations for one commit, in the order in which they came.
    Batch(Vec<Queued>),
    /// Nothing came in the time that the writer was willing to wait.
    Idle,
    /// Nothing will come any more.
    Closed,
}

/// The queue. Operations of activations that were let in before always get in: there are
/// no more of them than those can have. All others wait for room.
#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    filled: Condvar,
    /// How long operations that nobody waits for wait for others to share a commit with.
    linger: Duration,
}

#[derive(Default)]
struct State {
    operations: VecDeque<Queued>,
    bytes: u64,
    /// Operations that somebody waits for.
    urgent: usize,
    /// Whether somebody has begun to wait for what is in it.
    hurried: bool,
    closed: bool,
    waiting: Vec<Waker>,
}

impl State {
    fn has_room(&self, bytes: u64) -> bool {
        // Something larger than the bound is let in alone.
        self.operations.is_empty()
            || (self.operations.len() < MAX_OPERATIONS && self.bytes + bytes <= MAX_BYTES)
    }

    /// Whether the writer has something new to look at: the first operation, one that somebody
    /// waits for, or one that makes a commit full.
    fn push(&mut self, queued: Queued) -> bool {
        self.bytes += queued.operation.bytes();
        let urgent = queued.operation.is_urgent();
        self.urgent += usize::from(urgent);
        self.operations.push_back(queued);
        urgent || self.operations.len() == 1 || self.fills_a_commit()
    }

    fn fills_a_commit(&self) -> bool {
        self.operations.len() >= BATCH_OPERATIONS || self.bytes >= BATCH_BYTES
    }

    /// Whether waiting longer would only let more operations share the commit.
    fn may_linger(&self) -> bool {
        self.urgent == 0 && !self.hurried && !self.fills_a_commit() && !self.closed
    }
}

impl Queue {
    /// An empty queue.
    pub(super) fn new(linger: Duration) -> Self {
        Queue {
            linger,
            ..Queue::default()
        }
    }

    /// Takes an operation in now, or gives it back if there is no room. After [`Self::close`] it is
    /// dropped, which its caller sees by the reply channel.
    pub(super) fn offer(&self, queued: Queued) -> Option<Queued> {
        let mut state = self.lock();
        if state.closed {
            return None;
        }
        if !queued.operation.continues_activation() && !state.has_room(queued.operation.bytes()) {
            return Some(queued);
        }
        if state.push(queued) {
            self.filled.notify_one();
        }
        None
    }

    /// Takes an operation in as soon as there is room.
    pub(super) async fn push(&self, queued: Queued) {
        let mut slot = Some(queued);
        poll_fn(|context| {
            let mut state = self.lock();
            let Some(queued) = slot.take() else {
                return Poll::Ready(());
            };
            if state.closed {
                return Poll::Ready(());
            }
            if state.has_room(queued.operation.bytes()) {
                if state.push(queued) {
                    self.filled.notify_one();
                }
                return Poll::Ready(());
            }
            slot = Some(queued);
            if !state.waiting.iter().any(|w| w.will_wake(context.waker())) {
                state.waiting.push(context.waker().clone());
            }
            Poll::Pending
        })
        .await;
    }

    /// Lets nothing that is in it linger.
    pub(super) fn hurry(&self) {
        let mut state = self.lock();
        state.hurried = !state.operations.is_empty();
        drop(state);
        self.filled.notify_one();
    }

    /// Waits for operations, at most `patience`, and takes as many as one commit should hold.
    pub(super) fn take(&self, patience: Duration) -> Work {
        let (state, _) = self
            .filled
            .wait_timeout_while(self.lock(), patience, |state| {
                state.operations.is_empty() && !state.closed
            })
            .unwrap_or_else(PoisonError::into_inner);
        if state.operations.is_empty() {
            return if state.closed {
                Work::Closed
            } else {
                Work::Idle
            };
        }
        let (mut state, _) = self
            .filled
            .wait_timeout_while(state, self.linger, |state| state.may_linger())
            .unwrap_or_else(PoisonError::into_inner);
        let mut batch = Vec::new();
        let mut bytes = 0;
        while let Some(next) = state.operations.front() {
            let more = next.operation.bytes();
            let full = batch.len() == BATCH_OPERATIONS || bytes + more > BATCH_BYTES;
            if full && !batch.is_empty() {
                break;
            }
            bytes += more;
            let urgent = next.operation.is_urgent();
            state.urgent -= usize::from(urgent);
            batch.extend(state.operations.pop_front());
        }
        state.bytes -= bytes;
        state.hurried &= !state.operations.is_empty();
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        for waker in waiting {
            waker.wake();
        }
        Work::Batch(batch)
    }

    /// Lets nothing in any more; what is in is still taken.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        self.filled.notify_all();
        for waker in waiting {
            waker.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entity::ActivationId;
    use smol::channel::{Receiver, bounded};

    type Answer = Receiver<Result<u64, StoreError>>;

    fn accept(bytes: usize) -> (Queued, Answer) {
        let (reply, answer) = bounded(1);
        let operation = Operation::Accept(ActivationId::random(), vec![0; bytes]);
        (Queued { operation, reply }, answer)
    }

    fn batch(queue: &Queue) -> Vec<Queued> {
        match queue.take(Duration::ZERO) {
            Work::Batch(batch) => batch,
            Work::Idle | Work::Closed => Vec::new(),
        }
    }

    #[test]
    fn what_does_not_fit_waits_and_what_ends_an_activation_does_not() {
        let queue = Queue::default();
        let half = MAX_BYTES as usize / 2 + 1;
        assert!(queue.offer(accept(half).0).is_none());
        let refused = queue
            .offer(accept(half).0)
            .expect("no room for a second half");
        let mut waiting = Box::pin(queue.push(refused));
        let mut poll = || smol::block_on(smol::future::poll_once(waiting.as_mut())).is_some();
        assert!(!poll());
        let (reply, _answer) = bounded(1);
        let operation = Operation::MarkStarted(ActivationId::random());
        assert!(queue.offer(Queued { operation, reply }).is_none());
        assert_eq!(batch(&queue).len(), 1, "a large one is a batch of its own");
        assert!(poll());
        assert_eq!(batch(&queue).len(), 1);
        assert_eq!(batch(&queue).len(), 1);
    }

    #[test]
    fn batches_are_bounded_and_in_order() {
        let queue = Queue::default();
        for _ in 0..=BATCH_OPERATIONS {
            assert!(queue.offer(accept(1).0).is_none());
        }
        assert_eq!(batch(&queue).len(), BATCH_OPERATIONS);
        assert_eq!(batch(&queue).len(), 1);
        assert!(matches!(queue.take(Duration::ZERO), Work::Idle));
    }

    #[test]
    fn only_finished_records_wait_for_company() {
        let record = |bytes: usize| Queued {
            operation: Operation::PutActivation(crate::store::ActivationRow {
                id: ActivationId::random(),
                namespace: "guest".into(),
                filter_name: "a".into(),
                start: 1,
                head: vec![0; bytes],
                tail: Vec::new(),
            }),
            reply: bounded(1).0,
        };
        let queue = Queue::default();
        assert!(queue.offer(record(1)).is_none());
        assert!(queue.lock().may_linger());
        assert!(queue.offer(record(BATCH_BYTES as usize)).is_none());
        assert!(!queue.lock().may_linger(), "a commit is full");
        assert_eq!(batch(&queue).len() + batch(&queue).len(), 2);

        assert!(queue.offer(record(1)).is_none());
        assert!(queue.offer(accept(1).0).is_none());
        assert!(!queue.lock().may_linger(), "somebody waits");
        assert_eq!(batch(&queue).len(), 2, "they share the commit");

        queue.hurry();
        assert!(queue.offer(record(1)).is_none());
        assert!(queue.lock().may_linger(), "what came before it is meant");
        queue.hurry();
        assert!(!queue.lock().may_linger(), "somebody has begun to wait");
        assert_eq!(batch(&queue).len(), 1);

        assert!(queue.offer(record(1)).is_none());
        assert!(queue.lock().may_linger());
        queue.close();
        assert!(!queue.lock().may_linger());
        assert_eq!(batch(&queue).len(), 1);
    }

    #[test]
    fn closing_drains_and_then_refuses() {
        let queue = Queue::default();
        assert!(queue.offer(accept(1).0).is_none());
        queue.close();
        let (late, answer) = accept(1);
        assert!(queue.offer(late).is_none());
        assert!(answer.try_recv().is_err() && answer.is_closed());
        assert_eq!(batch(&queue).len(), 1);
        assert!(matches!(queue.take(Duration::MAX), Work::Closed));
    }
}
