//! What is owed to systems: claim it with the values of now, and settle it by the system's answer.
//!
//! Between the two lies the network call, outside any transaction. What was claimed is journaled
//! by the run before it is sent, so that a crash repeats the same writes with the same keys.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use connector_sdk::{ConnectorError, ErrorKind, Receipt, Write, WriteOp};
use serde::{Deserialize, Serialize};

use super::context::{Neighbourhood, Stream, SyncError};
use super::effects::{Effects, changed, writes_field};
use crate::catalogue::{Empty, fingerprint, same};
use crate::entity::{CoreTables, Entity};
use crate::ids::{ConnectionId, EntityId, RunId, WriteId};
use crate::mapping::{Patch, Values};
use crate::merge::{self, Context, MergeInput};
use crate::provenance::By;
use crate::store::changes::{Actor, Change};
use crate::store::records::{self, Linked, Place, Row};
use crate::store::runs::{self, Dedupe, DedupeUntil, NewRun, StartOptions};
use crate::store::writes::{self, Again, Claimed, Op};
use crate::store::{StoreError, Tx, conflicts, echoes};

/// How long an echo is waited for. Longer than any peer takes to show what it accepted.
const ECHO_LIFE: TimeDelta = TimeDelta::hours(1);
/// Attempts after which a write that never gets through is left to a person.
const MOST_ATTEMPTS: i32 = 12;
/// The longest a write waits for its next attempt.
const LONGEST_WAIT: Duration = Duration::from_secs(15 * 60);

/// A write on its way out, as journaled.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Outgoing {
    pub id: WriteId,
    pub entity_id: EntityId,
    pub attempt: i32,
    /// An earlier attempt may have created it: find it by the hub's id before creating it.
    pub look_first: bool,
    pub write: Write,
    /// The core values it carries.
    pub sent: Values,
}

/// What a claim found.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Batch {
    pub outgoing: Vec<Outgoing>,
    /// Claimed and done with nothing to send: agreed already, or not to be sent.
    pub settled: u64,
}

