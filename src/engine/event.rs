//! What engines tell by themselves, as it happens.

use std::fmt;
use std::sync::Arc;

/// Something that happened without having been asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The engine does not answer: nothing can be started or removed until it is back. Sandboxes
    /// may go on running.
    Down,
    /// The engine answers again. Those sandboxes that ended meanwhile have been told of before.
    Up,
    /// A sandbox has ended, and not because it was removed.
    Ended {
        /// Its [`super::Sandbox::id`]. The number of a process may belong to another one by now,
        /// so the sandbox is to be asked whether it has exited; by now it knows.
        id: String,
        /// Whether that was for its memory, as far as that is known already.
        out_of_memory: bool,
    },
}

/// Where the events of an engine go. By default nobody listens.
#[derive(Clone, Default)]
pub struct Listener(Option<Arc<dyn Fn(Event) + Send + Sync>>);

impl Listener {
    /// Each event is given to `listen`, while no lock of the engine's is held. It is called on the
    /// thread that everything runs on, so it must not block.
    pub fn new(listen: impl Fn(Event) + Send + Sync + 'static) -> Self {
        Listener(Some(Arc::new(listen)))
    }

    /// Something has happened.
    pub(super) fn tell(&self, event: Event) {
        if let Some(listen) = &self.0 {
            listen(event);
        }
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Listener").field(&self.0.is_some()).finish()
    }
}
