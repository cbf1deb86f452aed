//! Locks that no panic spoils, and values that are replaced while others use them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

/// Takes a lock. Each change that is made under one is complete in itself, so what a panic
/// elsewhere leaves is as good as before.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A value that is read often and replaced as a whole now and then. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Current<T>(Arc<RwLock<T>>);

impl<T: Clone> Current<T> {
    /// Begins with this value.
    pub fn new(value: T) -> Self {
        Current(Arc::new(RwLock::new(value)))
    }

    /// The value that holds now.
    pub fn get(&self) -> T {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Another value holds from now on, for all who share it.
    pub fn set(&self, value: T) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = value;
    }
}
