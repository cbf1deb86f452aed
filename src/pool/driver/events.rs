//! What the driver is told from outside: by engines, and by whoever sets the pool up.

use std::sync::Arc;
use std::time::Instant;

use super::{Driver, Inner, Nursery, Warm};
use crate::engine::{Event, Held, Listener};
use crate::pool::{Class, Key, Needs};

impl Driver {
    /// Where the events of the engine of this name are to go.
    pub fn listener(&self, engine: &'static str) -> Listener {
        let inner = Arc::downgrade(&self.inner);
        Listener::new(move |event| {
            if let Some(inner) = inner.upgrade() {
                inner.heard(engine, event);
            }
        })
    }

    /// So many stem cells of these classes are to be there, and no others; `nursery` starts them.
    pub fn set_stems(&self, nursery: Nursery, stems: Vec<(Class, usize)>) {
        self.inner.lock().nursery = Some(nursery);
        self.inner
            .tell(|pool, now, out| pool.set_stems(now, stems, out));
    }

    /// Takes in a warm sandbox of an earlier process of the daemon, whose place is free when `held`
    /// tells it.
    ///
    /// # Errors
    /// There is no room for it: it is given back.
    pub fn adopt(&self, key: Key, needs: &Needs, warm: Warm, held: Held) -> Result<(), Warm> {
        if warm.sandbox.has_exited() {
            return Err(warm);
        }
        let mut state = self.inner.lock();
        let mut decisions = Vec::new();
        let now = Instant::now();
        let adopted = state.pool.adopt(now, key, needs, &mut decisions);
        let Some(slot) = adopted else {
            return Err(warm);
        };
        state.share(slot, &warm);
        state.warm.insert(slot, warm);
        state.places.hold(slot, held);
        self.inner.carry_out(state, decisions);
        Ok(())
    }
}

impl Inner {
    pub(super) fn heard(self: &Arc<Self>, engine: &'static str, event: Event) {
        match event {
            Event::Down => {
                log::warn!("the engine {engine} does not answer: nothing is started on it");
                self.tell(|pool, now, out| pool.engine_down(now, engine, out));
            }
            Event::Up => {
                log::info!("the engine {engine} answers again");
                self.tell(|pool, now, out| pool.engine_up(now, engine, out));
            }
            Event::Ended { id, .. } => self.ended(&id),
        }
    }

    /// A sandbox has ended by itself. One that somebody uses is found out when it is returned.
    fn ended(self: &Arc<Self>, id: &str) {
        let state = self.lock();
        let mut warm = state.warm.iter();
        let slot = warm.find_map(|(slot, warm)| {
            let is_it = warm.sandbox.id() == id && warm.sandbox.has_exited();
            is_it.then_some(*slot)
        });
        drop(state);
        if let Some(slot) = slot {
            log::info!("sandbox {id} ended while it was idle");
            self.tell(|pool, now, out| pool.died(now, slot, out));
        }
    }
}
