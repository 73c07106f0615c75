//! What undoing does to one entity, and how much to all.

use std::collections::BTreeMap;

use connector_sdk::Value;
use serde::{Deserialize, Serialize};

use crate::ids::EntityId;
use crate::store::changes::Kept;

/// What undoing does to one entity.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    pub entity: String,
    pub entity_id: EntityId,
    pub act: Act,
    /// The fields that the run changed.
    pub fields: Vec<ItemField>,
}

/// What is done to the entity itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Fields go back; none do if all of them are kept.
    Restore,
    /// The run made it: it goes.
    Remove,
    /// The run removed it: it comes back.
    Revive,
    /// It stays as it is.
    Keep(Kept),
}

/// One field on its way back.
#[derive(Clone, Debug, PartialEq)]
pub struct ItemField {
    pub field: String,
    pub now: Value,
    pub before: Value,
    /// Why it does not go back.
    pub kept: Option<Kept>,
}

/// How much an undo does, or did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Entities of which fields go back.
    pub restored: u64,
    /// The fields of those.
    pub fields: u64,
    pub removed: u64,
    pub revived: u64,
    /// Fields and entities that stay as they are, by the reason.
    pub kept: BTreeMap<Kept, u64>,
}

impl Counts {
    pub fn add(&mut self, other: &Self) {
        self.restored += other.restored;
        self.fields += other.fields;
        self.removed += other.removed;
        self.revived += other.revived;
        for (kept, count) in &other.kept {
            *self.kept.entry(*kept).or_default() += count;
        }
    }

    pub(super) fn of(items: &[Item]) -> Self {
        let mut counts = Self::default();
        for item in items {
            let back = item.fields.iter().filter(|field| field.kept.is_none());
            let back = back.count() as u64;
            counts.fields += back;
            counts.restored += u64::from(back > 0);
            match item.act {
                Act::Restore => {}
                Act::Remove => counts.removed += 1,
                Act::Revive => counts.revived += 1,
                Act::Keep(kept) => *counts.kept.entry(kept).or_default() += 1,
            }
            for kept in item.fields.iter().filter_map(|field| field.kept) {
                *counts.kept.entry(kept).or_default() += 1;
            }
        }
        counts
    }
}
