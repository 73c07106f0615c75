//! What becomes of each record of a page, told to whoever wants to know: a preview, and the run
//! that is held against it. Both are told by the same pass, so what they are told is the same.

use std::collections::{BTreeMap, BTreeSet};

use super::Counts;
use crate::catalogue::Catalogue;
use crate::entity::Entity;
use crate::ids::ConnectionId;
use crate::mapping::{FieldFailure, Mapping, Patch, Row, Values};
use crate::merge::{Deletion, Merged};
use crate::outcomes::{Act, Outcome};
use crate::store::link_events::Method;
use crate::store::matches::Held;
use crate::sync::context::Stream;

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
        link: Option<Method>,
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
            link,
            groups,
            not_kept: not_kept(&stream.plan.mapping, catalogue, values),
            merged: Some(merged),
            failed: patch.failed.clone(),
            waiting: patch.references.keys().cloned().collect(),
            ..Outcome::new(&patch.key, act)
        });
    }

    /// A person has to say whose it is.
    pub(super) fn held(&mut self, held: &Held) {
        self.outcomes.push(Outcome {
            entity_id: held.candidates.first().map(|one| one.entity_id),
            asks: true,
            ..Outcome::new(&held.key, Act::Hold)
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
