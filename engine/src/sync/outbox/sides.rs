//! What is known of the records that writes are about, besides the values of the hub.

use std::collections::{BTreeSet, HashMap};

use connector_sdk::Value;

use crate::catalogue::same;
use crate::entity::{Entity, LookUp};
use crate::ids::{EntityId, WriteId};
use crate::mapping::Values;
use crate::merge::{Rule, Winner};
use crate::provenance::Why;
use crate::store::changes::FieldChange;
use crate::store::records::{self, Linked};
use crate::store::writes::Seen;
use crate::store::{StoreError, Tx, conflicts, links, matches, rewrites};
use crate::sync::context::{Neighbourhood, Stream, SyncError};
use crate::sync::page::named;

/// What is known of the other side of the claimed entities.
pub(super) struct Sides {
    pub(super) linked: HashMap<EntityId, Linked>,
    /// The values that their records were last seen to hold; references are not among them.
    held: HashMap<EntityId, Values>,
    /// Whose record is outside of the mapping's condition.
    pub(super) left: BTreeSet<EntityId>,
    pub(super) open: HashMap<EntityId, Vec<String>>,
    pub(super) frozen: HashMap<EntityId, BTreeSet<String>>,
    /// Versions of the records, as they were looked at for these writes.
    pub(super) versions: HashMap<WriteId, String>,
    /// Writes whose record was not there when it was looked at.
    pub(super) absent: BTreeSet<WriteId>,
    /// Core fields of each entity that the mapping does not take from its record as that is by now.
    withheld: HashMap<EntityId, BTreeSet<String>>,
    /// Core field and entity it points at, to the key of that entity's record.
    pub(super) keys: HashMap<(String, String), String>,
    /// Entities without a record that one held over there may be.
    pub(super) awaited: BTreeSet<EntityId>,
    /// Those whose record went into another one: they follow it.
    pub(super) merged: BTreeSet<EntityId>,
    /// Those whose record holds the hub's id of another entity, which it was moved from.
    pub(super) misnamed: BTreeSet<EntityId>,
    /// Entities without a record whose id is held by one that was moved away from them, by its key.
    pub(super) named_elsewhere: HashMap<EntityId, String>,
}

/// What records were last seen to hold.
#[derive(Default)]
struct Held {
    values: HashMap<EntityId, Values>,
    withheld: HashMap<EntityId, BTreeSet<String>>,
    misnamed: BTreeSet<EntityId>,
}

/// Entities whose record, as last seen, the mapping does not take: nothing of it is merged, so
/// nothing may be written over it.
async fn left(
    tx: &mut Tx,
    stream: &Stream,
    linked: &HashMap<EntityId, Linked>,
) -> Result<BTreeSet<EntityId>, StoreError> {
    let Some(filter) = &stream.plan.mapping.filter else {
        return Ok(BTreeSet::new());
    };
    let keys: Vec<String> = linked.values().map(|linked| linked.key.clone()).collect();
    let (connection, name) = (stream.plan.connection, &stream.plan.stream);
    let seen = records::raw(tx, connection, name, &keys).await?;
    let outside: BTreeSet<String> = seen
        .into_iter()
        .filter(|record| !matches!(filter.holds(&record.fields), Ok(Some(true) | None)))
        .map(|record| record.key)
        .collect();
    let is_outside = |linked: &Linked| outside.contains(&linked.key);
    Ok(linked
        .iter()
        .filter(|(_, linked)| is_outside(linked))
        .map(|(id, _)| *id)
        .collect())
}

