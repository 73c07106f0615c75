//! Claiming: which writes, with which values, and what is not worth sending.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, TimeDelta, Utc};
use connector_sdk::{ErrorKind, Value, Write, WriteOp};

use super::sides::Sides;
use super::{Batch, Outgoing};
use crate::catalogue::{Empty, fingerprint, same};
use crate::entity::{CoreTables, Entity};
use crate::ids::{ConnectionId, EntityId, RunId, WriteId};
use crate::mapping::{Values, WritePolicy};
use crate::merge::FieldRule;
use crate::store::changes::{self, Actor, Change};
use crate::store::records;
use crate::store::writes::{self, Again, Carried, Cause, Claimed, Intent, Op, Seen};
use crate::store::{StoreError, Tx, canaries, doubts, echoes};
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
    let mut claimed = writes::claim(tx, connection, stream, run, seen).await?;
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
    let ids: Vec<EntityId> = claimed.iter().map(|write| write.entity_id).collect();
    let entities = around.kind.load(tx, &ids).await?;
    let entities: HashMap<_, _> = entities.into_iter().map(|row| (row.id, row)).collect();
    let mut linked = records::by_entities(tx, connection, stream, &ids).await?;
    let mut claiming = Claiming::default();
    if let Some(canary) = canaries::running(tx, connection, stream).await? {
        let apart: HashMap<_, _> = linked
            .extract_if(|_, linked| canary.takes(&linked.key))
            .collect();
        if !apart.is_empty() {
            let is_apart = |write: &Claimed| apart.contains_key(&write.entity_id);
            let (theirs, rest) = claimed.into_iter().partition(is_apart);
            claimed = rest;
            let place = (connection, stream);
            let around = Neighbourhood::with_canary(tx, tables, place, &canary).await?;
            let known = around.stream(connection, stream)?;
            let sides = Sides::of(tx, &around, known, &entities, apart, seen).await?;
            claiming.take(tx.now(), (&around, known), &sides, &entities, theirs);
        }
    }
    let known = around.stream(connection, stream)?;
    let mut sides = Sides::of(tx, &around, known, &entities, linked, seen).await?;
    sides.look_for_theirs(tx, &around, known, &entities).await?;
    claiming.take(tx.now(), (&around, known), &sides, &entities, claimed);
    for (key, values) in std::mem::take(&mut claiming.there) {
        records::agree(tx, connection, stream, &key, &values).await?;
    }
    claiming.store(tx, &around, connection, run).await
}

/// What becomes of the claimed writes.
#[derive(Default)]
struct Claiming {
    batch: Batch,
    ended: Vec<(WriteId, Option<serde_json::Value>)>,
    /// Not owed any more, and an attempt may have arrived.
    left: Vec<WriteId>,
    again: Vec<Again>,
    sent: Vec<Carried>,
    /// References that have to wait, apart from the other fields of their records.
    apart: Vec<Intent>,
    lost: Vec<Change>,
    /// Values that records hold already, by their key.
    there: Vec<(String, Values)>,
}

impl Claiming {
    /// Works writes out that one version of the mapping is in force for.
    fn take(
        &mut self,
        now: DateTime<Utc>,
        (around, stream): (&Neighbourhood, &Stream),
        sides: &Sides,
        entities: &HashMap<EntityId, Entity>,
        claimed: Vec<Claimed>,
    ) {
        for write in claimed {
            let entity = entities.get(&write.entity_id);
            let linked = sides.linked.get(&write.entity_id);
            if let Some((entity, linked)) = entity.zip(linked) {
                let there = sides.already_there(stream, entity, linked, &write.fields);
                if !there.is_empty() {
                    self.there.push((linked.key.clone(), there));
                }
            }
            match prepare(around, stream, sides, entity, &write) {
                Prepared::Send(outgoing, later) => {
                    self.send(around, stream, sides, *outgoing, later);
                }
                Prepared::Nothing if write.look_first => self.left.push(write.id),
                Prepared::Nothing => self.ended.push((write.id, None)),
                Prepared::Refused(error) => self.ended.push((write.id, Some(error))),
                Prepared::Later(error) => self.again.push(Again {
                    id: write.id,
                    due_at: now + TimeDelta::seconds(30),
                    look_first: write.look_first,
                    in_doubt: write.look_first,
                    error,
                }),
            }
        }
    }

