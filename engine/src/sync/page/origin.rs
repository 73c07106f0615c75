//! Where a page comes from.

use chrono::{DateTime, Utc};

use crate::store::plans::Phase;
use crate::store::rewrites;

/// Where the changes of a page come from, and when these were asked for: what they may be older than.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The hub itself, which kept the records or found out that they are gone.
    Hub,
    /// A feed of what changed, which may lag behind.
    Feed(DateTime<Utc>),
    /// A listing: what was seen of a record since then is newer, though nothing of it says so, and the
    /// feed brings what changed meanwhile.
    Listing(DateTime<Utc>),
    /// Records that were asked for one by one: they are as they were at that moment, or are newer.
    Records(DateTime<Utc>),
}

impl Origin {
    /// Of a page that was read in this phase.
    #[must_use]
    pub fn of_read(phase: Phase, asked_at: DateTime<Utc>) -> Self {
        match phase {
            Phase::Full => Self::Listing(asked_at),
            Phase::Never | Phase::Incremental => Self::Feed(asked_at),
        }
    }

    /// When the system was asked, if it was.
    pub(super) fn asked_at(self) -> Option<DateTime<Utc>> {
        match self {
            Self::Hub => None,
            Self::Feed(at) | Self::Listing(at) | Self::Records(at) => Some(at),
        }
    }

    /// Since when what was seen of a record is newer than what is said of it here without a stamp.
    pub(super) fn history_at(self) -> Option<DateTime<Utc>> {
        self.asked_at().filter(|_| !matches!(self, Self::Feed(_)))
    }

    /// Until when a write of ours is sure to be shown, if it had been answered by then, and what was
    /// told of a record that was asked for by itself.
    pub(super) fn shows_until(self) -> Option<DateTime<Utc>> {
        match self {
            Self::Hub => None,
            Self::Feed(at) | Self::Listing(at) => Some(at - rewrites::WINDOW),
            Self::Records(at) => Some(at),
        }
    }
}