/// Keys of the records that the entities' references stand for over there.
async fn reference_keys(
    tx: &mut Tx,
    stream: &Stream,
    entities: impl Iterator<Item = &Entity> + Clone,
) -> Result<HashMap<(String, String), String>, StoreError> {
    let mut keys = HashMap::new();
    for (field, target) in stream.plan.mapping.references() {
        let ids: BTreeSet<EntityId> = entities
            .clone()
            .filter_map(|entity| entity.values.get(field)?.as_str())
            .filter_map(|text| uuid::Uuid::try_parse(text).ok())
            .map(EntityId)
            .collect();
        let ids: Vec<EntityId> = ids.into_iter().collect();
        let found = records::by_entities(tx, stream.plan.connection, target.as_str(), &ids).await?;
        keys.extend(
            found
                .into_iter()
                .map(|(id, linked)| ((field.to_owned(), id.0.to_string()), linked.key)),
        );
    }
    Ok(keys)
}

impl Sides {
    /// Reads it.
    pub(super) async fn of(
        tx: &mut Tx,
        around: &Neighbourhood,
        stream: &Stream,
        entities: &HashMap<EntityId, Entity>,
        linked: HashMap<EntityId, Linked>,
        seen: &[Seen],
    ) -> Result<Self, SyncError> {
        let (connection, name) = (stream.plan.connection, &stream.plan.stream);
        let ids: Vec<EntityId> = entities.keys().copied().collect();
        let held = held(tx, around, stream, &linked).await?;
        Ok(Self {
            held: held.values,
            withheld: held.withheld,
            misnamed: held.misnamed,
            named_elsewhere: HashMap::new(),
            left: left(tx, stream, &linked).await?,
            linked,
            open: conflicts::open_groups(tx, connection, name, &ids).await?,
            frozen: rewrites::frozen(tx, connection, name, &ids).await?,
            versions: seen
                .iter()
                .filter_map(|seen| Some((seen.id, seen.version.clone()?)))
                .collect(),
            absent: seen
                .iter()
                .filter(|seen| seen.is_absent)
                .map(|seen| seen.id)
                .collect(),
            keys: reference_keys(tx, stream, entities.values()).await?,
            awaited: BTreeSet::new(),
            merged: BTreeSet::new(),
        })
    }

    /// Looks why entities without a record must not be given one: one that is held until a person says
    /// whose it is may be theirs, theirs went into another one, or one that is not theirs any more would
    /// be taken for it.
    pub(super) async fn look_for_theirs(
        &mut self,
        tx: &mut Tx,
        around: &Neighbourhood,
        stream: &Stream,
        entities: &HashMap<EntityId, Entity>,
    ) -> Result<(), StoreError> {
        let link = &stream.plan.mapping.link;
        let text = |entity: &Entity, field: &String| {
            let text = around
                .kind
                .sought(LookUp::Part, field, entity.values.get(field)?)?;
            Some(format!("{field}:{text}"))
        };
        let unlinked = entities
            .values()
            .filter(|entity| !self.linked.contains_key(&entity.id))
            .map(|entity| {
                let fields = link.strong.iter().chain(link.similar.first());
                (
                    entity.id,
                    fields.filter_map(|field| text(entity, field)).collect(),
                )
            })
            .collect::<Vec<_>>();
        let (connection, name) = (stream.plan.connection, &stream.plan.stream);
        if unlinked.is_empty() {
            return Ok(());
        }
        self.awaited = matches::awaited(tx, connection, name, &unlinked).await?;
        let ids: Vec<EntityId> = unlinked.iter().map(|(id, _)| *id).collect();
        self.merged = links::merged_away(tx, connection, name, &ids).await?;
        if let Some(field) = &link.hub_id {
            let place = (connection, name.as_str());
            self.named_elsewhere = links::named_elsewhere(tx, place, field, &ids).await?;
        }
        Ok(())
    }

    /// Whether the condition of a field's row keeps it apart from the record as that is by now.
    pub(super) fn is_withheld(&self, entity: EntityId, field: &str) -> bool {
        let withheld = self.withheld.get(&entity);
        withheld.is_some_and(|fields| fields.contains(field))
    }

    /// What a record is known to hold for these fields; `None` where it is yet to be made.
    pub(super) fn before(&self, entity: EntityId, fields: &Values) -> Option<Values> {
        let linked = self.linked.get(&entity)?;
        let held = |field| self.held(linked, field).cloned().unwrap_or_default();
        let fields = fields.keys();
        Some(fields.map(|field| (field.clone(), held(field))).collect())
    }

