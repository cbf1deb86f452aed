//! Stem cells: what the runtimes manifest wants to be ready, and how it is started.

use std::sync::{Arc, Weak};

use super::{Inner, Invoker};
use crate::engine::StartError;
use crate::engine::proxy::Proxy;
use crate::pool::{Class, Nursery, Warm};

impl Invoker {
    /// Keeps the stem cells of the manifest ready, for those kinds that are to be had now. To be
    /// called again when an engine was found.
    pub fn keep_stems(&self) {
        let inner = &self.inner;
        let mut stems = Vec::new();
        let manifest = inner.manifest.get();
        for kind in manifest.all() {
            let Ok(home) = inner.home_of(&kind.kind) else {
                continue;
            };
            for cell in &kind.stem_cells {
                let class = inner.class(&kind.kind, &home, cell.memory);
                stems.push((class, cell.initial_count as usize));
            }
        }
        inner.pool.set_stems(nursery(Arc::downgrade(inner)), stems);
    }
}

fn nursery(inner: Weak<Inner>) -> Nursery {
    Arc::new(move |class| {
        let inner = inner.upgrade();
        Box::pin(async move {
            let stopped = || StartError::Failed("the daemon stops".into());
            inner.ok_or_else(stopped)?.stem(&class).await
        })
    })
}

impl Inner {
    async fn stem(&self, class: &Class) -> Result<Warm, StartError> {
        let home = self.home_of(&class.kind).map_err(StartError::Failed)?;
        let chosen = self.sandbox(&class.kind, &home, class.memory, None);
        let (engine, spec) = chosen.map_err(StartError::Failed)?;
        let sandbox = Arc::from(engine.start(&spec).await?);
        Ok(Warm {
            proxy: Proxy::new(self.executor.clone(), Arc::clone(&sandbox)),
            sandbox,
        })
    }
}
