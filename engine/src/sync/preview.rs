//! What a version of a mapping would do to the stored snapshots of its stream ([`look`]), and the
//! same for good once it is in force ([`apply`]).
//!
//! Both give the snapshots to the pass that applies pages, and both add up what it tells of each
//! record. On the same snapshots and the same core the digests are therefore equal, whatever the
//! parts they were worked out in.

use std::collections::{BTreeMap, BTreeSet};

use connector_sdk::{Change, Record, Removal, Tombstone};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::context::{Neighbourhood, SyncError};
use super::page::{self, Counts, Ledger, Origin, Page, Watch};
use crate::entity::CoreTables;
use crate::ids::{ConnectionId, RunId};
use crate::outcomes::{Digest, Outcome, Owed, Part, Totals};
use crate::store::plans::Plan;
use crate::store::snapshots;
use crate::store::{StoreError, Tx};

/// A part with what becomes of each of its records.
#[derive(Clone, Debug, Default)]
pub struct Looked {
    pub part: Part,
    pub outcomes: Vec<Outcome>,
}

/// Says what a draft would do to the next `limit` snapshots by key from `after` on. Writes nothing;
/// the rows are locked until the transaction ends.
///
/// # Errors
/// [`SyncError`].
pub async fn look(
    tx: &mut Tx,
    tables: &CoreTables,
    draft: Plan,
    after: &str,
    limit: i64,
) -> Result<Looked, SyncError> {
    let records = snapshots::outdated(
        tx,
        draft.connection,
        &draft.stream,
        draft.mapping_version,
        after,
        limit,
    )
    .await?;
    let next = next(&records, limit);
    let changes = records.into_iter().map(Change::Upsert).collect();
    let mut looked = look_at(tx, tables, draft, changes).await?;
    looked.part.next = next;
    Ok(looked)
}

/// Says what a draft would do to records as the system has them now: `None` for one it has no more.
///
/// # Errors
/// [`SyncError`].
pub async fn look_live(
    tx: &mut Tx,
    tables: &CoreTables,
    draft: Plan,
    found: Vec<(String, Option<Record>)>,
) -> Result<Looked, SyncError> {
    let change = |(key, record): (String, Option<Record>)| match record {
        Some(record) => Change::Upsert(record),
        None => Change::Delete(Tombstone {
            key,
            removed_at: None,
            removal: Removal::Deleted,
        }),
    };
    let changes = found.into_iter().map(change).collect();
    look_at(tx, tables, draft, changes).await
}

async fn look_at(
    tx: &mut Tx,
    tables: &CoreTables,
    draft: Plan,
    changes: Vec<Change>,
) -> Result<Looked, SyncError> {
    if changes.is_empty() {
        return Ok(Looked::default());
    }
    let page = page_of(draft.connection, &draft.stream, RunId::fresh(), changes);
    let around = Neighbourhood::with_draft(tx, tables, draft).await?;
    let looked = page::look(tx, around, page, Watch::default()).await?;
    let owed = looked
        .owed
        .into_iter()
        .map(|((connection, stream), writes)| Owed {
            connection,
            stream,
            writes,
        });
    Ok(Looked {
        part: Part {
            totals: totals(&looked.counts, &looked.watch.outcomes, owed.collect()),
            digest: digest(&looked.watch.outcomes)?,
            next: None,
        },
        outcomes: looked.watch.outcomes,
    })
}

/// What applying a part did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    pub part: Part,
    /// Changes beyond a cap: a person is asked.
    pub withheld: u64,
    /// What the run did so far of what is capped.
    pub ledger: Ledger,
    /// Streams that now have writes pending.
    pub owed: BTreeSet<(ConnectionId, String)>,
}

/// Applies the mapping in force to the next `limit` snapshots that an older version mapped last, by
/// key from `after` on. Repeating it changes nothing.
///
/// # Errors
/// [`SyncError`].
pub async fn apply(
    tx: &mut Tx,
    tables: &CoreTables,
    plan: &Plan,
    run: RunId,
    after: &str,
    limit: i64,
    ledger: Ledger,
) -> Result<Applied, SyncError> {
    let (connection, stream) = (plan.connection, plan.stream.as_str());
    let version = plan.mapping_version;
    let records = snapshots::outdated(tx, connection, stream, version, after, limit).await?;
    let next = next(&records, limit);
    let changes: Vec<Change> = records.into_iter().map(Change::Upsert).collect();
    if changes.is_empty() {
        return Ok(Applied {
            ledger,
            ..Applied::default()
        });
    }
    let page = page_of(connection, stream, run, changes);
    let watch = Some(Watch::default());
    let (applied, watch) = page::apply_watched(tx, tables, page, ledger, watch).await?;
    let outcomes = watch.unwrap_or_default().outcomes;
    Ok(Applied {
        part: Part {
            totals: totals(&applied.counts, &outcomes, Vec::new()),
            digest: digest(&outcomes)?,
            next,
        },
        withheld: applied.counts.withheld,
        ledger: applied.ledger,
        owed: applied.owed,
    })
}

fn totals(counts: &Counts, outcomes: &[Outcome], owed: Vec<Owed>) -> Totals {
    let mut totals = Totals {
        read: counts.read,
        deletes: counts.deleted,
        excluded: counts.excluded,
        conflicts: counts.conflicts,
        failed: counts.failed,
        owed,
        ..Totals::default()
    };
    for outcome in outcomes {
        totals.note(outcome);
    }
    // Records that are known by this very mapping are not looked at closer.
    let told = totals.creates + totals.updates + totals.deletes + totals.excluded + totals.holds;
    totals.unchanged = totals.read.saturating_sub(told);
    totals
}

fn digest(outcomes: &[Outcome]) -> Result<Digest, StoreError> {
    Digest::of(outcomes).map_err(StoreError::Encode)
}

/// A value's JSON, hashed.
fn hash(value: &impl Serialize) -> Result<String, StoreError> {
    let json = serde_json::to_vec(value).map_err(StoreError::Encode)?;
    let digest = Sha256::digest(&json);
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn page_of(connection: ConnectionId, stream: &str, run: RunId, changes: Vec<Change>) -> Page {
    Page {
        connection,
        stream: stream.to_owned(),
        run,
        changes: changes.into(),
        cursor: None,
        pass: None,
        origin: Origin::Hub,
    }
}

fn next(records: &[Record], limit: i64) -> Option<String> {
    let is_full = i64::try_from(records.len()).is_ok_and(|read| read >= limit);
    records
        .last()
        .filter(|_| is_full)
        .map(|record| record.key.clone())
}

/// What a preview depends on beside the text, the snapshots and the core: the fields there are, and
/// the versions of the other mappings of the same kind.
///
/// # Errors
/// [`SyncError`].
pub async fn around(
    tx: &mut Tx,
    tables: &CoreTables,
    draft: Plan,
) -> Result<BTreeMap<String, String>, SyncError> {
    let (connection, stream) = (draft.connection, draft.stream.clone());
    let around = Neighbourhood::with_draft(tx, tables, draft).await?;
    let mut facts: BTreeMap<String, String> = around
        .streams
        .iter()
        .filter(|other| !other.is(connection, &stream))
        .map(|other| {
            let plan = &other.plan;
            let name = format!("{}/{}", plan.connection, plan.stream);
            (name, plan.mapping_version.to_string())
        })
        .collect();
    let fields = hash(&around.catalogue)?;
    facts.insert("fields".to_owned(), fields);
    let description = around.stream(connection, &stream)?;
    let description = hash(&description.plan.description)?;
    facts.insert("stream".to_owned(), description);
    Ok(facts)
}