    /// Values over there that nothing was ever agreed about: the hub had none when they were seen, and
    /// has one by now that goes over them.
    pub(super) fn never_agreed(
        &self,
        entity: EntityId,
        before: Option<&Values>,
    ) -> Vec<FieldChange> {
        let Some((linked, before)) = self.linked.get(&entity).zip(before) else {
            return Vec::new();
        };
        let is_lost = |(field, value): &(&String, &Value)| {
            !value.is_null() && !linked.base.contains_key(*field)
        };
        let lost = before
            .iter()
            .filter(is_lost)
            .map(|(field, value)| FieldChange {
                field: field.clone(),
                old: Value::Null,
                new: Value::Null,
                why: Some(Why {
                    rule: Rule::FirstContact,
                    winner: Winner::Core,
                }),
                lost: Some(value.clone()),
                kept: None,
                was: None,
            });
        lost.collect()
    }

    /// Whether a conflict about the field is open.
    pub(super) fn is_open(&self, stream: &Stream, entity: EntityId, field: &str) -> bool {
        let open = self.open.get(&entity).into_iter().flatten();
        let group = stream.rules.group_of(field);
        group.is_some_and(|group| open.into_iter().any(|name| **name == *group.name))
    }

    /// Values that are owed and that the record was last seen to hold already, without having been
    /// agreed on: an owner who had none let them stand there, and has the same by now.
    pub(super) fn already_there(
        &self,
        stream: &Stream,
        entity: &Entity,
        linked: &Linked,
        owed: &[String],
    ) -> Values {
        let Some(held) = self.held.get(&linked.entity_id) else {
            return Values::new();
        };
        let is_there = |field: &String, held: &Value| {
            let Some(rule) = stream.rules.field(field) else {
                return false;
            };
            let is = |value: &Value| same(&rule.field, value, held, rule.empty);
            is(&entity.value(field)) && !linked.base.get(field).is_some_and(is)
        };
        owed.iter()
            .filter_map(|field| Some((field, held.get(field)?)))
            .filter(|(field, held)| is_there(field, held))
            .filter(|(field, _)| !self.is_open(stream, linked.entity_id, field))
            .map(|(field, held)| (field.clone(), held.clone()))
            .collect()
    }

    /// What a record was last seen to hold, or else what was agreed.
    pub(super) fn held<'s>(&'s self, linked: &'s Linked, field: &str) -> Option<&'s Value> {
        let seen = self.held.get(&linked.entity_id);
        let seen = seen.and_then(|values| values.get(field));
        seen.or_else(|| linked.base.get(field))
    }
}

/// The values that records were last seen to hold. Not their bases: what the hub holds against a
/// change over there was never agreed.
async fn held(
    tx: &mut Tx,
    around: &Neighbourhood,
    stream: &Stream,
    linked: &HashMap<EntityId, Linked>,
) -> Result<Held, SyncError> {
    let plan = &stream.plan;
    let keys: HashMap<&str, EntityId> = linked
        .values()
        .map(|linked| (linked.key.as_str(), linked.entity_id))
        .collect();
    let places: Vec<String> = keys.keys().map(|key| (*key).to_owned()).collect();
    let mut held = Held::default();
    for record in records::raw(tx, plan.connection, &plan.stream, &places).await? {
        let patch = plan.mapping.inbound(&around.catalogue, &record);
        let patch = patch.map_err(|source| SyncError::Map {
            stream: plan.stream.clone(),
            source,
        })?;
        if let Some(entity) = keys.get(record.key.as_str()) {
            held.values.insert(*entity, patch.values);
            let fields = plan.mapping.withheld(&record.fields);
            if !fields.is_empty() {
                held.withheld.insert(*entity, fields);
            }
            if named(&plan.mapping, &record.fields).is_some_and(|id| id != *entity) {
                held.misnamed.insert(*entity);
            }
        }
    }
    Ok(held)
}
