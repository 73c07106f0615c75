//! The only clock. Everything that asks for the time asks one of these, so that tests can set it.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use chrono::{DateTime, SubsecRound, Utc};

/// When something must have happened.
///
/// ```
/// use std::time::Duration;
/// use engine::{Clock, Deadline};
///
/// let clock = Clock::system();
/// let soon = Deadline::from(Duration::from_secs(60)).at(clock.now());
/// assert!(soon > clock.now());
/// // What cannot be written is as late as can be.
/// let never = Deadline::After(Duration::MAX).at(clock.now());
/// assert_eq!(never.to_rfc3339(), "9999-12-31T00:00:00+00:00");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deadline {
    At(DateTime<Utc>),
    /// From when the engine first hears of it.
    After(Duration),
}

impl Deadline {
    /// The point in time; a time too far away to be written is the last one that can be.
    pub fn at(self, now: DateTime<Utc>) -> DateTime<Utc> {
        /// What Postgres and JSON hold without a sign: 9999-12-31.
        const LAST: DateTime<Utc> = match DateTime::from_timestamp(253_402_214_400, 0) {
            Some(last) => last,
            None => DateTime::<Utc>::MAX_UTC,
        };
        let at = match self {
            Self::At(at) => Some(at),
            Self::After(time) => chrono::TimeDelta::from_std(time)
                .ok()
                .and_then(|time| now.checked_add_signed(time)),
        };
        // Postgres keeps microseconds.
        at.map_or(LAST, |at| at.min(LAST)).trunc_subsecs(6)
    }
}

impl From<DateTime<Utc>> for Deadline {
    fn from(at: DateTime<Utc>) -> Self {
        Self::At(at)
    }
}

impl From<Duration> for Deadline {
    fn from(time: Duration) -> Self {
        Self::After(time)
    }
}

/// Time source of a process.
#[derive(Clone, Debug, Default)]
pub struct Clock(Source);

#[derive(Clone, Debug, Default)]
enum Source {
    #[default]
    Machine,
    /// Stands where it was put.
    Manual(Arc<Mutex<DateTime<Utc>>>),
    #[cfg(test)]
    Simulated(crate::simulation::Hands),
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self(Source::Machine)
    }

    /// A clock that stands until it is moved.
    pub fn manual(start: DateTime<Utc>) -> Self {
        Self(Source::Manual(Arc::new(Mutex::new(start))))
    }

    /// A clock of the simulation.
    #[cfg(test)]
    pub(crate) fn simulated(hands: crate::simulation::Hands) -> Self {
        Self(Source::Simulated(hands))
    }

    /// Now, in microseconds as Postgres keeps them.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the time is read"
    )]
    pub fn now(&self) -> DateTime<Utc> {
        match &self.0 {
            Source::Machine => Utc::now().trunc_subsecs(6),
            Source::Manual(at) => *at.lock().unwrap_or_else(std::sync::PoisonError::into_inner),
            #[cfg(test)]
            Source::Simulated(hands) => hands.now(),
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
        let Source::Manual(at) = &self.0 else {
            panic!("only a manual clock can be moved");
        };
        change(&mut at.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_a_time_that_can_be_stored_however_far_it_is() {
        let now = DateTime::from_timestamp(1_800_000_000, 123_456_789).unwrap();
        let soon = Deadline::After(Duration::from_secs(1)).at(now);
        assert_eq!((soon - now).num_milliseconds(), 999);
        let at = |deadline: Deadline| deadline.at(now).to_rfc3339();
        assert_eq!(at(Duration::MAX.into()), "9999-12-31T00:00:00+00:00");
        assert_eq!(
            at(DateTime::<Utc>::MAX_UTC.into()),
            "9999-12-31T00:00:00+00:00"
        );
    }
}
