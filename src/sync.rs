//! Locks that no panic spoils.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Takes a lock. Each change that is made under one is complete in itself, so what a panic
/// elsewhere leaves is as good as before.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