/// Claims due writes of a stream, oldest first, with the values the core holds now. Only those
/// that were asked for until `looked_at`, when the caller began to read what the system holds: a
/// later one could be about a record that was not looked at.
///
/// # Errors
/// [`SyncError`].
pub async fn claim(
    tx: &mut Tx,
    tables: &CoreTables,
    connection: ConnectionId,
    stream: &str,
    run: RunId,
    looked_at: DateTime<Utc>,
    limit: i64,
) -> Result<Batch, SyncError> {
    writes::adopt(tx, connection, stream, run).await?;
    let claimed = writes::claim(tx, connection, stream, run, looked_at, limit).await?;
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
    let sides = Sides {
        linked: records::by_entities(tx, connection, &stream.plan.stream, &ids).await?,
        open: conflicts::open_groups(tx, connection, &stream.plan.stream, &ids).await?,
        keys: reference_keys(tx, stream, entities.values()).await?,
    };
    let mut batch = Batch::default();
    let (mut ended, mut again, mut sent) = (Vec::new(), Vec::new(), Vec::new());
    for write in claimed {
        match prepare(
            &around,
            stream,
            &sides,
            entities.get(&write.entity_id),
            &write,
        ) {
            Prepared::Send(outgoing) => {
                sent.push((outgoing.id, outgoing.sent.clone()));
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
    writes::note_sent(tx, &sent).await?;
    expect_echoes(tx, &around, connection, &batch.outgoing).await?;
    Ok(batch)
}

/// What is known of the other side of the claimed entities.
struct Sides {
    linked: HashMap<EntityId, Linked>,
    open: HashMap<EntityId, Vec<String>>,
    /// Core field and entity it points at, to the key of that entity's record.
    keys: HashMap<(String, String), String>,
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

enum Prepared {
    Send(Box<Outgoing>),
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
    let linked = sides.linked.get(&write.entity_id);
    if write.op == Op::Delete {
        let Some(linked) = linked else {
            return Prepared::Nothing;
        };
        let op = WriteOp::Delete {
            key: linked.key.clone(),
        };
        return Prepared::Send(outgoing(write, None, op, Values::new()));
    }
    if entity.removed_at.is_some() {
        return Prepared::Nothing;
    }
    let only = fields_to_send(stream, sides, entity, linked, write);
    if only.is_empty() {
        return Prepared::Nothing;
    }
    let mut values: Values = only
        .iter()
        .map(|field| (field.clone(), entity.value(field)))
        .collect();
    let sent = values.clone();
    for (field, _) in stream.plan.mapping.references() {
        let Some(id) = values.get(field).and_then(|value| value.as_str()) else {
            continue;
        };
        let Some(key) = sides.keys.get(&(field.to_owned(), id.to_owned())) else {
            return Prepared::Later;
        };
        values.insert(field.to_owned(), key.as_str().into());
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
    Prepared::Send(outgoing(write, parent, op, sent))
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
/// from what the system is known to hold. A create sends all that have a value.
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
    let differs = |field: &str| {
        let Some(rule) = stream.rules.field(field) else {
            return false;
        };
        let agreed = linked.base.get(field);
        agreed.is_none_or(|agreed| !same(&rule.field, &entity.value(field), agreed, rule.empty))
    };
    let named = write
        .fields
        .iter()
        .filter(|field| writes_field(&stream.rules, field) && !is_open(field) && differs(field));
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

/// What became of a write over there, as journaled.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum Outcome {
    Stored { receipt: Receipt },
    Refused(Refusal),
}

/// Why a system did not take a write.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Refusal {
    pub kind: ErrorKind,
    pub code: Option<String>,
    pub message: String,
    pub fields: Vec<String>,
    pub retry_after_ms: Option<u64>,
    /// It may have taken effect.
    pub outcome_unknown: bool,
}

impl From<&ConnectorError> for Refusal {
    fn from(error: &ConnectorError) -> Self {
        Self {
            kind: error.kind,
            code: error.code.clone(),
            message: error.message.clone(),
            fields: error.fields.clone(),
            retry_after_ms: error
                .retry_after
                .map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX)),
            outcome_unknown: error.outcome_unknown,
        }
    }
}

/// What settling a batch did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    pub written: u64,
    pub failed: u64,
    pub retried: u64,
    /// Values that the system stored in another form than it was given.
    pub normalised: u64,
    /// Other streams that now have writes pending.
    pub owed: BTreeSet<(ConnectionId, String)>,
}

/// Settles a batch by the system's answers, row by row.
///
/// # Errors
/// [`SyncError`].
pub async fn settle(
    tx: &mut Tx,
    tables: &CoreTables,
    connection: ConnectionId,
    stream: &str,
    run: RunId,
    outcomes: Vec<(Outgoing, Outcome)>,
) -> Result<Settled, SyncError> {
    let plan = crate::store::plans::of_stream(tx, connection, stream).await?;
    let Some(entity) = plan.map(|plan| plan.entity) else {
        return Err(SyncError::NotEnabled {
            stream: stream.to_owned(),
        });
    };
    let around = Neighbourhood::of(tx, tables, &entity, Some((connection, stream))).await?;
    let stream = around.stream(connection, stream)?;
    let mut settled = Settled::default();
    let (mut stored, mut ended, mut again) = (Vec::new(), Vec::new(), Vec::new());
    for (outgoing, outcome) in outcomes {
        match outcome {
            Outcome::Stored { receipt } => {
                ended.push((outgoing.id, None));
                stored.push((outgoing, receipt));
            }
            Outcome::Refused(refusal) => match retry_at(tx.now(), &outgoing, &refusal) {
                Some(due_at) => again.push(Again {
                    id: outgoing.id,
                    due_at,
                    look_first: refusal.outcome_unknown,
                    error: Some(shown(&refusal)),
                }),
                None => ended.push((outgoing.id, Some(shown(&refusal)))),
            },
        }
    }
    settled.written = stored.len() as u64;
    settled.failed = ended.len() as u64 - settled.written;
    settled.retried = again.len() as u64;
    writes::finish(tx, &ended).await?;
    writes::requeue(tx, &again).await?;
    accept(tx, &around, stream, run, stored, &mut settled).await?;
    Ok(settled)
}

/// Puts a whole batch back that the system decided nothing about: it could not be reached, was
/// over its limits, or did not let us in. Later it is claimed anew, with the values of then.
///
/// # Errors
/// [`SyncError`].
pub async fn put_back(
    tx: &mut Tx,
    outgoing: &[Outgoing],
    refusal: &Refusal,
) -> Result<Settled, SyncError> {
    let again: Vec<Again> = outgoing
        .iter()
        .map(|outgoing| Again {
            id: outgoing.id,
            due_at: tx.now() + wait(outgoing.attempt, refusal),
            look_first: refusal.outcome_unknown,
            error: Some(shown(refusal)),
        })
        .collect();
    writes::requeue(tx, &again).await?;
    Ok(Settled {
        retried: again.len() as u64,
        ..Settled::default()
    })
}

fn shown(refusal: &Refusal) -> serde_json::Value {
    serde_json::json!({
        "kind": refusal.kind,
        "code": refusal.code,
        "message": refusal.message,
        "fields": refusal.fields,
    })
}

/// When a refused write is tried again; never where only a person can help.
fn retry_at(now: DateTime<Utc>, outgoing: &Outgoing, refusal: &Refusal) -> Option<DateTime<Utc>> {
    let can_help = match refusal.kind {
        ErrorKind::Transient | ErrorKind::RateLimited | ErrorKind::Conflict => true,
        ErrorKind::Auth
        | ErrorKind::Config
        | ErrorKind::Rejected
        | ErrorKind::Gone
        | ErrorKind::Unsupported => false,
    };
    if !can_help || outgoing.attempt >= MOST_ATTEMPTS {
        return None;
    }
    Some(now + wait(outgoing.attempt, refusal))
}

/// How long a write waits for its next attempt: as the system asks, else doubling from 5 s.
fn wait(attempt: i32, refusal: &Refusal) -> TimeDelta {
    let doubled = Duration::from_secs(5).saturating_mul(1 << (attempt - 1).clamp(0, 10));
    let asked = refusal
        .retry_after_ms
        .map_or(doubled, Duration::from_millis);
    TimeDelta::from_std(asked.min(LONGEST_WAIT)).unwrap_or(TimeDelta::minutes(15))
}

/// Takes receipts over: the link, the snapshot, the base, and the system's own form of a value.
async fn accept(
    tx: &mut Tx,
    around: &Neighbourhood,
    stream: &Stream,
    run: RunId,
    stored: Vec<(Outgoing, Receipt)>,
    settled: &mut Settled,
) -> Result<(), SyncError> {
    if stored.is_empty() {
        return Ok(());
    }
    let plan = &stream.plan;
    let (connection, name) = (plan.connection, plan.stream.as_str());
    let keys: Vec<String> = stored
        .iter()
        .map(|(_, receipt)| receipt.key.clone())
        .collect();
    let linked = records::by_keys(tx, connection, name, &keys).await?;
    let raws = records::raw(tx, connection, name, &keys).await?;
    let mut raws: HashMap<_, _> = raws.into_iter().map(|raw| (raw.key.clone(), raw)).collect();
    let ids: Vec<EntityId> = stored
        .iter()
        .map(|(outgoing, _)| outgoing.entity_id)
        .collect();
    let entities = around.kind.load(tx, &ids).await?;
    let mut entities: HashMap<_, _> = entities.into_iter().map(|row| (row.id, row)).collect();
    let (mut rows, mut removed, mut stamps) = (Vec::new(), Vec::new(), Vec::new());
    let mut effects = Effects::default();
    for (outgoing, receipt) in stored {
        if matches!(outgoing.write.op, WriteOp::Delete { .. }) {
            removed.push((
                receipt.key,
                serde_json::json!({ "how": { "kind": "deleted" } }),
            ));
            continue;
        }
        let Some(entity) = entities.get_mut(&outgoing.entity_id) else {
            continue;
        };
        let known = linked.get(&receipt.key);
        let mut record = raws
            .remove(&receipt.key)
            .unwrap_or_else(|| connector_sdk::Record {
                key: receipt.key.clone(),
                version: None,
                changed_at: None,
                fields: BTreeMap::new(),
            });
        let read_back = receipt.stored.as_ref();
        if let Some(read_back) = read_back {
            record.fields.extend(read_back.fields.clone());
            record.changed_at = read_back.changed_at.or(record.changed_at);
        }
        record.version = receipt.version.clone().or(record.version);
        if let Some(at) = record.changed_at {
            stamps.push((outgoing.id, at));
        }
        let mut base = known.map(|known| known.base.clone()).unwrap_or_default();
        let patch = read_back
            .map(|stored| plan.mapping.inbound(&around.catalogue, stored))
            .transpose()
            .map_err(|source| SyncError::Map {
                stream: plan.stream.clone(),
                source,
            })?;
        let merged = agree(stream, entity, &mut base, &outgoing.sent, patch.as_ref());
        if let Some(merged) = merged {
            settled.normalised += merged.changes.len() as u64;
            let by = By::Connection {
                connection,
                run,
                mapping_version: plan.mapping_version,
                changed_at: record.changed_at,
            };
            let log = Effects::change(entity, &stream.rules, &merged, tx.now(), by);
            let kind = around.kind.name;
            let entity_id = entity.id;
            effects.log(Change {
                entity: kind,
                entity_id,
                kind: "normalised",
                fields: log,
            });
            effects.touch(entity.clone(), changed(&merged));
            base = merged.base;
        }
        let (raw, content_hash) = records::snapshot(&record.fields)?;
        rows.push(Row {
            key: receipt.key,
            entity_id: outgoing.entity_id,
            raw,
            base,
            remote_version: record.version,
            remote_changed_at: record.changed_at,
            content_hash,
            unresolved: known.and_then(|known| known.unresolved.clone()),
            problems: None,
            link_method: "written",
        });
    }
    let actor = Actor {
        connection: Some(connection),
        run: Some(run),
        ..Actor::default()
    };
    let owed = effects
        .store(tx, around, Some((connection, name)), actor)
        .await?
        .owed;
    settled.owed.extend(owed);
    let place = Place {
        connection,
        stream: name,
        entity: around.kind.name,
    };
    records::save(tx, place, Some(run), plan.mapping_version, &rows).await?;
    if !removed.is_empty() {
        records::remove(tx, connection, name, Some(run), &removed).await?;
    }
    echoes::note_stamp(tx, &stamps).await?;
    Ok(())
}

/// Moves the base to what was sent and accepted. Where the system shows another form of a value
/// and the core has not moved on since, the system's form is merged in, so that both sides agree;
/// where the core has moved on, the system's form is the base that the next write starts from.
fn agree(
    stream: &Stream,
    entity: &Entity,
    base: &mut Values,
    sent: &Values,
    read_back: Option<&Patch>,
) -> Option<merge::Merged> {
    base.extend(sent.clone());
    let mut patch = read_back?.clone();
    patch.values.retain(|field, _| sent.contains_key(field));
    patch.references.clear();
    patch.failed.clear();
    let moved_on = |field: &str| {
        stream.rules.field(field).is_none_or(|rule| {
            let was = sent.get(field).unwrap_or(&connector_sdk::Value::Null);
            !same(&rule.field, &entity.value(field), was, rule.empty)
        })
    };
    let (later, now): (Values, Values) = patch
        .values
        .into_iter()
        .partition(|(field, _)| moved_on(field));
    base.extend(later);
    patch.values = now;
    let merged = merge::merge(&MergeInput {
        rules: &stream.rules,
        base: Some(base),
        core: Some(&entity.values),
        patch: &patch,
        context: &Context::default(),
    });
    (!merged.changes.is_empty()).then_some(merged)
}

/// The workflow that sends a stream's writes. Its code lives with the other workflows; the name is
/// here because whoever owes a write starts it in the same transaction.
pub const PUSH_WORKFLOW: &str = "push_writes";

/// Input of [`PUSH_WORKFLOW`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushInput {
    pub connection: ConnectionId,
    pub stream: String,
}

