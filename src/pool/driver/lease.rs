//! What requests get of the pool: leases of sandboxes and of places for them.

use std::sync::Arc;
use std::time::Duration;

use smol::channel::Receiver;

use super::Inner;
use crate::deadline::within;
use crate::engine::logs::Section;
use crate::engine::proxy::Proxy;
use crate::engine::{Hold, Sandbox};
use crate::pool::{Slot, Ticket};

/// A started sandbox and the connection to its proxy.
pub struct Warm {
    /// The sandbox.
    pub sandbox: Arc<dyn Sandbox>,
    /// Speaks `/init` and `/run` to it.
    pub proxy: Proxy,
    /// What it has printed when it was initialised ahead of its first run, whose log begins with
    /// that.
    pub printed: Option<Section>,
}

impl Warm {
    /// A sandbox and what speaks to it.
    pub const fn new(sandbox: Arc<dyn Sandbox>, proxy: Proxy) -> Self {
        Warm {
            sandbox,
            proxy,
            printed: None,
        }
    }
}

/// What a request got.
pub enum Grant {
    /// A sandbox that has run this action before.
    Warm(Lease, Warm),
    /// The same, but it has to be thawed first: [`Lease::thaw`].
    Frozen(Lease, Warm),
    /// A stem cell: the holder initialises it.
    Stem(Lease, Warm),
    /// A place: the holder starts and initialises a sandbox in it.
    Cold(Lease),
}

/// How a request stands when it was made.
pub enum Wait {
    /// It has its sandbox.
    Granted(Grant),
    /// It waits for its turn.
    Queued(Queued),
}

/// A request that waits. Dropping it withdraws it.
pub struct Queued {
    inner: Arc<Inner>,
    ticket: Ticket,
    receiver: Receiver<Grant>,
}

/// The right to a place in the pool. Dropping it gives the place up together with its sandbox;
/// [`Lease::keep`] returns the sandbox for further use. Of a sandbox that has several runs at the
/// same time each has a lease: it goes, if it has to, when the last of them is returned.
pub struct Lease {
    inner: Arc<Inner>,
    slot: Slot,
    returned: bool,
}

impl Grant {
    /// Nobody wants it any more: a warm sandbox stays in the pool, a place becomes free. A stem
    /// cell goes: another one takes its place.
    pub fn give_back(self) {
        match self {
            Grant::Warm(lease, warm) => _ = lease.keep(warm),
            // What stays must not be frozen, as far as the pool knows.
            Grant::Frozen(lease, warm) => lease.thaw_and_keep(warm),
            Grant::Stem(lease, warm) => lease.discard(Some(warm)),
            Grant::Cold(lease) => lease.discard(None),
        }
    }
}

impl Queued {
    pub(super) fn new(inner: Arc<Inner>, ticket: Ticket, receiver: Receiver<Grant>) -> Self {
        Queued {
            inner,
            ticket,
            receiver,
        }
    }

    /// How it stands already.
    pub(super) fn now(self) -> Wait {
        match self.receiver.try_recv() {
            Ok(grant) => Wait::Granted(grant),
            Err(_) => Wait::Queued(self),
        }
    }

    /// Waits for the sandbox. `None` when the longest wait is over or the pool is being emptied.
    pub async fn granted(self, longest: Duration) -> Option<Grant> {
        let granted = within(longest, self.receiver.recv()).await;
        granted.ok()?.ok()
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        let ticket = self.ticket;
        let waited = self.inner.lock().waiting.remove(&ticket);
        if waited.is_some() {
            self.inner
                .tell(|pool, now, out| pool.cancel(now, ticket, out));
        }
        // A grant that came at the last moment goes to somebody else.
        if let Ok(grant) = self.receiver.try_recv() {
            grant.give_back();
        }
    }
}

impl Lease {
    pub(super) fn new(inner: Arc<Inner>, slot: Slot) -> Self {
        Lease {
            inner,
            slot,
            returned: false,
        }
    }

    /// The number of its place.
    pub const fn slot(&self) -> Slot {
        self.slot
    }

    /// What an engine keeps as long as it has something of a sandbox that it starts in this place.
    pub fn hold(&self) -> Hold {
        self.inner.hold(self.slot)
    }

    /// Waits until no engine has anything of this place.
    pub async fn emptied(&self) {
        let held = self.inner.lock().places.held(self.slot);
        for held in held {
            held.freed().await;
        }
    }

    /// The sandbox of a place is there.
    pub fn started(&self) {
        let slot = self.slot;
        self.inner
            .tell(|pool, now, out| pool.started(now, slot, out));
    }

    /// The sandbox has its code: what that took is what a cold start costs.
    /// From now on it takes further runs beside this one, if its action may have several at a time.
    pub fn initialised(&self, warm: &Warm) {
        self.inner.opened(self.slot, warm);
    }

    /// Thaws a sandbox before its next run. None if it cannot be: it goes then, and the run has to
    /// take another one.
    pub async fn thaw(self, warm: Warm) -> Option<(Lease, Warm)> {
        match warm.sandbox.thaw().await {
            Ok(()) => {
                let slot = self.slot;
                self.inner
                    .tell(|pool, now, out| pool.thawed(now, slot, out));
                Some((self, warm))
            }
            Err(error) => {
                log::warn!("{error}: it is removed");
                self.discard(Some(warm));
                None
            }
        }
    }

    fn thaw_and_keep(self, warm: Warm) {
        let executor = self.inner.executor.clone();
        let thawing = async move {
            if let Some((lease, warm)) = self.thaw(warm).await {
                lease.keep(warm);
            }
        };
        executor.spawn(thawing).detach();
    }

    /// Returns the sandbox: it may be used again. Gives its number, for
    /// [`super::Driver::retire_slot`].
    pub fn keep(mut self, warm: Warm) -> Slot {
        self.finish(Some(warm), true);
        self.slot
    }

    /// Gives the place up and removes the sandbox, if it came to one.
    pub fn discard(mut self, warm: Option<Warm>) {
        self.finish(warm, false);
    }

    fn finish(&mut self, warm: Option<Warm>, keep: bool) {
        self.returned = true;
        let slot = self.slot;
        // What has ended meanwhile was nobody's to remove when that was told.
        let has_exited = warm.as_ref().is_some_and(|warm| warm.sandbox.has_exited());
        let keep = keep && !has_exited;
        self.inner
            .tell_with(slot, warm, |pool, now, out| pool.done(now, slot, keep, out));
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !self.returned {
            self.finish(None, false);
        }
    }
}
