//! Stem cells: what the runtimes manifest wants to be ready, and how it is started.

use std::sync::{Arc, Weak};

use super::{Inner, Invoker};
use crate::engine::proxy::Proxy;
use crate::engine::{Hold, StartError};
use crate::pool::{Class, Nursery, Warm};

/// The part of the memory for sandboxes that stem cells of the built-in manifest may take: one in
/// so many. The operator has not asked for them, and on a small machine they would leave too little
/// room for what is called.
const SHARE: u32 = 4;

impl Invoker {
    /// Keeps the stem cells of the manifest ready, for those kinds that are to be had now. To be
    /// called again when an engine was found.
    pub fn keep_stems(&self) {
        let inner = &self.inner;
        let mut stems = Vec::new();
        let manifest = inner.manifest.get();
        let mut left = inner.live().pool_memory / SHARE;
        for kind in manifest.all() {
            let Ok(home) = inner.home_of(&kind.kind) else {
                continue;
            };
            for cell in &kind.stem_cells {
                let class = inner.class(&kind.kind, &home, cell.memory);
                let count = match kind.built_in {
                    true => afford(&mut left, cell.initial_count, cell.memory),
                    false => cell.initial_count,
                };
                stems.push((class, count as usize));
            }
        }
        inner.pool.set_stems(nursery(Arc::downgrade(inner)), stems);
    }
}

/// As many of so many as have room, which they take.
const fn afford(left: &mut u32, count: u32, memory: u32) -> u32 {
    let most = *left / if memory > 0 { memory } else { 1 };
    let count = if count < most { count } else { most };
    *left -= count * memory;
    count
}

fn nursery(inner: Weak<Inner>) -> Nursery {
    Arc::new(move |class, hold| {
        let inner = inner.upgrade();
        Box::pin(async move {
            let stopped = || StartError::Failed("the daemon stops".into());
            inner.ok_or_else(stopped)?.stem(&class, hold).await
        })
    })
}

impl Inner {
    async fn stem(&self, class: &Class, hold: Hold) -> Result<Warm, StartError> {
        let home = self.home_of(&class.kind).map_err(StartError::Failed)?;
        let chosen = self.sandbox(&class.kind, &home, class.memory, None);
        let (engine, spec) = chosen.map_err(StartError::Failed)?;
        let sandbox = Arc::from(engine.start_in(&spec, hold).await?);
        let proxy = Proxy::new(self.executor.clone(), Arc::clone(&sandbox));
        Ok(Warm::new(sandbox, proxy))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_ones_take_no_more_than_their_share() {
        // Machines with 512 MB, 1, 2 and 4 GB, of which sandboxes have three quarters.
        for (memory, expected) in [(384, 0), (768, 0), (1536, 1), (3072, 2)] {
            let mut left = memory / SHARE;
            assert_eq!(afford(&mut left, 2, 256), expected, "{memory} MB");
            assert_eq!(left, memory / SHARE - expected * 256);
            // What comes after them gets the rest.
            assert!(afford(&mut left, 100, 128) * 128 <= memory / SHARE);
        }
    }
}
