//! Which containers are in use, and what became of them.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use event_listener::{Event, EventListener};

use crate::sync::lock;

use super::freezer::Freezer;

/// What is known of one container without asking, and its freezer.
#[derive(Debug, Default)]
pub(super) struct Fate {
    /// Its id, as soon as it is created.
    id: OnceLock<String>,
    /// As soon as it has been started.
    freezer: OnceLock<Freezer>,
    /// Whether its first process is known to have ended.
    empty: AtomicBool,
    leaving: AtomicBool,
    signalled: AtomicBool,
    ended: AtomicBool,
    out_of_memory: AtomicBool,
    /// Told when the engine tells that it is created.
    announced: Event,
}

impl Fate {
    pub(super) fn id(&self) -> Option<&str> {
        self.id.get().map(String::as_str)
    }

    pub(super) fn set_created(&self, id: String) {
        // A container has one id.
        let _ = self.id.set(id);
    }

    pub(super) fn freezer(&self) -> Option<&Freezer> {
        self.freezer.get()
    }

    pub(super) fn set_started(&self, freezer: Freezer) {
        // A container is started once.
        let _ = self.freezer.set(freezer);
    }

    /// Whether nothing runs in it any more, as the kernel of this machine tells.
    pub(super) fn is_empty(&self) -> bool {
        self.empty.load(Ordering::Acquire)
    }

    pub(super) fn set_empty(&self) {
        self.empty.store(true, Ordering::Release);
    }

    /// Whether it is being removed, so that its end tells nobody anything.
    pub(super) fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Acquire)
    }

    /// It is about to be removed. A frozen one goes on now, so that it can be killed.
    pub(super) fn set_leaving(&self) {
        self.leaving.store(true, Ordering::Release);
        self.let_go();
    }

    /// See [`Freezer::let_go`].
    pub(super) fn let_go(&self) {
        if let Some(freezer) = self.freezer.get() {
            freezer.let_go();
        }
    }

    /// The engine tells that it is created.
    pub(super) fn announce(&self) {
        self.announced.notify(usize::MAX);
    }

    /// What ends when the engine tells from now on that it is created.
    pub(super) fn announcement(&self) -> EventListener {
        self.announced.listen()
    }

    /// Whether somebody has sent it a signal.
    pub(super) fn is_signalled(&self) -> bool {
        self.signalled.load(Ordering::Acquire)
    }

    pub(super) fn set_signalled(&self) {
        self.signalled.store(true, Ordering::Release);
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// Gives whether that is news.
    pub(super) fn set_ended(&self) -> bool {
        !self.ended.swap(true, Ordering::AcqRel)
    }

    pub(super) fn is_out_of_memory(&self) -> bool {
        self.out_of_memory.load(Ordering::Acquire)
    }

    pub(super) fn set_out_of_memory(&self) {
        self.out_of_memory.store(true, Ordering::Release);
    }
}

/// Names that are remembered of containers that may yet be created.
const DOUBTFUL: usize = 1024;

/// The containers in use by name. A name is taken before its container is created, so that no
/// sweep takes a container that is being made for one left over.
#[derive(Debug, Default)]
pub(super) struct Registry {
    fates: Mutex<HashMap<String, Arc<Fate>>>,
    doubtful: Mutex<VecDeque<String>>,
    settled: AtomicBool,
}

impl Registry {
    pub(super) fn take(&self, name: &str) -> Arc<Fate> {
        let fate = Arc::new(Fate::default());
        self.lock().insert(name.to_owned(), fate.clone());
        fate
    }

    /// The same for a name that nobody has: of containers that an earlier process has made, too.
    pub(super) fn take_free(&self, name: &str) -> Option<Arc<Fate>> {
        match self.lock().entry(name.to_owned()) {
            Entry::Occupied(_) => None,
            Entry::Vacant(free) => Some(free.insert(Arc::default()).clone()),
        }
    }

    pub(super) fn release(&self, name: &str) {
        self.lock().remove(name);
    }

    pub(super) fn get(&self, name: &str) -> Option<Arc<Fate>> {
        self.lock().get(name).cloned()
    }

    /// The engine has been asked to create a container, and has not for so long that it is not waited
    /// for any more: should it come all the same, it is to be removed.
    pub(super) fn doubt(&self, name: &str) {
        let mut doubtful = lock(&self.doubtful);
        if doubtful.len() == DOUBTFUL {
            doubtful.pop_front();
        }
        doubtful.push_back(name.to_owned());
    }

    /// Whether a container that was created is one of those, which it is no more.
    pub(super) fn was_doubtful(&self, name: &str) -> bool {
        let mut doubtful = lock(&self.doubtful);
        let at = doubtful.iter().position(|doubted| doubted == name);
        at.and_then(|at| doubtful.remove(at)).is_some()
    }

    /// All that an earlier process has left, as far as it was there, has been taken over or removed.
    pub(super) fn settle(&self) {
        self.settled.store(true, Ordering::Release);
    }

    /// Whether what an earlier process has had created is nobody's any more.
    pub(super) fn is_settled(&self) -> bool {
        self.settled.load(Ordering::Acquire)
    }

    /// All names that are taken.
    pub(super) fn names(&self) -> HashSet<String> {
        self.lock().keys().cloned().collect()
    }

    /// All containers in use.
    pub(super) fn all(&self) -> Vec<Arc<Fate>> {
        self.lock().values().cloned().collect()
    }

    /// The names whose containers have been created.
    pub(super) fn created(&self) -> Vec<(String, Arc<Fate>)> {
        let fates = self.lock();
        let created = fates.iter().filter(|(_, fate)| fate.id().is_some());
        created
            .map(|(name, fate)| (name.clone(), fate.clone()))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Fate>>> {
        lock(&self.fates)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_taken_stays_with_whom_it_belongs_to() {
        let registry = Registry::default();
        let adopted = registry.take("owl_a_0_stem");
        assert!(registry.take_free("owl_a_0_stem").is_none());
        let known = registry.get("owl_a_0_stem").expect("is there");
        assert!(Arc::ptr_eq(&known, &adopted));
        let own = registry.take_free("owl_a_1_stem").expect("is free");
        assert!(registry.take_free("owl_a_1_stem").is_none());
        registry.release("owl_a_1_stem");
        let other = registry.take_free("owl_a_1_stem").expect("is free again");
        assert!(!Arc::ptr_eq(&own, &other));
    }
}
