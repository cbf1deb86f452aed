//! What keeps a place of the pool taken: whoever may still have something of its sandbox, or may
//! yet get it.

use std::convert::Infallible;
use std::fmt;

use smol::channel::{Receiver, Sender, bounded};

/// Kept by an engine for as long as anything of a sandbox may be there, or may yet come: of one
/// that is being created though nobody waits for it any more, or that could not be removed. When the
/// last clone is dropped the place is free. The default holds none.
#[derive(Clone, Default)]
pub struct Hold(Option<Sender<Infallible>>);

/// Tells when a place is free.
#[derive(Clone)]
pub struct Held(Receiver<Infallible>);

impl Hold {
    /// Holds a place, and what tells of it.
    pub fn new() -> (Hold, Held) {
        let (sender, receiver) = bounded(1);
        (Hold(Some(sender)), Held(receiver))
    }
}

impl Held {
    /// Whether nothing is there any more.
    pub fn is_free(&self) -> bool {
        self.0.is_closed()
    }

    /// Waits until nothing is there any more.
    pub async fn freed(&self) {
        // Nothing is ever sent: it ends with the last sender.
        let _ = self.0.recv().await;
    }
}

impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Hold").field(&self.0.is_some()).finish()
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Held").field(&!self.is_free()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_lite::future::{block_on, poll_once};

    #[test]
    fn a_place_is_free_when_nobody_holds_it_any_more() {
        let (hold, held) = Hold::new();
        let other = hold.clone();
        drop(hold);
        let mut freed = Box::pin(held.freed());
        assert!(!held.is_free() && block_on(poll_once(&mut freed)).is_none());
        drop(other);
        assert!(held.is_free());
        block_on(freed);
    }
}
