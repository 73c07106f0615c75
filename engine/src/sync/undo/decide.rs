//! What of a run's work can be taken back, decided for one entity in memory.

use std::collections::{BTreeMap, BTreeSet};

use connector_sdk::Value;

use super::{Act, Item, ItemField};
use crate::catalogue::{Empty, same};
use crate::entity::Entity;
use crate::ids::{ConnectionId, EntityId, RunId};
use crate::mapping::Side;
use crate::merge::GroupRule;
use crate::provenance::By;
use crate::store::changes::Kept;
use crate::store::undo::Logged;
use crate::sync::context::Neighbourhood;

/// What a run did to one entity, as its log says.
#[derive(Debug, Default)]
pub(super) struct Did {
    /// Per field: the value before the run and the one it left.
    pub(super) fields: BTreeMap<String, (Value, Value)>,
    pub(super) removed: bool,
    pub(super) restored: bool,
}

impl Did {
    pub(super) fn of(logged: &[Logged]) -> Self {
        let mut did = Self::default();
        for one in logged {
            match one.kind.as_str() {
                "removed" => (did.removed, did.restored) = (true, false),
                "restored" => (did.removed, did.restored) = (false, true),
                // What a system makes of a value it would make of it again; what was kept changed
                // nothing.
                "normalised" | "kept" | "undo_kept" => {}
                _ => did.note(one),
            }
        }
        did
    }

    fn note(&mut self, logged: &Logged) {
        for change in &logged.fields {
            self.fields
                .entry(change.field.clone())
                .and_modify(|(_, left)| left.clone_from(&change.new))
                .or_insert_with(|| (change.old.clone(), change.new.clone()));
        }
    }
}

/// The stream a run worked on, if it did.
pub(super) type Source<'a> = Option<(ConnectionId, &'a str)>;

/// What becomes of the fields that a run changed.
pub(super) fn fields(
    around: &Neighbourhood,
    source: Source<'_>,
    entity: &Entity,
    did: &BTreeMap<String, (Value, Value)>,
) -> Vec<ItemField> {
    let mut fields: Vec<ItemField> = did
        .iter()
        .map(|(name, (before, left))| {
            let now = entity.value(name);
            ItemField {
                kept: kept(around, source, name, &now, before, left),
                field: name.clone(),
                now,
                before: before.clone(),
            }
        })
        .collect();
    // Fields that move together go back together or not at all.
    let broken: BTreeSet<String> = fields
        .iter()
        .filter(|field| matches!(field.kept, Some(Kept::Changed | Kept::OneWay)))
        .filter_map(|field| group(around, source, &field.field))
        .map(|group| group.name.to_string())
        .collect();
    for field in fields.iter_mut().filter(|field| field.kept.is_none()) {
        let group = group(around, source, &field.field);
        if group.is_some_and(|group| broken.contains(&*group.name)) {
            field.kept = Some(Kept::GroupChanged);
        }
    }
    fields
}

fn kept(
    around: &Neighbourhood,
    source: Source<'_>,
    name: &str,
    now: &Value,
    before: &Value,
    left: &Value,
) -> Option<Kept> {
    let Some(field) = around.catalogue.field(name) else {
        return Some(Kept::NoSuchField);
    };
    if same(field, now, before, Empty::Null) {
        return Some(Kept::AsBefore);
    }
    if !same(field, now, left, Empty::Null) {
        return Some(Kept::Changed);
    }
    let one_way = group(around, source, name).is_some_and(|group| {
        source.is_some() && (!group.direction.writes() || group.owner == Some(Side::Remote))
    });
    one_way.then_some(Kept::OneWay)
}

/// The group of a field by the rules of the stream the run worked on, else by any that has it.
fn group<'a>(around: &'a Neighbourhood, source: Source<'_>, field: &str) -> Option<&'a GroupRule> {
    let is_source = |connection, stream: &str| source == Some((connection, stream));
    let (own, others): (Vec<_>, Vec<_>) = around
        .streams
        .iter()
        .partition(|stream| is_source(stream.plan.connection, &stream.plan.stream));
    own.into_iter()
        .chain(others)
        .find_map(|stream| stream.rules.group_of(field))
}

/// Whether an entity that a run made can go: nobody but the run and its undo has touched it.
pub(super) fn is_untouched(entity: &Entity, run: RunId) -> bool {
    entity
        .provenance
        .origins()
        .iter()
        .all(|origin| match origin.by {
            By::Connection { run: by, .. } => by == run,
            By::Undo { undoes, .. } => undoes == run,
            By::User { .. } => false,
        })
}

pub(super) fn item(kind: &str, entity_id: EntityId, act: Act) -> Item {
    Item {
        entity: kind.to_owned(),
        entity_id,
        act,
        fields: Vec::new(),
    }
}
