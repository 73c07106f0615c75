//! Values that a write of ours went over although nobody had seen them: set over there between the
//! look and the write. Systems that write under a condition have none. Of the others a history tells;
//! what it tells is merged as if it had been read in time, and where nobody's rule decides it becomes
//! a conflict that stays open until a person answers.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use connector_sdk::{Record, Value};

use crate::catalogue::{is_form_of, same};
use crate::entity::CoreTables;
use crate::ids::{ConnectionId, EntityId, RunId};
use crate::mapping::{Patch, Values};
use crate::merge::{self, Context, FieldRule, MergeInput, Merged, Rule, Winner};
use crate::provenance::{By, Why};
use crate::store::changes::{Actor, Change, FieldChange};
use crate::store::conflicts::{self, Opened, Sides};
use crate::store::{Tx, records};
use crate::sync::context::{Neighbourhood, Stream, SyncError};
use crate::sync::effects::{Effects, changed};
use crate::sync::references::Targets;

/// Kind of the conflicts with such values.
pub(in crate::sync) const OVERWRITTEN: &str = "overwritten";

/// What a record held between the look before a write and now.
#[derive(Clone, Debug)]
pub struct Between {
    pub entity_id: EntityId,
    pub key: String,
    /// Core values as they were sent, and what the record was seen to hold in their place.
    pub sent: Values,
    pub before: Values,
    /// Oldest first; the last is the record as it is.
    pub states: Vec<Record>,
}

/// Keeps what these writes went over. Returns the streams that are owed something because of it.
///
/// # Errors
/// [`SyncError`].
pub async fn keep_overwritten(
    tx: &mut Tx,
    tables: &CoreTables,
    connection: ConnectionId,
    stream: &str,
    run: RunId,
    between: Vec<Between>,
) -> Result<BTreeSet<(ConnectionId, String)>, SyncError> {
    if between.is_empty() {
        return Ok(BTreeSet::new());
    }
    let plan = crate::store::plans::of_stream(tx, connection, stream).await?;
    let Some(entity) = plan.map(|plan| plan.entity) else {
        return Err(SyncError::NotEnabled {
            stream: stream.to_owned(),
        });
    };
    let around = Neighbourhood::of(tx, tables, &entity, Some((connection, stream))).await?;
    let stream = around.stream(connection, stream)?;
    keep(tx, &around, stream, run, between).await
}

/// As [`keep_overwritten`].
pub(super) async fn keep(
    tx: &mut Tx,
    around: &Neighbourhood,
    stream: &Stream,
    run: RunId,
    between: Vec<Between>,
) -> Result<BTreeSet<(ConnectionId, String)>, SyncError> {
    let mut found = Vec::new();
    for one in between {
        let patch = overwritten(tx, around, stream, &one).await?;
        if !patch.values.is_empty() {
            found.push((one, patch));
        }
    }
    if found.is_empty() {
        return Ok(BTreeSet::new());
    }
    let (connection, name) = (stream.plan.connection, stream.plan.stream.as_str());
    let ids: Vec<EntityId> = found.iter().map(|(one, _)| one.entity_id).collect();
    let linked = records::by_entities(tx, connection, name, &ids).await?;
    let entities = around.kind.load(tx, &ids).await?;
    let mut entities: HashMap<_, _> = entities.into_iter().map(|row| (row.id, row)).collect();
    let (mut effects, mut conflicts) = (Effects::default(), Vec::new());
    for (one, patch) in found {
        let Some(entity) = entities.get_mut(&one.entity_id) else {
            continue;
        };
        let base = linked.get(&one.entity_id).map(|linked| &linked.base);
        let mut base = base.cloned().unwrap_or_default();
        base.extend(one.before);
        let merged = merge::merge(&MergeInput {
            rules: &stream.rules,
            base: Some(&base),
            core: Some(&entity.values),
            patch: &patch,
            context: &Context::default(),
        });
        let by = By::Connection {
            connection,
            run,
            mapping_version: stream.plan.mapping_version,
            changed_at: patch.changed_at,
        };
        let log = Effects::change(entity, &stream.rules, &merged, tx.now(), by);
        for (kind, fields) in [("merged", log), ("kept", kept(&patch))] {
            effects.log(Change {
                entity: around.kind.name,
                entity_id: entity.id,
                kind,
                fields,
            });
        }
        let moved = changed(&merged);
        let owed: BTreeSet<String> = moved.iter().chain(&merged.push).cloned().collect();
        if !owed.is_empty() {
            effects.owe(stream, around.kind.name, entity.id, owed);
        }
        if !moved.is_empty() {
            effects.touch(entity.clone(), moved);
        }
        conflicts.extend(opened(around.kind.name, entity.id, &one.key, &merged));
    }
    let actor = Actor {
        connection: Some(connection),
        run: Some(run),
        ..Actor::default()
    };
    let stored = effects
        .store(tx, around, Some((connection, name)), actor)
        .await?;
    conflicts::open(tx, connection, name, Some(run), &conflicts).await?;
    Ok(stored.owed)
}

