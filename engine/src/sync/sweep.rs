//! Comparing records that were read directly, or listed in full, with what the hub knows of them; and
//! what follows from records that are not there.
//!
//! What differs is mended by the pass that applies pages. Of a write that the system did not keep the
//! base goes back to what the system held before it, so that the same merge owes it again.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use connector_sdk::{Change, Fields, Gap, GapReason, Record, Removal, Tombstone};
use serde::{Deserialize, Serialize};

use super::context::{Neighbourhood, Stream, SyncError};
use super::page::{self, Applied, Ledger, Origin, Page};
use crate::entity::CoreTables;
use crate::ids::{ConnectionId, EntityId, RunId};
use crate::mapping::Patch;
use crate::reconcile::{self, Cause, Sent, Sides};
use crate::store::records::{self, Linked};
use crate::store::runs::{self, Dedupe, DedupeMode, DedupeUntil, NewRun, StartOptions};
use crate::store::sweeps::{self, NewDifference};
use crate::store::{StoreError, Tx, canaries, coverage, echoes, failures, plans};

/// The workflow that compares. Its code lives with the other workflows.
pub const SWEEP_WORKFLOW: &str = "sweep_stream";

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// The next part of the records, by key: each is come to within the time that was set.
    Part,
    /// What the open gaps of the feed may have hidden.
    Gaps,
    /// Everything: a listing from its beginning to its end, and what it does not bring.
    All,
}

impl What {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Part => "part",
            Self::Gaps => "gaps",
            Self::All => "all",
        }
    }
}

/// Input of [`SWEEP_WORKFLOW`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweepInput {
    pub connection: ConnectionId,
    pub stream: String,
    pub what: What,
}

impl SweepInput {
    /// A stream is compared by one sweep at a time; reads go on beside it.
    pub fn key(&self) -> String {
        format!("sweep/{}/{}", self.connection, self.stream)
    }
}

/// Starts a sweep after all other work; one that waits to begin is taken instead.
///
/// # Errors
/// [`StoreError`].
pub async fn start(tx: &mut Tx, input: SweepInput, trigger: &str) -> Result<RunId, StoreError> {
    if input.what == What::Part {
        // Whoever reads the stream next does not start another.
        let next = tx.now() + chrono::TimeDelta::hours(1);
        sweeps::due(tx, input.connection, &input.stream, next).await?;
    }
    let key = input.key();
    let options = StartOptions {
        dedupe: Some(Dedupe {
            key: format!("{key}/{}", input.what.as_str()),
            until: DedupeUntil::Begun,
            mode: DedupeMode::Existing,
        }),
        key: Some(key),
        priority: -10,
        trigger: trigger.to_owned(),
        connection_id: Some(input.connection),
        stream: Some(input.stream.clone()),
        ..StartOptions::default()
    };
    let new = NewRun::named(SWEEP_WORKFLOW, &input, options)?;
    Ok(runs::start(tx, new).await?.id())
}

/// The question how records are by now.
pub(super) fn question(keys: Vec<String>, from: Option<DateTime<Utc>>) -> Gap {
    Gap {
        reason: GapReason::Gap,
        from,
        to: None,
        keys,
    }
}

/// Has records asked for by their keys.
///
/// # Errors
/// [`StoreError`].
pub(super) async fn ask_for(
    tx: &mut Tx,
    (connection, stream): (ConnectionId, &str),
    run: RunId,
    keys: Vec<String>,
    trigger: &str,
) -> Result<(), StoreError> {
    if keys.is_empty() {
        return Ok(());
    }
    coverage::note(tx, connection, stream, run, &[question(keys, None)]).await?;
    let input = SweepInput {
        connection,
        stream: stream.to_owned(),
        what: What::Gaps,
    };
    start(tx, input, trigger).await?;
    Ok(())
}

/// Records to compare.
#[derive(Debug)]
pub struct Found {
    pub connection: ConnectionId,
    pub stream: String,
    pub run: RunId,
    pub changes: Vec<Change>,
    /// A listing, or the records themselves.
    pub origin: Origin,
}

/// What comparing came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compared {
    pub checked: u64,
    pub differing: BTreeMap<Cause, u64>,
    pub applied: Applied,
}

