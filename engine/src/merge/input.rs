//! What a merge looks at.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{Rules, Values};
use crate::catalogue::Fingerprint;
use crate::ids::WriteId;
use crate::mapping::Patch;

/// The three sides and what is known around them.
#[derive(Clone, Copy, Debug)]
pub struct MergeInput<'a> {
    pub rules: &'a Rules,
    /// The mapped values last agreed with this record. A field that is not in here, like no base
    /// at all, means that nothing was agreed about it.
    pub base: Option<&'a Values>,
    /// The entity's values; None when there is no entity yet. A missing field is null.
    pub core: Option<&'a Values>,
    /// What the record says. An empty patch asks what the peer is owed after an edit in the hub.
    pub patch: &'a Patch,
    pub context: &'a Context,
}

/// What a merge knows beside the values. [`Context::default`] knows nothing: no pins, no echoes,
/// no clock to trust.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Context {
    /// When each core field last changed, by the hub's clock. Needed for [`crate::mapping::Policy::Newest`] only.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub core_changed_at: BTreeMap<String, DateTime<Utc>>,
    /// How far the peer's stamps can be trusted.
    #[serde(default)]
    pub clock: Clock,
    /// Core fields a person pinned. Expired pins are left out by the caller.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pins: BTreeMap<String, Pin>,
    /// Core fields that are frozen for this record: nothing of them is taken or owed.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub frozen: BTreeSet<String>,
    /// Values the hub wrote to this record and has not seen come back; expired ones left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub echoes: Vec<Echo>,
    /// The record is sure to show the hub's writes to it, whatever its stamp says.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shows_writes: bool,
}

/// The peer's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// Whether [`Patch::changed_at`] says when a person changed the record, rather than when a
    /// job last touched it.
    pub trusted: bool,
    /// Two changes closer than this are not told apart. In milliseconds in JSON.
    #[serde(with = "milliseconds")]
    pub skew: TimeDelta,
}

impl Default for Clock {
    fn default() -> Self {
        Self {
            trusted: false,
            skew: TimeDelta::seconds(5),
        }
    }
}

/// A value that a person holds against all comers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    pub reason: String,
}

/// One field of one write of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Echo {
    /// The core field.
    pub field: String,
    /// [`crate::catalogue::fingerprint`] of the core value that was written.
    pub value: Fingerprint,
    /// The record's stamp right after the write, by the peer's clock, where the receipt told it.
    /// Once the record is seen with a later stamp and another value, the write will not come back;
    /// seen with an earlier one, it does not show the write yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written_at: Option<DateTime<Utc>>,
    /// The write it was part of: a record that shows one value of a write has taken all of it.
    pub write: WriteId,
}

mod milliseconds {
    use chrono::TimeDelta;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(skew: &TimeDelta, to: S) -> Result<S::Ok, S::Error> {
        skew.num_milliseconds().serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<TimeDelta, D::Error> {
        let milliseconds = i64::deserialize(from)?;
        TimeDelta::try_milliseconds(milliseconds)
            .ok_or_else(|| serde::de::Error::custom("milliseconds out of range"))
    }
}