    fn send(
        &mut self,
        around: &Neighbourhood,
        stream: &Stream,
        sides: &Sides,
        mut outgoing: Outgoing,
        later: Vec<String>,
    ) {
        let (entity, entity_id) = (around.kind.name, outgoing.entity_id);
        if !later.is_empty() {
            self.apart.push(Intent {
                connection: stream.plan.connection,
                stream: stream.plan.stream.clone(),
                entity,
                entity_id,
                op: Op::Upsert,
                fields: later,
            });
        }
        let before = sides.before(entity_id, &outgoing.sent);
        let losses = sides.never_agreed(entity_id, before.as_ref());
        if !losses.is_empty() {
            self.lost.push(Change {
                entity,
                entity_id,
                kind: "kept",
                fields: losses,
            });
        }
        outgoing.before = before.clone().unwrap_or_default();
        outgoing.is_absent = sides.absent.contains(&outgoing.id);
        self.sent.push(Carried {
            id: outgoing.id,
            sent: outgoing.sent.clone(),
            before,
            expected: outgoing.write.expected.clone(),
        });
        self.batch.outgoing.push(outgoing);
    }

    async fn store(
        mut self,
        tx: &mut Tx,
        around: &Neighbourhood,
        connection: ConnectionId,
        run: RunId,
    ) -> Result<Batch, SyncError> {
        self.batch.settled = (self.ended.len() + self.left.len()) as u64;
        writes::finish(tx, &self.ended).await?;
        doubts::leave(tx, &self.left).await?;
        writes::requeue(tx, &self.again).await?;
        let cause = Cause {
            run: Some(run),
            ..Cause::default()
        };
        writes::enqueue(tx, &self.apart, cause).await?;
        writes::note_sent(tx, &self.sent).await?;
        let actor = Actor {
            connection: Some(connection),
            run: Some(run),
            ..Actor::default()
        };
        changes::log(tx, actor, &self.lost).await?;
        expect_echoes(tx, around, connection, &self.batch.outgoing).await?;
        Ok(self.batch)
    }
}

