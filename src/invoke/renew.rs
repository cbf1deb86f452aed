//! What invocations go by from now on: bounds and kinds that are changed while others run.

use std::sync::Arc;

use super::settings::Live;
use super::{Inner, Invoker};
use crate::catalog::Manifest;
use crate::pool::Class;

impl Invoker {
    /// These bounds hold for what begins from now on.
    pub fn set_live(&self, live: Live) {
        self.inner.settings.live.set(live);
    }

    /// These kinds hold from now on. Sandboxes of kinds that are made of something else now go, busy
    /// ones when they have finished; those of others stay. The stem cells are those that it wants.
    pub fn set_manifest(&self, manifest: Arc<Manifest>) {
        let inner = &self.inner;
        let before = inner.manifest.get();
        inner.manifest.set(manifest.clone());
        inner.pool.remake(|class| {
            let image = class.image.as_deref();
            let differs = manifest.makes_otherwise(&before, &class.kind, image);
            differs.then(|| inner.made_now(class))
        });
        self.keep_stems();
    }
}

impl Inner {
    pub(super) fn live(&self) -> Live {
        self.settings.live.get()
    }

    /// What sandboxes for the actions of a class are now.
    fn made_now(&self, class: &Class) -> Class {
        match self.home_of(&class.kind) {
            Ok(home) => self.class(&class.kind, &home, class.memory),
            // A user's image stays what it is; a kind that is no more is found out when it is tried.
            Err(_) => class.clone(),
        }
    }
}
