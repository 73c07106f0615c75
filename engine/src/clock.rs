//! The only clock. Everything that asks for the time asks one of these, so that tests can set it.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use chrono::{DateTime, SubsecRound, Utc};

/// Time source of a process.
#[derive(Clone, Debug, Default)]
pub struct Clock(Option<Arc<Mutex<DateTime<Utc>>>>);

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self(None)
    }

    /// A clock that stands until it is moved.
    pub fn manual(start: DateTime<Utc>) -> Self {
        Self(Some(Arc::new(Mutex::new(start))))
    }

    /// Now, in microseconds as Postgres keeps them.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the time is read"
    )]
    pub fn now(&self) -> DateTime<Utc> {
        match &self.0 {
            None => Utc::now().trunc_subsecs(6),
            Some(at) => *at.lock().unwrap_or_else(std::sync::PoisonError::into_inner),
        }
    }

    /// Now, for libraries that want the standard type.
    pub fn system_time(&self) -> SystemTime {
        self.now().into()
    }

    /// Moves a manual clock on; the machine's clock cannot be moved.
    ///
    /// # Panics
    /// On the machine's clock.
    pub fn advance(&self, by: Duration) {
        self.change(|at| *at += by);
    }

    /// Sets a manual clock back, as an administrator may do to a machine's.
    ///
    /// # Panics
    /// On the machine's clock.
    pub fn go_back(&self, by: Duration) {
        self.change(|at| *at -= by);
    }

    fn change(&self, change: impl FnOnce(&mut DateTime<Utc>)) {
        let at = self.0.as_ref().expect("only a manual clock can be moved");
        change(&mut at.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    }
}