enum Prepared {
    /// With the references that have to wait for what they point at.
    Send(Box<Outgoing>, Vec<String>),
    /// Nothing to send; the write is settled.
    Nothing,
    /// The values cannot be written in the system's terms.
    Refused(serde_json::Value),
    /// Something it points at is not over there yet, or something is in its way, which is told.
    Later(Option<serde_json::Value>),
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
    if sides.left.contains(&write.entity_id) || sides.merged.contains(&write.entity_id) {
        return Prepared::Nothing;
    }
    let linked = sides.linked.get(&write.entity_id);
    // It went on one side and was edited on the other: a person decides, and owes it again or does not.
    let open = sides.open.get(&write.entity_id);
    let is_asked = open.is_some_and(|groups| groups.iter().any(|group| group == RECORD));
    if is_asked && (write.op == Op::Delete || linked.is_none()) {
        return Prepared::Nothing;
    }
    // A new record lacks what the system asks for by now, until somebody has said what that is.
    // Nor is one made while a person is asked whether it is there already.
    let is_awaited = sides.awaited.contains(&write.entity_id);
    let waits = stream.plan.holds_creates || is_awaited;
    if linked.is_none() && write.op == Op::Upsert && waits {
        return Prepared::Later(None);
    }
    if linked.is_none()
        && write.op == Op::Upsert
        && let Some(key) = sides.named_elsewhere.get(&write.entity_id)
    {
        return Prepared::Later(Some(in_the_way(around, stream, key)));
    }
    if write.op == Op::Delete {
        let Some(linked) = linked else {
            return Prepared::Nothing;
        };
        let op = WriteOp::Delete {
            key: linked.key.clone(),
        };
        let expected = sides.versions.get(&write.id).cloned();
        let outgoing = outgoing(write, None, expected, op, Values::new());
        return Prepared::Send(outgoing, Vec::new());
    }
    if entity.removed_at.is_some() {
        return Prepared::Nothing;
    }
    let mut only = fields_to_send(stream, sides, entity, linked, write);
    // It was moved from an entity that may be made there again, and must not be taken for its record.
    let renamed = stream.plan.hub_id_field();
    let renamed = renamed.filter(|_| sides.misnamed.contains(&write.entity_id));
    if only.is_empty() && renamed.is_none() {
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
    if !later.is_empty() && (waits || only.len() == later.len()) {
        return Prepared::Later(None);
    }
    for field in &later {
        only.remove(field);
        values.remove(field);
        sent.remove(field);
    }
    let mut fields = match stream
        .plan
        .mapping
        .outbound(&around.catalogue, &values, &only)
    {
        Ok(fields) if linked.is_none() => {
            let mut all = stream.plan.mapping.constants.clone();
            all.extend(fields.clone());
            for field in stream.plan.mapping.refused(&all) {
                sent.remove(&field);
                values.remove(&field);
                only.remove(&field);
            }
            let mapping = &stream.plan.mapping;
            // What could be mapped together can be mapped in part.
            mapping
                .outbound(&around.catalogue, &values, &only)
                .unwrap_or(fields)
        }
        Ok(fields) => fields,
        Err(error) => {
            return Prepared::Refused(serde_json::json!({
                "kind": ErrorKind::Rejected,
                "code": "mapping",
                "message": error.to_string(),
            }));
        }
    };
    if let Some(field) = renamed {
        let id = write.entity_id.0.to_string();
        fields.insert(field.to_owned(), id.into());
    }
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
    let expected = linked.and_then(|_| sides.versions.get(&write.id).cloned());
    Prepared::Send(outgoing(write, parent, expected, op, sent), later)
}

/// Why an entity is not created: the system would take a record for it that is not its own any more.
fn in_the_way(around: &Neighbourhood, stream: &Stream, key: &str) -> serde_json::Value {
    let field = stream
        .plan
        .mapping
        .link
        .hub_id
        .as_deref()
        .unwrap_or_default();
    let kind = around.kind.name;
    serde_json::json!({
        "kind": ErrorKind::Conflict,
        "code": "hub_id_taken",
        "message": format!(
            "record {key}, which is another {kind} by now, still holds this one's id in {field}: it is \
             created once that is written over or cleared"
        ),
        "fields": [field],
    })
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

fn outgoing(
    write: &Claimed,
    parent: Option<String>,
    expected: Option<String>,
    op: WriteOp,
    sent: Values,
) -> Box<Outgoing> {
    Box::new(Outgoing {
        id: write.id,
        entity_id: write.entity_id,
        attempt: write.attempt,
        look_first: write.look_first,
        write: Write {
            idempotency_key: write.id.to_string(),
            hub_id: write.entity_id.0.to_string(),
            parent,
            expected,
            op,
        },
        is_by_person: write.is_by_person,
        before: Values::new(),
        earlier: write.earlier.clone(),
        is_absent: false,
        sent,
    })
}

/// The fields worth sending: written by this stream, not under an open conflict, and different
/// from what the system was last seen to hold. A create sends all that have a value.
fn fields_to_send(
    stream: &Stream,
    sides: &Sides,
    entity: &Entity,
    linked: Option<&records::Linked>,
    write: &Claimed,
) -> BTreeSet<String> {
    let frozen = sides.frozen.get(&write.entity_id);
    let is_frozen = |field: &str| {
        let Some((frozen, group)) = frozen.zip(stream.rules.group_of(field)) else {
            return false;
        };
        group.fields.iter().any(|rule| frozen.contains(&*rule.name))
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
        let may_go = may_write(field)
            && !sides.is_open(stream, write.entity_id, field)
            && !is_frozen(field)
            && !sides.is_withheld(write.entity_id, field);
        writes_field(&stream.rules, field) && may_go && differs(field)
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
