//! Settings and a manifest that are taken over while the daemon runs.

use std::sync::Arc;

use super::{Node, host_kinds, live, pool, rates};
use crate::catalog::Manifest;
use crate::config::Config;

impl Node {
    /// Takes over what can change: the bounds of the pool, waits, rates, and the kinds. What runs
    /// goes on, and nobody who waits is sent away who can still be served. Gives the kinds that
    /// have changed.
    pub fn apply(&self, config: &Config, manifest: Manifest) -> Vec<String> {
        let shared = &self.shared;
        let bounds = pool::settings(config);
        shared.rates.set(rates(config));
        shared.invoker.set_live(live(config, &bounds));
        shared.pool.reconfigure(bounds, pool::floor(config));
        let manifest = Arc::new(manifest);
        let before = shared.manifest.get();
        let changed = manifest.changed_kinds(&before);
        let changed: Vec<String> = changed.into_iter().map(ToOwned::to_owned).collect();
        if !changed.is_empty() {
            shared
                .process
                .set_interpreter_kinds(host_kinds::of(&manifest));
            host_kinds::log(&manifest);
        }
        // Also where no kind has changed: users' images may have.
        shared.invoker.set_manifest(manifest);
        let invoker = shared.invoker.clone();
        shared
            .executor
            .spawn(async move { invoker.expect_all().await })
            .detach();
        changed
    }
}
