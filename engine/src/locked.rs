//! How the engine takes a lock.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// What is behind the lock, also where its last holder panicked: what is kept behind the engine's
/// locks is whole after every statement, and one task's panic must not become everybody's.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
