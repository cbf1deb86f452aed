//! One request under way: what its caller and the thread that carries it tell each other.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, Weak};

use ureq::unversioned::transport::ShutdownHandle;

use super::Pieces;
use crate::sync::lock;

/// It waits for a thread.
const WAITING: u8 = 0;
/// A thread carries it.
const CARRIED: u8 = 1;
/// Nobody waits for its answer any more.
const GIVEN_UP: u8 = 2;

/// A socket that is under way in some call.
pub(super) type Socket = Weak<dyn ShutdownHandle>;

thread_local! {
    /// The call that this thread carries. ureq cannot tell a connection what it is used for, but
    /// a call never leaves its thread.
    static CURRENT: RefCell<Option<Arc<Call>>> = const { RefCell::new(None) };
}

/// A request under way.
#[derive(Default)]
pub(super) struct Call {
    state: AtomicU8,
    /// The socket that it uses, for as long as no other call can.
    socket: Mutex<Option<Socket>>,
    /// The request's body, if it comes in pieces.
    body: Option<Pieces>,
    /// Whether a connection was made for it; else it uses one that was there.
    connected: AtomicBool,
    /// Whether anything of the request was sent.
    sent: AtomicBool,
    /// Whether anything of an answer has come.
    answered: AtomicBool,
    /// Whether the other side takes no more of the body.
    refused: AtomicBool,
    /// Whether the body broke off before its end.
    abandoned: AtomicBool,
}

impl Call {
    /// A call that waits for a thread. `body` is that of the request, if it comes in pieces.
    pub(super) fn new(body: Option<Pieces>) -> Arc<Self> {
        Arc::new(Call {
            body,
            ..Call::default()
        })
    }

    /// The call that this thread carries.
    pub(super) fn current() -> Option<Arc<Self>> {
        CURRENT.with_borrow(Clone::clone)
    }

    /// Carries it: does `work` as this call, unless nobody waits for it any more.
    pub(super) fn carry(self: &Arc<Self>, work: impl FnOnce()) {
        if !self.turn(WAITING, CARRIED) {
            return;
        }
        CURRENT.set(Some(self.clone()));
        work();
        CURRENT.set(None);
    }

    /// Takes it back, if no thread carries it yet.
    pub(super) fn withdraw(&self) -> bool {
        self.turn(WAITING, GIVEN_UP)
    }

    fn turn(&self, from: u8, to: u8) -> bool {
        self.state
            .compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst)
            .is_ok()
    }

    /// Ends it: wherever its thread waits, it goes on at once. Only the search for a name and the
    /// making of a connection are waited for; they have limits of their own.
    pub(super) fn give_up(&self) {
        self.state.store(GIVEN_UP, Ordering::SeqCst);
        self.close_body();
        // Under the lock, so that the socket is not another call's meanwhile.
        let mut socket = lock(&self.socket);
        if let Some(socket) = socket.take().and_then(|socket| socket.upgrade()) {
            socket.shutdown();
        }
    }

    /// Nobody takes more of the body.
    pub(super) fn close_body(&self) {
        if let Some(body) = &self.body {
            body.close();
        }
    }

    /// Whether nobody waits for its answer any more.
    pub(super) fn is_given_up(&self) -> bool {
        self.state.load(Ordering::SeqCst) == GIVEN_UP
    }

    /// It uses this socket from now on. False if it was given up, and must not.
    pub(super) fn hold(&self, socket: &Socket) -> bool {
        *lock(&self.socket) = Some(socket.clone());
        // Whoever gives it up after this look finds the socket.
        !self.is_given_up()
    }

    /// The socket that it uses.
    pub(super) fn socket(&self) -> Option<Socket> {
        lock(&self.socket).clone()
    }

    /// It uses its socket no more: from now on another call may.
    pub(super) fn release(&self) {
        lock(&self.socket).take();
    }

    /// A connection is made for it.
    pub(super) fn set_connected(&self) {
        self.connected.store(true, Ordering::Relaxed);
    }

    /// Whether it uses a connection that an earlier call has left.
    pub(super) fn is_on_old_connection(&self) -> bool {
        !self.connected.load(Ordering::Relaxed)
    }

    /// Something of the request was sent.
    pub(super) fn set_sent(&self) {
        self.sent.store(true, Ordering::Relaxed);
    }

    /// Whether anything of the request was sent.
    pub(super) fn is_sent(&self) -> bool {
        self.sent.load(Ordering::Relaxed)
    }

    /// Something of an answer has come.
    pub(super) fn set_answered(&self) {
        self.answered.store(true, Ordering::Relaxed);
    }

    /// Whether anything of an answer has come.
    pub(super) fn is_answered(&self) -> bool {
        self.answered.load(Ordering::Relaxed)
    }

    /// The other side takes no more of the body; it may have answered before its end.
    pub(super) fn set_refused(&self) {
        self.refused.store(true, Ordering::Relaxed);
    }

    /// Whether the other side takes no more of the body.
    pub(super) fn is_refused(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
    }

    /// The body has broken off before its end.
    pub(super) fn set_abandoned(&self) {
        self.abandoned.store(true, Ordering::Relaxed);
    }

    /// Whether the body has broken off before its end.
    pub(super) fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::Relaxed)
    }

    /// Before the request is tried once more, of which nothing has had an effect.
    pub(super) fn begin_anew(&self) {
        self.release();
        self.sent.store(false, Ordering::Relaxed);
        self.refused.store(false, Ordering::Relaxed);
    }
}

/// Whoever waits for the answer of a call, or reads it. Dropping it gives the call up.
pub(super) struct Waiting(pub(super) Arc<Call>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.give_up();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[derive(Default)]
    struct Counter(AtomicUsize);

    impl ShutdownHandle for Counter {
        fn shutdown(&self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn socket() -> (Arc<Counter>, Socket) {
        let counter = Arc::new(Counter::default());
        let shared: Arc<dyn ShutdownHandle> = counter.clone();
        (counter, Arc::downgrade(&shared))
    }

    #[test]
    fn giving_up_reaches_only_the_own_socket() {
        let (counter, socket) = socket();
        let first = Call::new(None);
        assert!(first.hold(&socket));
        first.release();
        // Now it is another call's.
        let second = Call::new(None);
        assert!(second.hold(&socket));
        drop(Waiting(first));
        assert_eq!(counter.0.load(Ordering::Relaxed), 0);
        drop(Waiting(second.clone()));
        assert_eq!(counter.0.load(Ordering::Relaxed), 1);
        assert!(!second.hold(&socket));
    }

    #[test]
    fn giving_up_ends_the_body() {
        let (sender, pieces) = super::super::body();
        let call = Call::new(Some(pieces.clone()));
        call.give_up();
        assert!(pieces.recv_blocking().is_err());
        assert!(sender.is_closed() && call.is_given_up());
    }

    #[test]
    fn carried_once_and_only_if_wanted() {
        let call = Call::new(None);
        let mut carried = 0;
        call.carry(|| {
            assert!(Arc::ptr_eq(&Call::current().unwrap(), &call));
            assert!(!call.withdraw());
            carried += 1;
        });
        assert!(Call::current().is_none());
        call.carry(|| carried += 1);
        assert_eq!(carried, 1);

        let call = Call::new(None);
        assert!(call.withdraw());
        call.carry(|| panic!("nobody wants it"));
    }
}
