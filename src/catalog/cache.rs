//! Entities that were used lately, ready to be invoked.

use std::collections::HashMap;
use std::sync::Arc;

/// Most entities that are kept.
const MAX_ENTRIES: usize = 256;
/// Most bytes of documents that are kept. Parameters may make one a megabyte.
const MAX_BYTES: usize = 4 << 20;

/// A bounded map from paths to entities; the one that was not used for longest goes first.
pub(super) struct Cache<T> {
    entries: HashMap<String, Entry<T>>,
    bytes: usize,
    /// Counts uses, to tell which entry was used last.
    clock: u64,
    /// Changes of the store that everything here was read after.
    changes: u64,
}

struct Entry<T> {
    entity: Arc<T>,
    bytes: usize,
    used: u64,
}

impl<T> Default for Cache<T> {
    fn default() -> Self {
        Cache {
            entries: HashMap::new(),
            bytes: 0,
            clock: 0,
            changes: 0,
        }
    }
}

impl<T> Cache<T> {
    /// The entity of a path, if it is here. `changes` is how many the store has seen now: after a
    /// new one nothing that is kept counts any more.
    pub(super) fn get(&mut self, path: &str, changes: u64) -> Option<Arc<T>> {
        if changes != self.changes {
            self.entries.clear();
            self.bytes = 0;
            self.changes = changes;
        }
        self.clock += 1;
        let entry = self.entries.get_mut(path)?;
        entry.used = self.clock;
        Some(entry.entity.clone())
    }

    /// Keeps an entity whose document has this many bytes. `changes` is how many the store had seen
    /// before it was read: it may be outdated if there was one since.
    pub(super) fn insert(&mut self, path: &str, entity: Arc<T>, bytes: usize, changes: u64) {
        if changes != self.changes || bytes > MAX_BYTES {
            return;
        }
        self.forget(path);
        while self.entries.len() >= MAX_ENTRIES || self.bytes + bytes > MAX_BYTES {
            let oldest = self.entries.iter().min_by_key(|(_, entry)| entry.used);
            let Some(oldest) = oldest.map(|(path, _)| path.clone()) else {
                break;
            };
            self.forget(&oldest);
        }
        self.bytes += bytes;
        let entry = Entry {
            entity,
            bytes,
            used: self.clock,
        };
        self.entries.insert(path.into(), entry);
    }

    /// Forgets an entity that is known to be outdated.
    pub(super) fn forget(&mut self, path: &str) {
        if let Some(entry) = self.entries.remove(path) {
            self.bytes -= entry.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entity::{Action, ActionRanges, Exec, Parameters};

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
        for i in 2..=MAX_ENTRIES {
            assert!(cache.get("first", 0).is_some());
            cache.insert(&i.to_string(), action(), 1, 0);
        }
        assert_eq!(cache.entries.len(), MAX_ENTRIES);
        assert!(cache.get("first", 0).is_some());
        assert!(cache.get("second", 0).is_none());
    }

    #[test]
    fn bytes_are_bounded() {
        let mut cache = Cache::default();
        cache.insert("a", action(), MAX_BYTES / 2, 0);
        cache.insert("b", action(), MAX_BYTES / 2, 0);
        cache.insert("b", action(), MAX_BYTES / 2, 0);
        assert!(cache.get("a", 0).is_some());
        cache.insert("c", action(), 1, 0);
        assert!(cache.get("b", 0).is_none());
        cache.insert("huge", action(), MAX_BYTES + 1, 0);
        assert!(cache.get("huge", 0).is_none() && cache.get("a", 0).is_some());
        assert_eq!(cache.bytes, MAX_BYTES / 2 + 1);
    }

    #[test]
    fn outdated_reads_stay_out() {
        let mut cache = Cache::default();
        cache.insert("a", action(), 1, 0);
        assert!(cache.get("a", 0).is_some());
        assert!(cache.get("a", 1).is_none());
        assert_eq!(cache.bytes, 0);
        cache.insert("a", action(), 1, 0);
        assert!(cache.get("a", 1).is_none());
        cache.insert("a", action(), 1, 1);
        assert!(cache.get("a", 1).is_some());
        cache.forget("a");
        assert!(cache.get("a", 1).is_none());
        assert_eq!(cache.bytes, 0);
    }
}
