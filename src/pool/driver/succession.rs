//! What is left to the next process of the daemon.

use super::{Driver, Warm};

impl Driver {
    /// As [`Driver::stop`], but idle sandboxes that can go on without this process are frozen and
    /// left, for the next one to adopt. The others are removed: stem cells, what is being frozen at
    /// this moment, and what cannot be frozen. Gives how many are left.
    pub async fn give_way(&self) -> usize {
        let idle: Vec<Warm> = {
            let mut state = self.inner.lock();
            let slots = state.pool.idle().into_iter();
            let idle = slots.filter_map(|slot| {
                // What is left is not waited for.
                state.places.leave(slot);
                state.warm.remove(&slot)
            });
            idle.collect()
        };
        // For the pool they are gone.
        let emptied = self.close();
        let mut left = 0;
        for warm in idle {
            left += usize::from(leave(warm).await);
        }
        let _ = emptied.recv().await;
        left
    }
}

/// Freezes an idle sandbox and leaves it, or removes it. Tells whether it is left.
async fn leave(warm: Warm) -> bool {
    let Warm {
        sandbox, mut proxy, ..
    } = warm;
    proxy.disconnect();
    let fit = sandbox.outlives() && !sandbox.has_exited();
    if fit && sandbox.freeze().await.is_ok() {
        // To drop it would be to remove it.
        std::mem::forget(sandbox);
        return true;
    }
    sandbox.remove().await;
    false
}