/// What was written over, as if the record had said it.
async fn overwritten(
    tx: &mut Tx,
    around: &Neighbourhood,
    stream: &Stream,
    one: &Between,
) -> Result<Patch, SyncError> {
    let plan = &stream.plan;
    let mut patch = Patch {
        key: one.key.clone(),
        ..Patch::default()
    };
    let mut states = Vec::with_capacity(one.states.len());
    for state in &one.states {
        let said = plan.mapping.inbound(&around.catalogue, state);
        states.push(said.map_err(|source| SyncError::Map {
            stream: plan.stream.clone(),
            source,
        })?);
    }
    let references = states.iter().flat_map(|said| said.references.values());
    let targets = Targets::of(tx, plan.connection, references, |_| None).await?;
    for said in &mut states {
        targets.resolve(said);
    }
    for (field, sent) in &one.sent {
        let (Some(rule), Some(before)) = (stream.rules.field(field), one.before.get(field)) else {
            continue;
        };
        let held: Vec<&Value> = states
            .iter()
            .filter_map(|said| said.values.get(field))
            .collect();
        if let Some(value) = lost(rule, before, sent, &held) {
            patch.values.insert(field.clone(), value.clone());
        }
    }
    Ok(patch)
}

/// The last value that was neither there before nor ours, where what is there now is ours. Where it is
/// somebody else's, that one came after all that it replaced.
fn lost<'v>(
    rule: &FieldRule,
    before: &Value,
    sent: &Value,
    held: &[&'v Value],
) -> Option<&'v Value> {
    let is = |one: &Value, other: &Value| same(&rule.field, one, other, rule.empty);
    let is_ours = |value: &Value| is(value, sent) || is_form_of(sent, value);
    let now = held.last()?;
    if !is_ours(now) {
        return None;
    }
    let mut held = held.iter().rev();
    held.find(|value| !is_ours(value) && !is(value, before))
        .copied()
}

fn kept(patch: &Patch) -> Vec<FieldChange> {
    let one = |(field, value): (&String, &Value)| FieldChange {
        field: field.clone(),
        old: Value::Null,
        new: Value::Null,
        why: Some(Why {
            rule: Rule::Overwritten,
            winner: Winner::Core,
        }),
        lost: Some(value.clone()),
        kept: None,
        was: None,
    };
    patch.values.iter().map(one).collect()
}

fn opened(entity: &'static str, entity_id: EntityId, key: &str, merged: &Merged) -> Vec<Opened> {
    let one = |conflict: &merge::Conflict| Opened {
        entity,
        entity_id,
        record_key: key.to_owned(),
        group: conflict.group.to_string(),
        kind: OVERWRITTEN,
        fields: conflict
            .fields
            .iter()
            .map(|field| {
                let sides = Sides {
                    base: field.base.clone(),
                    core: field.core.clone(),
                    remote: field.remote.clone(),
                };
                (field.field.to_string(), sides)
            })
            .collect::<BTreeMap<_, _>>(),
    };
    merged.conflicts.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::catalogue::{Empty, Field, FieldKind};

    fn found(before: &str, sent: &str, held: &[&str]) -> Option<String> {
        let rule = FieldRule {
            name: Arc::from("industry"),
            field: Field::new("industry", "Industry", FieldKind::Text),
            empty: Empty::Null,
        };
        let held: Vec<Value> = held.iter().map(|&text| text.into()).collect();
        let held: Vec<&Value> = held.iter().collect();
        let lost = lost(&rule, &before.into(), &sent.into(), &held)?;
        lost.as_str().map(str::to_owned)
    }

    #[test]
    fn what_lay_between_is_found_under_our_own_value_in_whatever_form() {
        assert_eq!(found("old", "ours", &["ours"]), None);
        assert_eq!(
            found("old", "ours", &["theirs", "ours"]).as_deref(),
            Some("theirs")
        );
        assert_eq!(
            found("old", "ours", &["theirs", "Ours"]).as_deref(),
            Some("theirs")
        );
        // Sent twice, because nobody knew whether it had arrived.
        let twice = found("old", "ours", &["theirs", "ours", "ours"]);
        assert_eq!(twice.as_deref(), Some("theirs"));
        let several = found("old", "ours", &["first", "second", "ours"]);
        assert_eq!(several.as_deref(), Some("second"));
    }

    #[test]
    fn what_was_replaced_by_somebody_else_is_theirs_to_replace() {
        assert_eq!(found("old", "ours", &["theirs"]), None);
        assert_eq!(found("old", "ours", &["theirs", "ours", "later"]), None);
        assert_eq!(found("old", "ours", &["old", "ours"]), None);
        assert_eq!(found("old", "ours", &[]), None);
    }
}
