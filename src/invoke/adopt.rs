//! Warm sandboxes that an earlier process of the daemon has left.

use std::collections::HashMap;
use std::sync::Arc;

use super::stem_notes::StemNotes;
use super::{Inner, Invoker};
use crate::engine::proxy::Proxy;
use crate::engine::{Engine, Found, Purpose};
use crate::pool::{Key, Needs, Warm};

impl Invoker {
    /// Takes in what an engine still has of an earlier process, as far as it runs actions as they
    /// are now and there is room; the rest is removed, and gone when this ends. To be called once
    /// for each engine, before anything is started on it.
    pub async fn adopt(&self, engine: &dyn Engine) {
        let inner = &self.inner;
        let notes = StemNotes::read(&inner.store).unwrap_or_else(|error| {
            log::warn!("cannot read what stem cells were initialised with: {error}");
            HashMap::new()
        });
        let found = engine.adopt().await;
        let all = found.len();
        let (mut adopted, mut stems, mut unwanted) = (0, Vec::new(), Vec::new());
        for mut found in found {
            let sandbox = found.sandbox.id().to_owned();
            // One that was idle and frozen is no stem cell any more.
            let noted = notes.get(&sandbox).filter(|_| found.purpose.is_none());
            found.purpose = found.purpose.or_else(|| noted.cloned());
            let held = found.held.clone();
            match inner.take_in(found) {
                Some(()) => {
                    adopted += 1;
                    stems.extend(noted.map(|purpose| (sandbox, purpose.clone())));
                }
                None => unwanted.push(held),
            }
        }
        if !notes.is_empty() {
            inner.stem_notes.keep_only(&inner.store, &stems);
        }
        if all > 0 {
            log::info!("{adopted} of {all} sandboxes of an earlier run are used further");
        }
        for held in unwanted {
            held.freed().await;
        }
    }
}

impl Inner {
    /// Takes in one sandbox. Dropping it removes it.
    fn take_in(&self, found: Found) -> Option<()> {
        let purpose = found.purpose.as_ref()?;
        let action = self.catalog.action(&purpose.action).ok()?;
        let is_same = action.version == purpose.version && action.revision == purpose.revision;
        let home = self.home(&action.exec).ok()?;
        let (kind, memory) = (action.exec.kind(), action.limits.memory);
        // What a sandbox for it would be made of now.
        let (_, spec) = self.sandbox(kind, &home, memory, None).ok()?;
        if !is_same || spec.digest() != found.digest {
            return None;
        }
        let needs = Needs::new(self.class(kind, &home, memory));
        let needs = needs.with_concurrency(self.concurrency(&action));
        let Purpose {
            namespace,
            action,
            version,
            revision,
        } = purpose;
        let key = Key::new(namespace, action, version, *revision);
        let sandbox = Arc::from(found.sandbox);
        let proxy = Proxy::of_warm(self.executor.clone(), Arc::clone(&sandbox));
        let warm = Warm::new(sandbox, proxy);
        self.pool.adopt(key, &needs, warm, found.held).ok()
    }
}