impl PushInput {
    /// Pushes of one stream run one at a time.
    pub fn key(&self) -> String {
        format!("push/{}/{}", self.connection, self.stream)
    }
}

/// Starts a push for each of these streams, unless one waits to begin and will see what this
/// transaction wrote.
///
/// # Errors
/// [`StoreError`].
pub async fn start_pushes(
    tx: &mut Tx,
    owed: &BTreeSet<(ConnectionId, String)>,
    trigger: &str,
) -> Result<(), StoreError> {
    for (connection, stream) in owed {
        let input = PushInput {
            connection: *connection,
            stream: stream.clone(),
        };
        let dedupe = Dedupe {
            key: input.key(),
            until: DedupeUntil::Begun,
        };
        start_push(tx, input, trigger, dedupe, None).await?;
    }
    Ok(())
}

/// Starts a push for when the next write of a stream is due, if it has one.
///
/// # Errors
/// [`StoreError`].
pub async fn start_push_when_due(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
) -> Result<(), StoreError> {
    let Some(due_at) = writes::next_due(tx, connection, stream).await? else {
        return Ok(());
    };
    let input = PushInput {
        connection,
        stream: stream.to_owned(),
    };
    if due_at <= tx.now() {
        let dedupe = Dedupe {
            key: input.key(),
            until: DedupeUntil::Begun,
        };
        return start_push(tx, input, "retry", dedupe, None).await;
    }
    // A key of its own: a push that is to begin later must not stand in for one that is due now.
    let dedupe = Dedupe {
        key: format!("{}/later", input.key()),
        until: DedupeUntil::Begun,
    };
    start_push(tx, input, "retry", dedupe, Some(due_at)).await
}

async fn start_push(
    tx: &mut Tx,
    input: PushInput,
    trigger: &str,
    dedupe: Dedupe,
    due_at: Option<DateTime<Utc>>,
) -> Result<(), StoreError> {
    let new = NewRun {
        workflow: PUSH_WORKFLOW.to_owned(),
        version: 1,
        input: serde_json::to_vec(&input).map_err(StoreError::Encode)?,
        parent_id: None,
        options: StartOptions {
            key: Some(input.key()),
            // An edit waits for nobody's backfill.
            priority: 10,
            due_at,
            dedupe: Some(dedupe),
            trigger: trigger.to_owned(),
            connection_id: Some(input.connection),
            stream: Some(input.stream),
        },
    };
    runs::start(tx, new).await?;
    Ok(())
}
