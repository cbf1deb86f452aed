//! Whether actions can run on this gateway, as far as that can be told beforehand.

use std::collections::HashSet;
use std::sync::Arc;

use super::Invoker;
use super::burst::Placement;
use super::run::Runner;
use crate::entity::{FullName, Identity};

/// Most actions that are looked at: the longest sequence of sequences has fewer.
const MOST: usize = 200;

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
            let action = resolved.action;
            let placement = Placement::of(&action.annotations);
            if seen.len() > MOST || matches!(placement, Ok(Placement::Cloud)) {
                return false;
            }
            if let Some(components) = action.exec.components() {
                names.extend_from_slice(components);
                continue;
            }
            if Runner::of(&action) == Runner::Builtin {
                continue;
            }
            let has_room = inner.pool.statistics().capacity > 0;
            if !has_room || inner.home(&action.exec).is_err() {
                return false;
            }
        }
        true
    }
}
