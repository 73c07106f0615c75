//! Claiming: which writes, with which values, and what is not worth sending.

use std::collections::{BTreeSet, HashMap};

use chrono::TimeDelta;
use connector_sdk::{ErrorKind, Value, Write, WriteOp};

use super::{Batch, Outgoing};
use crate::catalogue::{Empty, fingerprint, same};
use crate::entity::{CoreTables, Entity};
use crate::ids::{ConnectionId, EntityId, RunId};
use crate::mapping::{Values, WritePolicy};
use crate::merge::FieldRule;
use crate::store::records::{self, Linked};
use crate::store::writes::{self, Again, Cause, Claimed, Intent, Op, Seen};
use crate::store::{StoreError, Tx, conflicts, echoes};
use crate::sync::context::{Neighbourhood, Stream, SyncError};
use crate::sync::effects::{RECORD, writes_field};

/// Attempts, half a minute apart, for which a record that is to be made waits for what it points at.
const PATIENCE: i32 = 10;
/// How long an echo is waited for. Longer than any peer takes to show what it accepted.
const ECHO_LIFE: TimeDelta = TimeDelta::hours(1);

/// Claims writes of a stream with the values the core holds now: those that were `seen` before the
/// records they are about were read, and of which nothing more was asked since. Any other could
/// be about a record that was not looked at.
///
/// # Errors
/// [`SyncError`].
pub async fn claim(
    tx: &mut Tx,
    tables: &CoreTables,
    connection: ConnectionId,
    stream: &str,
    run: RunId,
    seen: &[Seen],
) -> Result<Batch, SyncError> {
    let claimed = writes::claim(tx, connection, stream, run, seen).await?;
    if claimed.is_empty() {
        return Ok(Batch::default());
    }
    let plan = crate::store::plans::of_stream(tx, connection, stream).await?;
    let Some(entity) = plan.map(|plan| plan.entity) else {
        return Err(SyncError::NotEnabled {
            stream: stream.to_owned(),
        });
    };
    let around = Neighbourhood::of(tx, tables, &entity, Some((connection, stream))).await?;
    let stream = around.stream(connection, stream)?;
    let ids: Vec<EntityId> = claimed.iter().map(|write| write.entity_id).collect();
    let entities = around.kind.load(tx, &ids).await?;
    let entities: HashMap<_, _> = entities.into_iter().map(|row| (row.id, row)).collect();
    let linked = records::by_entities(tx, connection, &stream.plan.stream, &ids).await?;
    let sides = Sides {
        held: held(tx, &around, stream, &linked).await?,
        left: left(tx, stream, &linked).await?,
        linked,
        open: conflicts::open_groups(tx, connection, &stream.plan.stream, &ids).await?,
        keys: reference_keys(tx, stream, entities.values()).await?,
    };
    let mut batch = Batch::default();
    let (mut ended, mut again, mut sent) = (Vec::new(), Vec::new(), Vec::new());
    let mut apart = Vec::new();
    for write in claimed {
        match prepare(
            &around,
            stream,
            &sides,
            entities.get(&write.entity_id),
            &write,
        ) {
            Prepared::Send(outgoing, later) => {
                if !later.is_empty() {
                    apart.push(Intent {
                        connection,
                        stream: stream.plan.stream.clone(),
                        entity: around.kind.name,
                        entity_id: outgoing.entity_id,
                        op: Op::Upsert,
                        fields: later,
                    });
                }
                let before = sides.before(outgoing.entity_id, &outgoing.sent);
                sent.push((outgoing.id, outgoing.sent.clone(), before));
                batch.outgoing.push(*outgoing);
            }
            Prepared::Nothing => ended.push((write.id, None)),
            Prepared::Refused(error) => ended.push((write.id, Some(error))),
            Prepared::Later => again.push(Again {
                id: write.id,
                due_at: tx.now() + TimeDelta::seconds(30),
                look_first: write.look_first,
                error: None,
            }),
        }
    }
    batch.settled = ended.len() as u64;
    writes::finish(tx, &ended).await?;
    writes::requeue(tx, &again).await?;
    let cause = Cause {
        run: Some(run),
        ..Cause::default()
    };
    writes::enqueue(tx, &apart, cause).await?;
    writes::note_sent(tx, &sent).await?;
    expect_echoes(tx, &around, connection, &batch.outgoing).await?;
    Ok(batch)
}