/// Compares records with what was last seen of them, notes what differs and why, and mends it by the
/// ordinary merge, within the caps of the stream.
///
/// # Errors
/// [`SyncError`].
pub async fn compare(
    tx: &mut Tx,
    tables: &CoreTables,
    mut found: Found,
    ledger: Ledger,
) -> Result<Compared, SyncError> {
    let mut compared = Compared {
        checked: found.changes.len() as u64,
        applied: Applied {
            ledger,
            ..Applied::default()
        },
        ..Compared::default()
    };
    if found.changes.is_empty() {
        return Ok(compared);
    }
    let (connection, name) = (found.connection, found.stream.clone());
    let plan = plans::of_stream(tx, connection, &name).await?;
    let Some(entity) = plan.map(|plan| plan.entity) else {
        return Err(SyncError::NotEnabled { stream: name });
    };
    let around = Neighbourhood::of(tx, tables, &entity, Some((connection, &name))).await?;
    let stream = around.stream(connection, &name)?;
    let keys: Vec<String> = found
        .changes
        .iter()
        .map(|one| one.key().to_owned())
        .collect();
    let canary = canaries::running(tx, connection, &name).await?;
    page::turn::take(tx, &stream.plan, canary.as_ref(), &keys).await?;
    let known = Known::of(tx, stream, &keys).await?;
    let mut differences = Vec::new();
    let mut again = Vec::new();
    let mut differing = Vec::new();
    for change in std::mem::take(&mut found.changes) {
        let judged = known.judge(&around, stream, &change)?;
        match judged {
            Judged::Same => continue,
            Judged::New => {
                *compared.differing.entry(Cause::MissedChange).or_default() += 1;
            }
            Judged::Differs(difference) => {
                if difference.cause == Cause::LostWrite {
                    let key = change.key();
                    let sent = known.written(key);
                    let before = reconcile::before_lost(sent, &difference.fields);
                    records::agree(tx, connection, &name, key, &before).await?;
                    if let Some(linked) = known.linked.get(key) {
                        let fields = &difference.fields;
                        echoes::forget(tx, connection, linked.entity_id, fields).await?;
                    }
                    again.push(key.to_owned());
                }
                *compared.differing.entry(difference.cause).or_default() += 1;
                if let Some(linked) = known.linked.get(change.key()) {
                    differences.push(NewDifference {
                        key: change.key().to_owned(),
                        entity: around.kind.name,
                        entity_id: linked.entity_id,
                        cause: difference.cause,
                        fields: difference.fields,
                    });
                }
            }
        }
        differing.push(change);
    }
    sweeps::differ(tx, connection, &name, found.run, &differences).await?;
    if !again.is_empty() {
        // Nothing of them changed, and they are to be merged all the same.
        failures::remap(tx, connection, &name, &again).await?;
    }
    let page = Page {
        connection,
        stream: name,
        run: found.run,
        changes: differing.into(),
        cursor: None,
        pass: None,
        origin: found.origin,
    };
    compared.applied = page::apply_within(tx, tables, page, ledger).await?;
    Ok(compared)
}

/// What the hub knows of the records of a part.
struct Known {
    linked: HashMap<String, Linked>,
    raw: HashMap<String, Record>,
    written: BTreeMap<EntityId, (Vec<Sent>, bool)>,
    covered_to: Option<DateTime<Utc>>,
}

enum Judged {
    Same,
    /// The hub does not know it, or takes it for removed.
    New,
    Differs(reconcile::Difference),
}

impl Known {
    async fn of(tx: &mut Tx, stream: &Stream, keys: &[String]) -> Result<Self, StoreError> {
        let (connection, name) = (stream.plan.connection, stream.plan.stream.as_str());
        let linked = records::by_keys(tx, connection, name, keys).await?;
        let raw = records::raw(tx, connection, name, keys).await?;
        let entities: Vec<EntityId> = linked.values().map(|one| one.entity_id).collect();
        let written = sweeps::written(tx, connection, name, &entities).await?;
        Ok(Self {
            linked,
            raw: raw.into_iter().map(|one| (one.key.clone(), one)).collect(),
            written,
            covered_to: coverage::covered_to(tx, connection, name).await?,
        })
    }

    fn written(&self, key: &str) -> &[Sent] {
        let entity = self.linked.get(key).map(|linked| linked.entity_id);
        let written = entity.and_then(|entity| self.written.get(&entity));
        written.map_or(&[], |(sent, _)| sent.as_slice())
    }

