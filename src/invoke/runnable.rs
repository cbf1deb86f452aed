//! Whether actions can run on this gateway, as far as that can be told beforehand.

use std::collections::HashSet;
use std::sync::Arc;

use super::run::Runner;
use super::{Call, Invoker};
use crate::entity::{FullName, Identity, Parameters};

/// Most actions that are looked at: the longest sequence of sequences has fewer.
const MOST: usize = 200;

/// The annotation that says where an action is to run.
const PLACEMENT: &str = "owl-placement";

/// Whether an action is not to run on a gateway.
fn is_for_the_cloud(annotations: &Parameters) -> bool {
    let placement = annotations.get(PLACEMENT);
    placement.is_some_and(|placement| placement.get() == "\"cloud\"")
}

impl Invoker {
    /// Whether an action that a caller means is here and can run here: it is not meant for the
    /// cloud, its kind is available, and the same holds for each component if it is a sequence.
    /// What a conductor will invoke nobody knows.
    pub fn can_run(&self, identity: &Arc<Identity>, action: &FullName) -> bool {
        let inner = &self.inner;
        let mut seen = HashSet::new();
        let mut names = vec![action.clone()];
        while let Some(name) = names.pop() {
            if !seen.insert(name.clone()) {
                continue;
            }
            let Ok(resolved) = inner.catalog.resolve_name(identity, &name) else {
                return false;
            };
            let action = resolved.action.clone();
            if seen.len() > MOST || is_for_the_cloud(&action.annotations) {
                return false;
            }
            if let Some(components) = action.exec.components() {
                names.extend_from_slice(components);
                continue;
            }
            if Runner::of(&action) == Runner::Builtin {
                continue;
            }
            let call = Call::new(identity.clone(), resolved, None, String::new(), None);
            let has_room = inner.pool.statistics().capacity > 0;
            if !has_room || inner.choose(&call, &action).is_err() {
                return false;
            }
        }
        true
    }
}
