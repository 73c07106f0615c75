//! Faults on purpose: each breaks one promise that the engine or its SQL keeps. The simulation is
//! worth as much as it finds of them.

use std::cell::Cell;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Planted {
    /// Who has lost a lease writes all the same.
    NoFence,
    /// A commit of unknown outcome counts as done.
    UnknownIsDone,
    /// A replay does not see the last step of the journal.
    LastStepRunsAgain,
    /// A signal is taken by the step before it is journaled that it was.
    SignalTakenEarly,
    /// The claim does not look who holds a key.
    NoKeyLimit,
    /// A run that has ended stays among the open ones.
    EndedTwice,
    /// An attempt that failed is not remembered.
    BackOffForgotten,
    /// A child's end is not counted for its parent.
    ParentNotWoken,
    /// Two processes may have a schedule in hand at once, and its dedupe key is not looked at.
    FiredTwice,
    /// Whoever is silent for two seconds is taken for dead.
    LivingBuried,
    /// The runs of a dead process stay its own.
    NotReleased,
    /// A dedupe key does not hold.
    NoDedupe,
    /// A run asked to stop is given back as if it were not.
    CancelForgotten,
    /// What a cancelled run had called goes on.
    CalledForgotten,
    /// A run that was asked to stop calls others.
    CallsToTheEnd,
    /// A transactional step's checkpoint is written without its effects' transaction.
    EffectApart,
    /// A run of a workflow without history leaves nothing however it ends.
    FailureForgotten,
}

impl Planted {
    /// Each with the first seed that found it when somebody last looked, which is tried before others.
    pub(crate) const ALL: [(Self, u64); 17] = [
        (Self::NoFence, 103),
        (Self::UnknownIsDone, 4),
        (Self::LastStepRunsAgain, 1),
        (Self::SignalTakenEarly, 55),
        (Self::NoKeyLimit, 1),
        (Self::EndedTwice, 1),
        (Self::BackOffForgotten, 1),
        (Self::ParentNotWoken, 4),
        (Self::FiredTwice, 19),
        (Self::LivingBuried, 3),
        (Self::NotReleased, 1),
        (Self::NoDedupe, 10),
        (Self::CancelForgotten, 138),
        (Self::CalledForgotten, 3),
        (Self::CallsToTheEnd, 138),
        (Self::EffectApart, 4),
        (Self::FailureForgotten, 4),
    ];
}

thread_local! {
    static PLANTED: Cell<Option<Planted>> = const { Cell::new(None) };
}

pub(crate) fn is(fault: Planted) -> bool {
    PLANTED.get() == Some(fault)
}

/// Plants a fault on this thread, or takes it away.
pub(crate) fn plant(fault: Option<Planted>) {
    PLANTED.set(fault);
}