/// What is known of the other side of the claimed entities.
struct Sides {
    linked: HashMap<EntityId, Linked>,
    /// The values that their records were last seen to hold; references are not among them.
    held: HashMap<EntityId, Values>,
    /// Whose record is outside of the mapping's condition.
    left: BTreeSet<EntityId>,
    open: HashMap<EntityId, Vec<String>>,
    /// Core field and entity it points at, to the key of that entity's record.
    keys: HashMap<(String, String), String>,
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
    /// What a record is known to hold for these fields; `None` where it is yet to be made.
    fn before(&self, entity: EntityId, fields: &Values) -> Option<Values> {
        let linked = self.linked.get(&entity)?;
        let held = |field| self.held(linked, field).cloned().unwrap_or_default();
        let fields = fields.keys();
        Some(fields.map(|field| (field.clone(), held(field))).collect())
    }

    /// What a record was last seen to hold, or else what was agreed.
    fn held<'s>(&'s self, linked: &'s Linked, field: &str) -> Option<&'s Value> {
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
) -> Result<HashMap<EntityId, Values>, SyncError> {
    let plan = &stream.plan;
    let keys: HashMap<&str, EntityId> = linked
        .values()
        .map(|linked| (linked.key.as_str(), linked.entity_id))
        .collect();
    let places: Vec<String> = keys.keys().map(|key| (*key).to_owned()).collect();
    let mut held = HashMap::with_capacity(keys.len());
    for record in records::raw(tx, plan.connection, &plan.stream, &places).await? {
        let patch = plan.mapping.inbound(&around.catalogue, &record);
        let patch = patch.map_err(|source| SyncError::Map {
            stream: plan.stream.clone(),
            source,
        })?;
        if let Some(entity) = keys.get(record.key.as_str()) {
            held.insert(*entity, patch.values);
        }
    }
    Ok(held)
}

enum Prepared {
    /// With the references that have to wait for what they point at.
    Send(Box<Outgoing>, Vec<String>),
    /// Nothing to send; the write is settled.
    Nothing,
    /// The values cannot be written in the system's terms.
    Refused(serde_json::Value),
    /// Something it points at is not over there yet.
    Later,
}

fn prepare(
    around: &Neighbourhood,
    stream: &Stream,
    sides: &Sides,
    entity: Option<&Entity>,
    write: &Claimed,
) -> Prepared {
    let Some(entity) = entity else {
        return Prepared::Nothing;
    };
    if sides.left.contains(&write.entity_id) {
        return Prepared::Nothing;
    }
    let linked = sides.linked.get(&write.entity_id);
    // A new record lacks what the system asks for by now, until somebody has said what that is.
    if linked.is_none() && write.op == Op::Upsert && stream.plan.holds_creates {
        return Prepared::Later;
    }
    if write.op == Op::Delete {
        let Some(linked) = linked else {
            return Prepared::Nothing;
        };
        // It was edited over there meanwhile: a person decides, and owes it again or does not.
        let open = sides.open.get(&write.entity_id);
        if open.is_some_and(|groups| groups.iter().any(|group| group == RECORD)) {
            return Prepared::Nothing;
        }
        let op = WriteOp::Delete {
            key: linked.key.clone(),
        };
        return Prepared::Send(outgoing(write, None, op, Values::new()), Vec::new());
    }
    if entity.removed_at.is_some() {
        return Prepared::Nothing;
    }
    let mut only = fields_to_send(stream, sides, entity, linked, write);
    if only.is_empty() {
        return Prepared::Nothing;
    }
    let mut values: Values = only
        .iter()
        .map(|field| (field.clone(), entity.value(field)))
        .collect();
    let mut sent = values.clone();
    let mut later = Vec::new();
    for (field, _) in stream.plan.mapping.references() {
        let Some(id) = values.get(field).and_then(|value| value.as_str()) else {
            continue;
        };
        match sides.keys.get(&(field.to_owned(), id.to_owned())) {
            Some(key) => drop(values.insert(field.to_owned(), key.as_str().into())),
            None => later.push(field.to_owned()),
        }
    }
    // A record that is there is not held up by what one of its fields points at. One that is to be
    // made waits for it, but not for ever: two that point at each other would both.
    let waits = linked.is_none() && (write.attempt < PATIENCE || needs(stream, &later));
    if only.len() == later.len() || waits && !later.is_empty() {
        return Prepared::Later;
    }
    for field in &later {
        only.remove(field);
        values.remove(field);
        sent.remove(field);
    }
    let fields = match stream
        .plan
        .mapping
        .outbound(&around.catalogue, &values, &only)
    {
        Ok(fields) => fields,
        Err(error) => {
            return Prepared::Refused(serde_json::json!({
                "kind": ErrorKind::Rejected,
                "code": "mapping",
                "message": error.to_string(),
            }));
        }
    };
    let parent = stream.plan.mapping.link.parent.as_ref().and_then(|field| {
        let id = entity.values.get(field)?.as_str()?;
        sides.keys.get(&(field.clone(), id.to_owned())).cloned()
    });
    let op = match linked {
        Some(linked) => WriteOp::Update {
            key: linked.key.clone(),
            fields,
        },
        None => {
            let mut all = stream.plan.mapping.constants.clone();
            all.extend(fields);
            WriteOp::Create { fields: all }
        }
    };
    Prepared::Send(outgoing(write, parent, op, sent), later)
}

/// Whether the system makes no record without one of these fields.
fn needs(stream: &Stream, fields: &[String]) -> bool {
    let Some(described) = &stream.plan.description else {
        return false;
    };
    let rows = stream.plan.mapping.rows.iter();
    let mut remote = rows
        .filter(|row| fields.contains(&row.core))
        .flat_map(|row| &row.remote);
    remote.any(|path| {
        let mut known = described.fields.iter();
        known.any(|field| field.name == path.name && field.required)
    })
}

fn outgoing(write: &Claimed, parent: Option<String>, op: WriteOp, sent: Values) -> Box<Outgoing> {
    Box::new(Outgoing {
        id: write.id,
        entity_id: write.entity_id,
        attempt: write.attempt,
        look_first: write.look_first,
        write: Write {
            idempotency_key: write.id.to_string(),
            hub_id: write.entity_id.0.to_string(),
            parent,
            op,
        },
        sent,
    })
}

/// The fields worth sending: written by this stream, not under an open conflict, and different
/// from what the system was last seen to hold. A create sends all that have a value.
fn fields_to_send(
    stream: &Stream,
    sides: &Sides,
    entity: &Entity,
    linked: Option<&Linked>,
    write: &Claimed,
) -> BTreeSet<String> {
    let open = sides
        .open
        .get(&write.entity_id)
        .map_or(&[][..], Vec::as_slice);
    let is_open = |field: &str| {
        let group = stream.rules.group_of(field);
        group.is_some_and(|group| open.iter().any(|name| *name == *group.name))
    };
    let Some(linked) = linked else {
        let named = entity
            .values
            .keys()
            .filter(|field| writes_field(&stream.rules, field));
        return named.cloned().collect();
    };
    // What somebody entered over there is not written over, where the mapping says so.
    let may_write = |field: &str| {
        let Some(group) = stream.rules.group_of(field) else {
            return false;
        };
        let is_empty = |rule: &FieldRule| {
            let agreed = linked.base.get(&*rule.name);
            agreed.is_none_or(|agreed| same(&rule.field, agreed, &Value::Null, rule.empty))
        };
        group.write == WritePolicy::Always || group.fields.iter().all(is_empty)
    };
    let differs = |field: &str| {
        let Some(rule) = stream.rules.field(field) else {
            return false;
        };
        let held = sides.held(linked, field);
        held.is_none_or(|held| !same(&rule.field, &entity.value(field), held, rule.empty))
    };
    let named = write.fields.iter().filter(|field| {
        writes_field(&stream.rules, field) && may_write(field) && !is_open(field) && differs(field)
    });
    named.cloned().collect()
}

/// Notes the values in the echo ledger before they are sent.
async fn expect_echoes(
    tx: &mut Tx,
    around: &Neighbourhood,
    connection: ConnectionId,
    outgoing: &[Outgoing],
) -> Result<(), StoreError> {
    let mut sent = Vec::new();
    for write in outgoing {
        for (field, value) in &write.sent {
            let Some(field) = around.catalogue.field(field) else {
                continue;
            };
            sent.push(echoes::Sent {
                entity_id: write.entity_id,
                field: field.name.clone(),
                value: fingerprint(field, value, Empty::Null),
                write: write.id,
            });
        }
    }
    let expires = tx.now() + ECHO_LIFE;
    echoes::expect(tx, connection, &sent, expires).await
}
