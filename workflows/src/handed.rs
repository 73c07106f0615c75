//! What one part of a step leaves for the next: its `prepare` for its `run`.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Put by what reads outside the transaction, taken once by what applies it inside.
pub(crate) struct Handed<T>(Mutex<Option<T>>);

impl<T> Handed<T> {
    /// In place of what was put before and not taken.
    pub(crate) fn put(&self, found: T) {
        *self.slot() = Some(found);
    }

    pub(crate) fn take(&self) -> Option<T> {
        self.slot().take()
    }

    fn slot(&self) -> MutexGuard<'_, Option<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Default for Handed<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}