    fn judge(
        &self,
        around: &Neighbourhood,
        stream: &Stream,
        change: &Change,
    ) -> Result<Judged, SyncError> {
        let linked = self.linked.get(change.key());
        let record = match change {
            Change::Upsert(record) => record,
            // Told by the system itself, while it was listed.
            Change::Delete(_) => {
                let is_known = linked.is_some_and(|linked| !linked.is_removed());
                let missed = reconcile::Difference {
                    cause: Cause::MissedChange,
                    fields: Vec::new(),
                };
                return Ok(if is_known {
                    Judged::Differs(missed)
                } else {
                    Judged::Same
                });
            }
        };
        let Some(linked) = linked.filter(|linked| !linked.is_removed()) else {
            return Ok(if linked.is_some_and(|linked| linked.kept_out) {
                Judged::Same
            } else {
                Judged::New
            });
        };
        let Some(seen) = self.raw.get(change.key()) else {
            return Ok(Judged::New);
        };
        let is_older = record
            .changed_at
            .zip(linked.remote_changed_at)
            .is_some_and(|(this, seen)| this < seen);
        if is_older {
            return Ok(Judged::Same);
        }
        let map = |record: &Record| -> Result<Patch, SyncError> {
            let mapping = &stream.plan.mapping;
            let patch = mapping.inbound(&around.catalogue, record);
            patch.map_err(|source| SyncError::Map {
                stream: stream.plan.stream.clone(),
                source,
            })
        };
        let (before, now) = (map(seen)?, map(record)?);
        let stored = clean(&record.fields);
        let (written, is_owed) = match self.written.get(&linked.entity_id) {
            Some((sent, is_owed)) => (sent.as_slice(), *is_owed),
            None => (&[][..], false),
        };
        let difference = reconcile::classify(&Sides {
            rules: &stream.rules,
            seen: (&seen.fields, &before),
            found: (&stored, &now),
            base: &linked.base,
            written,
            is_owed,
            covered_to: self.covered_to,
        });
        Ok(difference.map_or(Judged::Same, Judged::Differs))
    }
}

/// The fields as a snapshot of them would read.
fn clean(fields: &Fields) -> Fields {
    let read = records::snapshot(fields).ok();
    let read = read.and_then(|snapshot| serde_json::from_str(&snapshot.raw).ok());
    read.unwrap_or_else(|| fields.clone())
}

/// Removes records that two looks did not find, as their systems would have said it: within the caps,
/// beyond which a person is asked. `all` is how many there are in this sweep: the first part of
/// many is not below a cap that all of them are beyond.
///
/// # Errors
/// [`SyncError`].
pub async fn remove(
    tx: &mut Tx,
    tables: &CoreTables,
    (connection, stream): (ConnectionId, &str),
    run: RunId,
    keys: Vec<String>,
    ledger: Ledger,
    all: u64,
) -> Result<Compared, SyncError> {
    let plan = plans::of_stream(tx, connection, stream).await?;
    let Some(plan) = plan else {
        let stream = stream.to_owned();
        return Err(SyncError::NotEnabled { stream });
    };
    let kind = tables.kind(&plan.entity)?;
    let linked = records::by_keys(tx, connection, stream, &keys).await?;
    let mut differences = Vec::with_capacity(keys.len());
    let mut changes = Vec::with_capacity(keys.len());
    for key in keys {
        let Some(known) = linked.get(&key).filter(|known| !known.is_removed()) else {
            continue;
        };
        differences.push(NewDifference {
            key: key.clone(),
            entity: kind.name,
            entity_id: known.entity_id,
            cause: Cause::Missing,
            fields: Vec::new(),
        });
        changes.push(Change::Delete(Tombstone {
            key,
            removed_at: None,
            removal: Removal::Deleted,
        }));
    }
    sweeps::differ(tx, connection, stream, run, &differences).await?;
    let missing = differences.len() as u64;
    let page = Page {
        connection,
        stream: stream.to_owned(),
        run,
        changes: changes.into(),
        cursor: None,
        pass: None,
        origin: Origin::Hub,
    };
    let applied = page::apply_within(tx, tables, page, ledger.expecting(all)).await?;
    let differing = if missing > 0 {
        BTreeMap::from([(Cause::Missing, missing)])
    } else {
        BTreeMap::new()
    };
    Ok(Compared {
        checked: 0,
        differing,
        applied,
    })
}
