//! Faults on purpose, planted around the core's own functions: each does to their work what a bug in
//! them would do. The simulation is worth as much as it finds of them.

use super::plan::Family;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Planted {
    /// What was sent is kept in mind nowhere: its echo looks like somebody's change.
    EchoForgotten,
    /// Any change within ten seconds of our write is taken for its echo.
    EchoByTime,
    /// What is sent counts as agreed before the system has answered.
    BaseMovesOnSending,
    /// A create that may have happened is not looked for.
    CreatesBlindly,
    /// What a write is about is not looked at before.
    LooksNot,
    /// The cursor moves when a page is read, not when it is applied.
    CursorRunsAhead,
    /// The reader goes on behind a stamp and not behind a stamp and key.
    TiesSkipped,
    /// What a payload does not say is taken for null.
    MissingIsNull,
    /// Refused rows count as written.
    RefusedIsStored,
    /// Writes of a run that died are nobody's.
    NotAdopted,
    /// A batch that could not be sent is kept and sent later as it is, over whatever is there.
    OldValuesSent,
    /// Conflicts are closed by the side that came last.
    ConflictsOverwritten,
    /// The value that lost is not kept.
    LossForgotten,
    /// A removal beats an edit.
    RemovalBeatsEdit,
    /// Removals are not heard of.
    RemovalsMissed,
    /// Values do not say where they come from.
    OriginForgotten,
    /// A page that was read before a write is applied after it.
    OldPagesApplied,
    /// Writes go out without the version they are written over.
    ConditionForgotten,
    /// What the history tells that a write went over is not kept.
    HistoryIgnored,
    /// Fields are never frozen.
    BreakerNeverTrips,
    /// A canary goes on beyond its limit.
    CanaryGoesOn,
    /// What a feed says it did not say is passed over.
    GapsIgnored,
    /// A listing that breaks off is taken for whole, and what it did not bring for gone.
    HalfListingBelieved,
    /// A gap is closed by a sweep of which a page could not be read.
    FailedPageSealed,
    /// Nothing is looked for by names.
    TwinsNotSought,
    /// What goes into another record is left behind.
    MergesNotFollowed,
    /// A link is moved with what was agreed.
    RelinkedBaseKept,
    /// What attempts carried that may have arrived is forgotten when they are repeated.
    AttemptsForgotten,
    /// What a create carries is not what is agreed with a record that is read before its answer.
    CreatesWithoutBase,
}

impl Planted {
    pub(crate) const ALL: [Self; 29] = [
        Self::EchoForgotten,
        Self::EchoByTime,
        Self::BaseMovesOnSending,
        Self::CreatesBlindly,
        Self::LooksNot,
        Self::CursorRunsAhead,
        Self::TiesSkipped,
        Self::MissingIsNull,
        Self::RefusedIsStored,
        Self::NotAdopted,
        Self::OldValuesSent,
        Self::ConflictsOverwritten,
        Self::LossForgotten,
        Self::RemovalBeatsEdit,
        Self::RemovalsMissed,
        Self::OriginForgotten,
        Self::OldPagesApplied,
        Self::ConditionForgotten,
        Self::HistoryIgnored,
        Self::BreakerNeverTrips,
        Self::CanaryGoesOn,
        Self::GapsIgnored,
        Self::HalfListingBelieved,
        Self::FailedPageSealed,
        Self::TwinsNotSought,
        Self::MergesNotFollowed,
        Self::RelinkedBaseKept,
        Self::AttemptsForgotten,
        Self::CreatesWithoutBase,
    ];

    /// The worlds in which it shows.
    pub(crate) fn family(self) -> Family {
        match self {
            Self::GapsIgnored | Self::HalfListingBelieved | Self::FailedPageSealed => Family::Feeds,
            Self::TwinsNotSought | Self::MergesNotFollowed | Self::RelinkedBaseKept => {
                Family::Identity
            }
            _ => Family::Edits,
        }
    }
}
