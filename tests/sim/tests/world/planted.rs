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
    /// Each with the first seed that found it when somebody last looked, which is tried before others.
    pub(crate) const ALL: [(Self, u64); 29] = [
        (Self::EchoForgotten, 15),
        (Self::EchoByTime, 10),
        (Self::BaseMovesOnSending, 1),
        (Self::CreatesBlindly, 14),
        (Self::LooksNot, 2),
        (Self::CursorRunsAhead, 69),
        (Self::TiesSkipped, 12),
        (Self::MissingIsNull, 2),
        (Self::RefusedIsStored, 6),
        (Self::NotAdopted, 15),
        (Self::OldValuesSent, 19),
        (Self::ConflictsOverwritten, 2),
        (Self::LossForgotten, 3),
        (Self::RemovalBeatsEdit, 1),
        (Self::RemovalsMissed, 1),
        (Self::OriginForgotten, 1),
        (Self::OldPagesApplied, 16),
        (Self::ConditionForgotten, 10),
        (Self::HistoryIgnored, 34),
        (Self::BreakerNeverTrips, 14),
        (Self::CanaryGoesOn, 8),
        (Self::GapsIgnored, 1_000_002),
        (Self::HalfListingBelieved, 1_000_014),
        (Self::FailedPageSealed, 1_000_197),
        (Self::TwinsNotSought, 2_000_004),
        (Self::MergesNotFollowed, 2_000_001),
        (Self::RelinkedBaseKept, 2_000_011),
        (Self::AttemptsForgotten, 15),
        (Self::CreatesWithoutBase, 15),
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
