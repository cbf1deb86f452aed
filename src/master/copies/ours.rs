//! Paths whose entities are not the master's for now: writes to them wait for it.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::sync::lock;

/// A set of paths in which each may be several times. The writes that wait bound it.
#[derive(Debug, Default)]
pub struct Ours {
    paths: Mutex<HashMap<String, usize>>,
    /// Whether there are any: as a rule there are none, and each invocation asks.
    any: AtomicBool,
}

impl Ours {
    /// A write to a path has begun to wait. To be called before the write is made here, so that no
    /// fetch comes between.
    pub fn add(&self, path: &str) {
        let mut paths = lock(&self.paths);
        *paths.entry(path.to_owned()).or_default() += 1;
        self.any.store(true, Ordering::Release);
    }

    /// A write to a path does not wait any more.
    pub fn remove(&self, path: &str) {
        let mut paths = lock(&self.paths);
        if let Some(count) = paths.get_mut(path) {
            *count -= 1;
            if *count == 0 {
                paths.remove(path);
            }
        }
        self.any.store(!paths.is_empty(), Ordering::Release);
    }

    /// Whether a write to a path waits.
    pub fn has(&self, path: &str) -> bool {
        self.any.load(Ordering::Acquire) && lock(&self.paths).contains_key(path)
    }

    /// The paths to which writes wait.
    pub(super) fn all(&self) -> Vec<String> {
        lock(&self.paths).keys().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counted() {
        let ours = Ours::default();
        ours.remove("ns/a");
        ours.add("ns/a");
        ours.add("ns/a");
        ours.remove("ns/a");
        assert!(ours.has("ns/a") && !ours.has("ns/b"));
        ours.remove("ns/a");
        assert!(!ours.has("ns/a"));
    }
}
