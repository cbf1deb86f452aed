//! Actions that were used lately, ready to be invoked.

use std::collections::HashMap;
use std::sync::Arc;

use crate::entity::Action;

/// Most actions that are kept.
const MAX_ACTIONS: usize = 256;
/// Most bytes of documents that are kept. Parameters may make one action a megabyte.
const MAX_BYTES: usize = 4 << 20;

/// A bounded map from paths to actions; the one that was not used for longest goes first.
#[derive(Default)]
pub(super) struct Cache {
    entries: HashMap<String, Entry>,
    bytes: usize,
    /// Counts uses, to tell which entry was used last.
    clock: u64,
    /// Counts writes: what was read before one must not get in after it.
    generation: u64,
}

struct Entry {
    action: Arc<Action>,
    bytes: usize,
    used: u64,
}

impl Cache {
    /// The action of a path, if it is here.
    pub(super) fn get(&mut self, path: &str) -> Option<Arc<Action>> {
        self.clock += 1;
        let entry = self.entries.get_mut(path)?;
        entry.used = self.clock;
        Some(entry.action.clone())
    }

    /// To be asked before an action is read from the store, and given to [`Cache::insert`].
    pub(super) const fn generation(&self) -> u64 {
        self.generation
    }

    /// Keeps an action whose document has this many bytes, unless something was written since its
    /// generation: then it may be outdated already.
    pub(super) fn insert(
        &mut self,
        path: &str,
        action: Arc<Action>,
        bytes: usize,
        generation: u64,
    ) {
        if generation != self.generation || bytes > MAX_BYTES {
            return;
        }
        self.remove(path);
        while self.entries.len() >= MAX_ACTIONS || self.bytes + bytes > MAX_BYTES {
            let oldest = self.entries.iter().min_by_key(|(_, entry)| entry.used);
            let Some(oldest) = oldest.map(|(path, _)| path.clone()) else {
                break;
            };
            self.remove(&oldest);
        }
        self.bytes += bytes;
        let entry = Entry {
            action,
            bytes,
            used: self.clock,
        };
        self.entries.insert(path.into(), entry);
    }

    /// Forgets an action that was written or deleted.
    pub(super) fn invalidate(&mut self, path: &str) {
        self.generation += 1;
        self.remove(path);
    }

    fn remove(&mut self, path: &str) {
        if let Some(entry) = self.entries.remove(path) {
            self.bytes -= entry.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entity::{ActionRanges, Exec, Parameters};

    fn action() -> Arc<Action> {
        Arc::new(Action {
            namespace: "guest".into(),
            name: "a".into(),
            exec: Exec::Code {
                kind: "quickjs:1".into(),
                binary: false,
                main: None,
            },
            parameters: Parameters::default(),
            limits: ActionRanges::default().defaults(),
            version: "0.0.1".into(),
            publish: false,
            annotations: Parameters::default(),
            updated: 0,
            revision: 0,
        })
    }

    #[test]
    fn number_is_bounded() {
        let mut cache = Cache::default();
        cache.insert("first", action(), 1, 0);
        cache.insert("second", action(), 1, 0);
        for i in 2..=MAX_ACTIONS {
            assert!(cache.get("first").is_some());
            cache.insert(&i.to_string(), action(), 1, 0);
        }
        assert_eq!(cache.entries.len(), MAX_ACTIONS);
        assert!(cache.get("first").is_some());
        assert!(cache.get("second").is_none());
    }

    #[test]
    fn bytes_are_bounded() {
        let mut cache = Cache::default();
        cache.insert("a", action(), MAX_BYTES / 2, 0);
        cache.insert("b", action(), MAX_BYTES / 2, 0);
        cache.insert("b", action(), MAX_BYTES / 2, 0);
        assert!(cache.get("a").is_some());
        cache.insert("c", action(), 1, 0);
        assert!(cache.get("b").is_none());
        cache.insert("huge", action(), MAX_BYTES + 1, 0);
        assert!(cache.get("huge").is_none() && cache.get("a").is_some());
        assert_eq!(cache.bytes, MAX_BYTES / 2 + 1);
    }

    #[test]
    fn outdated_reads_stay_out() {
        let mut cache = Cache::default();
        let before = cache.generation();
        cache.invalidate("a");
        cache.insert("a", action(), 1, before);
        assert!(cache.get("a").is_none());
        cache.insert("a", action(), 1, cache.generation());
        assert!(cache.get("a").is_some());
        cache.invalidate("a");
        assert!(cache.get("a").is_none());
        assert_eq!(cache.bytes, 0);
    }
}
