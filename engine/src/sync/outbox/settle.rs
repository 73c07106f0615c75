//! Settling: what became of the writes, row by row.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::TimeDelta;
use connector_sdk::{Receipt, WriteOp};
use serde::{Deserialize, Serialize};

use super::agree::{Agreed, Sent, agree};
use super::early;
use super::misses::Misses;
use super::overwritten::{self, Between};
use super::retry::{is_moved, retry_at, wait};
use super::{Outcome, Outgoing, Refusal};
use crate::catalogue::same;
use crate::entity::{CoreTables, Stored};
use crate::ids::{ConnectionId, EntityId, RunId};
use crate::mapping::Values;
use crate::provenance::By;
use crate::store::canaries::{self, Seen};
use crate::store::changes::{Actor, Change};
use crate::store::echoes::{self, Stamp};
use crate::store::records::{self, Place, Row};
use crate::store::writes::{self, Again};
use crate::store::{Tx, conflicts, failures};
use crate::sync::context::{Neighbourhood, Stream, SyncError};
use crate::sync::effects::{Effects, MOST_NEWS, changed, moved_on};

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
                    // A call that is made again after its worker died may find what it did itself.
                    in_doubt: refusal.outcome_unknown || is_moved(&refusal),
                    error: (!is_moved(&refusal)).then(|| shown(&refusal)),
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
    let mut parts = vec![stored];
    let canary = canaries::running(tx, connection, &stream.plan.stream).await?;
    if let Some(canary) = &canary {
        let stored = parts.swap_remove(0);
        let is_apart = |(_, receipt): &(Outgoing, Receipt)| canary.takes(&receipt.key);
        let (apart, rest) = stored.into_iter().partition(is_apart);
        parts = vec![rest, apart];
    }
    for (part, stored) in parts.into_iter().enumerate() {
        let canary = canary.as_ref().filter(|_| part == 1 && !stored.is_empty());
        let Some(canary) = canary else {
            accept_all(tx, &around, stream, run, stored, &mut settled).await?;
            continue;
        };
        let (place, before) = (
            (connection, stream.plan.stream.as_str()),
            settled.normalised,
        );
        let around = Neighbourhood::with_canary(tx, tables, place, canary).await?;
        let stream = around.stream(connection, place.1)?;
        accept_all(tx, &around, stream, run, stored, &mut settled).await?;
        let near_misses = i64::try_from(settled.normalised - before).unwrap_or(i64::MAX);
        let seen = Seen {
            near_misses,
            ..Seen::default()
        };
        canaries::note(tx, canary.id, seen).await?;
    }
    Ok(settled)
}

