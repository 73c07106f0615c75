//! Places where a process can be made to die, for the tests of what its death leaves behind.
//!
//! Without the feature `failpoints`, which only those tests set, reaching one does nothing.

/// A place where dying is of interest, in the order in which a run comes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failpoint {
    /// Runs are taken, but that is not committed.
    ClaimCommits,
    /// Runs are ours by the database, nothing has been read of them.
    ClaimCommitted,
    /// What earlier owners did is journaled and read, nothing has begun.
    StepBegins,
    /// The effect of a step has happened, the journal does not know of it.
    StepDone,
    /// A group of entries is written, but not committed.
    JournalCommits,
    /// It is committed, but nobody has been told.
    JournalCommitted,
    /// A transactional step's effects and checkpoint are written, but not committed.
    TxCommits,
    /// They are committed, but the run does not know.
    TxCommitted,
    /// A started run is written in a transaction that has not committed.
    StartInserted,
    /// A parent's going to wait is written with its child, but not committed.
    CallCommits,
    /// They are committed, and the parent's activation is not over.
    CallCommitted,
    /// The ends of runs are written, but not committed.
    EndCommits,
    /// They are committed; slots and keys have not been given back.
    EndCommitted,
    /// A schedule's run and its next time are written, but not committed.
    ScheduleCommits,
    /// They are committed.
    ScheduleCommitted,
    /// A dead process's runs are queued again, but that is not committed.
    BurialCommits,
    /// It is committed, and nobody has been told.
    BurialCommitted,
    /// The lock of this incarnation is held, the incarnation is not entered.
    RegistrationBegins,
    /// It is entered and has claimed nothing.
    Registered,
}

/// Dies if this place is armed.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub(crate) const fn reach(_place: Failpoint) {}

#[cfg(feature = "failpoints")]
pub(crate) use armed::reach;
#[cfg(feature = "failpoints")]
pub use armed::{arm, hang};

#[cfg(feature = "failpoints")]
mod armed {
    use std::sync::Mutex;

    use super::Failpoint;

    /// The armed place and how often it is passed before it kills.
    static ARMED: Mutex<Option<(Failpoint, u32)>> = Mutex::new(None);
    /// The place that nobody passes, and who is told that somebody has come there.
    static CLOSED: Mutex<Option<Closed>> = Mutex::new(None);

    type Closed = (Failpoint, fn());

    impl Failpoint {
        /// Every place.
        pub const ALL: [Self; 19] = [
            Self::ClaimCommits,
            Self::ClaimCommitted,
            Self::StepBegins,
            Self::StepDone,
            Self::JournalCommits,
            Self::JournalCommitted,
            Self::TxCommits,
            Self::TxCommitted,
            Self::StartInserted,
            Self::CallCommits,
            Self::CallCommitted,
            Self::EndCommits,
            Self::EndCommitted,
            Self::ScheduleCommits,
            Self::ScheduleCommitted,
            Self::BurialCommits,
            Self::BurialCommitted,
            Self::RegistrationBegins,
            Self::Registered,
        ];

        /// The place that prints like this.
        pub fn named(name: &str) -> Option<Self> {
            Self::ALL
                .into_iter()
                .find(|place| format!("{place:?}") == name)
        }
    }

    /// Lets this process die when it comes to `place` after having passed it `skip` times.
    pub fn arm(place: Failpoint, skip: u32) {
        *crate::locked::locked(&ARMED) = Some((place, skip));
    }

    /// Lets the first who comes to `place` stay there for ever, after having told so, and everybody
    /// who comes to any place after that.
    pub fn hang(place: Failpoint, tell: fn()) {
        *crate::locked::locked(&CLOSED) = Some((place, tell));
    }

    /// Dies if this place is armed: no destructor runs and nothing is flushed, as with SIGKILL. The
    /// lock is kept, so that no other thread passes a place meanwhile.
    pub(crate) fn reach(place: Failpoint) {
        let closed = crate::locked::locked(&CLOSED);
        if let Some((closed, tell)) = *closed
            && closed == place
        {
            tell();
            loop {
                std::thread::park();
            }
        }
        drop(closed);
        let mut armed = crate::locked::locked(&ARMED);
        match &mut *armed {
            Some((wanted, 0)) if *wanted == place => std::process::abort(),
            Some((wanted, skip)) if *wanted == place => *skip -= 1,
            _ => {}
        }
    }
}
