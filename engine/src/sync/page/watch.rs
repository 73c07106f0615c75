//! What becomes of each record of a page, told to whoever wants to know: a preview, and the run
//! that is held against it. Both are told by the same pass, so what they are told is the same.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Counts;
use crate::catalogue::Catalogue;
use crate::entity::Entity;
use crate::ids::{ConnectionId, EntityId};
use crate::mapping::{FieldFailure, Mapping, Patch, Row, Values};
use crate::merge::{Deletion, Merged};
use crate::sync::context::Stream;

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
}

impl Act {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Unchanged => "unchanged",
            Self::Delete => "delete",
            Self::Exclude => "exclude",
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
    fn new(key: &str, act: Act) -> Self {
        Self {
            key: key.to_owned(),
            act,
            entity_id: None,
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

/// Collects outcomes.
#[derive(Debug, Default)]
pub(in crate::sync) struct Watch {
    pub(in crate::sync) outcomes: Vec<Outcome>,
}

/// What a page would do.
pub(in crate::sync) struct Looked {
    pub(in crate::sync) counts: Counts,
    pub(in crate::sync) watch: Watch,
    /// Entities that each stream would be given.
    pub(in crate::sync) owed: BTreeMap<(ConnectionId, String), u64>,
}

impl Watch {
    /// `failure` says why that is not known.
    pub(super) fn excluded(&mut self, key: &str, failure: Option<&FieldFailure>) {
        self.outcomes.push(Outcome {
            failed: failure.into_iter().cloned().collect(),
            ..Outcome::new(key, Act::Exclude)
        });
    }

    /// `known` is the entity where there was one, `values` what it is to hold.
    pub(super) fn merged(
        &mut self,
        (stream, catalogue): (&Stream, &Catalogue),
        patch: &Patch,
        known: Option<&Entity>,
        values: &Values,
        merged: &Merged,
    ) {
        let is_updated = !merged.changes.is_empty();
        let act = match known {
            None => Act::Create,
            Some(_) if is_updated => Act::Update,
            Some(_) => Act::Unchanged,
        };
        let groups = merged.changes.iter().filter_map(|change| {
            let group = &stream.rules.group_of(&change.field)?.name;
            (*group != change.field).then(|| (change.field.to_string(), group.to_string()))
        });
        let groups = groups.collect();
        let mut merged = merged.clone();
        merged.consumed.clear();
        merged.retired.clear();
        self.outcomes.push(Outcome {
            entity_id: known.map(|entity| entity.id),
            groups,
            not_kept: not_kept(&stream.plan.mapping, catalogue, values),
            merged: Some(merged),
            failed: patch.failed.clone(),
            waiting: patch.references.keys().cloned().collect(),
            ..Outcome::new(&patch.key, act)
        });
    }

    pub(super) fn removed(&mut self, key: &str, entity: Option<&Entity>, deletion: &Deletion) {
        self.outcomes.push(Outcome {
            entity_id: entity.map(|entity| entity.id),
            asks: entity.is_some() && matches!(deletion, Deletion::Conflict { .. }),
            ..Outcome::new(key, Act::Delete)
        });
    }
}

/// The fields whose value does not come back as it goes out. References are keys over there and
/// ids here, which no pipe knows of.
fn not_kept(mapping: &Mapping, catalogue: &Catalogue, values: &Values) -> BTreeSet<String> {
    let has_steps = |row: &&Row| {
        let out = row.outbound.as_ref();
        !row.inbound.steps.is_empty() || out.is_some_and(|out| !out.steps.is_empty())
    };
    let two_way = mapping
        .rows
        .iter()
        .filter(|row| row.direction.reads() && row.direction.writes() && row.reference.is_none());
    two_way
        .filter(has_steps)
        .filter(|row| {
            let value = values.get(&row.core).filter(|value| !value.is_null());
            value.is_some_and(|value| {
                // A value that cannot go out at all is not kept either.
                !mapping.keeps(catalogue, &row.core, value).unwrap_or(false)
            })
        })
        .map(|row| row.core.clone())
        .collect()
}
