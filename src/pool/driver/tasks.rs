//! Decisions that take time to be carried out.

use std::sync::Arc;

use super::{Inner, Warm};
use crate::BoxFuture;
use crate::engine::{FreezeError, Held, Hold, StartError};
use crate::pool::{Class, Slot};

/// Starts a stem cell of a class in a place.
pub type Nursery =
    Arc<dyn Fn(Arc<Class>, Hold) -> BoxFuture<'static, Result<Warm, StartError>> + Send + Sync>;

impl Inner {
    /// Removes the sandbox of a place, if there is one, and waits until the place is free.
    pub(super) fn remove(self: &Arc<Self>, slot: Slot, warm: Option<Warm>, held: Vec<Held>) {
        let inner = self.clone();
        let removal = async move {
            if let Some(Warm { sandbox, proxy, .. }) = warm {
                drop(proxy);
                sandbox.remove().await;
                inner.lock().removed += 1;
            }
            if inner.lock().places.linger(slot) {
                for held in held {
                    held.freed().await;
                }
            }
            let mut state = inner.lock();
            state.places.freed(slot);
            inner.tell_in(state, |pool, now, out| pool.removed(now, slot, out));
        };
        self.executor.spawn(removal).detach();
    }

    /// Freezes an idle sandbox, which is nobody's meanwhile.
    pub(super) fn freeze(self: &Arc<Self>, slot: Slot, mut warm: Warm) {
        let inner = self.clone();
        let freezing = async move {
            warm.proxy.disconnect();
            let result = warm.sandbox.freeze().await;
            if let Err(error @ FreezeError::Failed { .. }) = &result {
                log::warn!("{error}");
            }
            let again = !matches!(result, Err(FreezeError::Unsupported(_)));
            let is_frozen = result.is_ok();
            inner.tell_with(slot, Some(warm), |pool, now, out| {
                pool.frozen(now, slot, is_frozen, again, out);
            });
        };
        self.executor.spawn(freezing).detach();
    }

    /// Starts a stem cell.
    pub(super) fn grow(
        self: &Arc<Self>,
        slot: Slot,
        class: Arc<Class>,
        hold: Hold,
        nursery: Option<Nursery>,
    ) {
        let inner = self.clone();
        let growing = async move {
            let started = match nursery {
                Some(nursery) => nursery(class.clone(), hold).await,
                None => Err(StartError::Failed("nothing starts stem cells".into())),
            };
            let warm = match started {
                Ok(warm) => Some(warm),
                Err(error) => {
                    let (kind, memory) = (&class.kind, class.memory);
                    log::debug!("no stem cell of {kind} with {memory} MB: {error}");
                    None
                }
            };
            // One that has ended already was looked for in vain when that was told.
            let is_there = warm.as_ref().is_some_and(|warm| !warm.sandbox.has_exited());
            inner.tell_with(slot, warm, |pool, now, out| {
                pool.grown(now, slot, is_there, out);
            });
        };
        self.executor.spawn(growing).detach();
    }
}