/// Takes receipts over, and what the writes went over.
async fn accept_all(
    tx: &mut Tx,
    around: &Neighbourhood,
    stream: &Stream,
    run: RunId,
    mut stored: Vec<(Outgoing, Receipt)>,
    settled: &mut Settled,
) -> Result<(), SyncError> {
    let between = stored
        .iter_mut()
        .filter(|(_, receipt): &&mut (Outgoing, Receipt)| !receipt.between.is_empty())
        .map(|(outgoing, receipt)| Between {
            entity_id: outgoing.entity_id,
            key: receipt.key.clone(),
            sent: outgoing.sent.clone(),
            before: outgoing.before.clone(),
            states: std::mem::take(&mut receipt.between),
        })
        .collect();
    accept(tx, around, stream, run, stored, settled).await?;
    let owed = overwritten::keep(tx, around, stream, run, between).await?;
    settled.owed.extend(owed);
    Ok(())
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
            in_doubt: refusal.outcome_unknown,
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
    let (mut made, mut unsettled, mut written) = (HashMap::new(), Vec::new(), BTreeSet::new());
    let mut misses = Misses::default();
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
            record.changed_at = read_back.changed_at.or(record.changed_at);
        }
        record.version = receipt.version.clone().or(record.version);
        // Where nothing was read back the write came after what was last seen before it.
        let stamp = read_back.and_then(|read_back| read_back.changed_at);
        let before = record.changed_at.map(|at| at + TimeDelta::microseconds(1));
        if let Some(at) = stamp.or(before) {
            stamps.push(Stamp {
                write: outgoing.id,
                at,
                unless_heard: stamp.is_none().then_some(outgoing.sent.len()),
            });
        }
        let mut base = known.map(|known| known.base.clone()).unwrap_or_default();
        let patch = read_back
            .map(|stored| plan.mapping.inbound(&around.catalogue, stored))
            .transpose()
            .map_err(|source| SyncError::Map {
                stream: plan.stream.clone(),
                source,
            })?;
        let is_create = matches!(outgoing.write.op, WriteOp::Create { .. });
        if is_create {
            made.insert(outgoing.entity_id, receipt.key.clone());
        } else {
            let groups = outgoing.sent.keys();
            let groups = groups.filter_map(|field| stream.rules.group_of(field));
            written.extend(groups.map(|group| (outgoing.entity_id, group.name.to_string())));
        }
        // Read since it was made, and not by this answer: what was agreed on then stands.
        let read_since =
            known.filter(|known| is_create && read_back.is_none() && !known.is_removed());
        let earlier: &[Values] = if is_create { &outgoing.earlier } else { &[] };
        if let Some(patch) = patch.as_ref().filter(|_| earlier.is_empty()) {
            misses.note(stream, &outgoing, patch);
        }
        let Agreed {
            merged,
            lost,
            put_back,
        } = agree(
            stream,
            entity,
            &mut base,
            Sent {
                now: &outgoing.sent,
                earlier,
                is_made_before: receipt.is_found && !earlier.is_empty(),
            },
            patch.as_ref(),
        );
        if let Some(known) = read_since {
            base.extend(known.base.clone());
        }
        effects.log(Change {
            entity: around.kind.name,
            entity_id: entity.id,
            kind: "kept",
            fields: lost,
        });
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
        if let WriteOp::Create { fields } | WriteOp::Update { fields, .. } = &outgoing.write.op {
            // What could not be agreed on is merged with the next read, though nothing may change by then.
            let said = patch.as_ref().map(|patch| &patch.values);
            let is_agreed = outgoing.sent.keys().all(|field| {
                let said = said.and_then(|said| said.get(field));
                let rule = stream.rules.field(field);
                said.zip(rule)
                    .zip(base.get(field))
                    .is_none_or(|((said, rule), agreed)| {
                        same(&rule.field, said, agreed, rule.empty)
                    })
            });
            if !is_agreed {
                unsettled.push(receipt.key.clone());
            }
            for (name, sent) in fields {
                let stored = read_back.and_then(|read_back| read_back.fields.get(name));
                let seen = stored.unwrap_or(sent);
                if read_since.is_some() {
                    record.fields.entry(name.clone()).or_insert(seen.clone());
                } else {
                    record.fields.insert(name.clone(), seen.clone());
                }
            }
        }
        // What changed here since it was claimed is owed, whoever changed it: to a record that was
        // being made nothing is, for want of a link, nor to the one that a change came from.
        let mut behind = moved_on(stream, entity, &base);
        behind.retain(|field| is_create || outgoing.sent.contains_key(field));
        behind.extend(put_back);
        if !behind.is_empty() {
            effects.owe(stream, around.kind.name, entity.id, behind);
        }
        let snapshot = records::snapshot(&record.fields)?;
        rows.push(Row {
            key: receipt.key,
            entity_id: outgoing.entity_id,
            snapshot,
            base,
            remote_version: record.version,
            remote_changed_at: record.changed_at,
            unresolved: known.and_then(|known| known.unresolved.clone()),
            problems: None,
            link_method: "written",
            is_asked: true,
            seen_at: None,
        });
    }
    // What the system holds by now is news, though nothing of the entity itself changed.
    if rows.len() <= MOST_NEWS {
        for row in &rows {
            tx.changed(around.kind.name, around.kind.shown(row.entity_id));
        }
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
    let written: Vec<_> = written.into_iter().collect();
    conflicts::went_over(tx, connection, name, &written).await?;
    let place = Place {
        connection,
        stream: name,
        entity: around.kind.name,
        mapping_version: plan.mark(),
        run: Some(run),
    };
    early::make_way(tx, (connection, name), run, &made).await?;
    if !rows.is_empty() {
        let save = records::save(place, Stored::Perhaps, tx.now(), &rows)?;
        save.execute(tx).await?;
    }
    if !unsettled.is_empty() {
        failures::remap(tx, connection, name, &unsettled).await?;
    }
    if !removed.is_empty() {
        records::remove(tx, connection, name, Some(run), &removed).await?;
    }
    let made: Vec<String> = made.into_values().collect();
    early::look_again(tx, (connection, name), run, &made).await?;
    echoes::note_stamp(tx, &stamps).await?;
    records::note_written(tx, connection, name, &keys).await?;
    misses.store(tx, place, &around.kind).await
}
