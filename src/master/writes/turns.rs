//! Who writes to which entity: one at a time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use smol::lock::{Mutex as AsyncMutex, MutexGuardArc};

use crate::sync::lock;

/// The entities that are written to. The requests under way bound them.
#[derive(Default)]
pub struct Turns(Mutex<HashMap<String, Arc<AsyncMutex<()>>>>);

/// The turn to write to an entity; over when it is dropped.
pub struct Turn {
    turns: Arc<Turns>,
    path: String,
    /// Both go before it is looked whether anybody else has the entry.
    guard: Option<MutexGuardArc<()>>,
    entry: Option<Arc<AsyncMutex<()>>>,
}

impl Turns {
    /// Waits for the turn to write to a path.
    pub async fn take(self: &Arc<Self>, path: &str) -> Turn {
        let entry = lock(&self.0).entry(path.to_owned()).or_default().clone();
        let wait = entry.lock_arc();
        // Made first, so that whoever gives up waiting leaves nothing behind either.
        let mut turn = Turn {
            turns: self.clone(),
            path: path.to_owned(),
            guard: None,
            entry: Some(entry),
        };
        turn.guard = Some(wait.await);
        turn
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.guard = None;
        self.entry = None;
        let mut turns = lock(&self.turns.0);
        // Nobody else has it or waits for it.
        if turns
            .get(&self.path)
            .is_some_and(|entry| Arc::strong_count(entry) == 1)
        {
            turns.remove(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use smol::block_on;
    use smol::future::poll_once;

    #[test]
    fn one_at_a_time_and_nothing_left() {
        block_on(async {
            let turns = Arc::new(Turns::default());
            let first = turns.take("ns/a").await;
            let other = turns.take("ns/b").await;
            let mut second = Box::pin(turns.take("ns/a"));
            assert!(poll_once(&mut second).await.is_none());
            {
                let mut third = Box::pin(turns.take("ns/a"));
                assert!(poll_once(&mut third).await.is_none());
            }
            drop(first);
            drop(second.await);
            drop(other);
            assert!(lock(&turns.0).is_empty());
        });
    }
}
