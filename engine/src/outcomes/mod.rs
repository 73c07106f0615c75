//! What became of records, or would: one [`Outcome`] each, and what many add up to. Pure data.

mod totals;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::ids::EntityId;
use crate::mapping::FieldFailure;
use crate::merge::Merged;
use crate::store::link_events::Method;

pub use self::totals::{Cause, Digest, MAX_CAUSES, Owed, Totals};

/// What happens to the entity of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    Create,
    Update,
    Unchanged,
    Delete,
    /// The record is to stay out.
    Exclude,
    /// A person has to say whose it is.
    Hold,
}

impl Act {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Unchanged => "unchanged",
            Self::Delete => "delete",
            Self::Exclude => "exclude",
            Self::Hold => "hold",
        }
    }
}

/// What becomes of one record. Holds neither times nor ids that were made on the way: on the same
/// input it is the same, whenever it is worked out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The record's key in its system.
    pub key: String,
    pub act: Act,
    /// `None` for one that is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entity_id: Option<EntityId>,
    /// What links it to an entity that it was not linked with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<Method>,
    /// What the merge decided; its places in the echo ledger are left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged: Option<Merged>,
    /// The group in which a changed field was decided, where it is not the field's own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub groups: BTreeMap<String, String>,
    /// Fields that could not be taken over.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<FieldFailure>,
    /// Core fields that point at records which are not linked yet.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub waiting: BTreeSet<String>,
    /// Core fields whose value, as it would stand, changes on the way out and back in.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub not_kept: BTreeSet<String>,
    /// For a removal: whether a person has to decide it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub asks: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_false(value: &bool) -> bool {
    !*value
}

impl Outcome {
    pub(crate) fn new(key: &str, act: Act) -> Self {
        Self {
            key: key.to_owned(),
            act,
            entity_id: None,
            link: None,
            merged: None,
            groups: BTreeMap::new(),
            failed: Vec::new(),
            waiting: BTreeSet::new(),
            not_kept: BTreeSet::new(),
            asks: false,
        }
    }

    /// Whether a person is needed.
    pub fn has_conflict(&self) -> bool {
        let merged = self.merged.as_ref();
        self.asks || merged.is_some_and(|merged| !merged.conflicts.is_empty())
    }

    /// Whether there is nothing to show of it.
    pub fn is_quiet(&self) -> bool {
        let is_quiet = self.merged.as_ref().is_none_or(Merged::is_quiet);
        let is_clean = self.failed.is_empty() && self.not_kept.is_empty();
        self.act == Act::Unchanged && is_quiet && is_clean && !self.asks
    }
}

/// What some records of a stream add up to, and where to go on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    pub totals: Totals,
    pub digest: Digest,
    /// The key to go on after; `None` when all records were looked at.
    pub next: Option<String>,
}
