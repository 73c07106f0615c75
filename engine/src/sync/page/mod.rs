//! A page is a unit: all its records are mapped and merged in memory, then everything they cause
//! is stored together with the cursor, in a handful of set-based statements.

mod ahead;
mod batch;
mod crossed;
pub(crate) mod forgotten;
mod gone;
mod guard;
mod origin;
mod pass;
pub(super) mod turn;
mod waiting;
mod watch;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use connector_sdk::{Cursor, Gap, Tombstone};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};

pub(super) use self::ahead::named;
pub use self::ahead::{Changes, MappedWith};
use self::guard::Guard;
pub use self::guard::Ledger;
pub use self::origin::Origin;
pub(super) use self::pass::rewrite_counts;
use self::pass::{Incoming, Pass as Applying};
pub use self::waiting::{Waited, apply_waiting};
pub(super) use self::watch::{Looked, Watch};
use super::context::{Neighbourhood, Stream, SyncError};
use crate::entity::CoreTables;
use crate::ids::{ConnectionId, RunId};
use crate::store::Tx;
use crate::store::canaries::{self, Seen};
use crate::store::matches::{self, Held};
use crate::store::plans::{self, Pass, Pending, Phase};
use crate::store::records::{self, Linked};
use crate::store::{coverage, doubts, quotas};

/// A page to apply.
#[derive(Debug)]
pub struct Page {
    pub connection: ConnectionId,
    pub stream: String,
    pub run: RunId,
    pub changes: Changes,
    /// Where the stream stands once this page is applied; `None` leaves it where it is.
    pub cursor: Option<(Cursor, Phase)>,
    /// The pass that the page is part of, where the cursor moves.
    pub pass: Option<Pass>,
    pub origin: Origin,
}

/// What became of the records of a page, or of many.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub read: u64,
    pub created: u64,
    pub updated: u64,
    pub unchanged: u64,
    pub deleted: u64,
    pub conflicts: u64,
    /// Records of which at least one field could not be taken over.
    pub failed: u64,
    /// Records that are to stay out.
    pub excluded: u64,
    /// Changes beyond a cap: a person is asked.
    #[serde(default)]
    pub withheld: u64,
    /// Records of people who were forgotten.
    #[serde(default)]
    pub suppressed: u64,
    /// Records that were linked with entities which were here already.
    #[serde(default)]
    pub linked: u64,
    /// Records that wait for a person to say whose they are.
    #[serde(default)]
    pub held: u64,
}

impl Counts {
    /// Whether something may be here by now that others wait for.
    #[must_use]
    pub fn is_any_news(&self) -> bool {
        self.created + self.updated + self.linked > 0
    }

    pub fn add(&mut self, other: &Self) {
        self.read += other.read;
        self.created += other.created;
        self.updated += other.updated;
        self.unchanged += other.unchanged;
        self.deleted += other.deleted;
        self.conflicts += other.conflicts;
        self.failed += other.failed;
        self.excluded += other.excluded;
        self.withheld += other.withheld;
        self.suppressed += other.suppressed;
        self.linked += other.linked;
        self.held += other.held;
    }
}

/// What applying a page did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    pub counts: Counts,
    /// Streams that now have writes pending: somebody should push them.
    pub owed: BTreeSet<(ConnectionId, String)>,
    /// After the last page of a read: what is left of the whole connection.
    #[serde(default)]
    pub pending: Pending,
    /// After the last page of a pass: part of the stream's records should be compared again.
    #[serde(default)]
    pub is_sweep_due: bool,
    /// Records that the page may show as they were before a write of ours: noted as gaps, which
    /// somebody should close.
    #[serde(default)]
    pub in_doubt: u64,
    /// Where the page was applied within caps: what the run did by then.
    #[serde(default)]
    pub ledger: Ledger,
}

/// Applies a page, whatever it does. Repeating it changes nothing.
///
/// # Errors
/// [`SyncError`].
pub async fn apply(tx: &mut Tx, tables: &CoreTables, page: Page) -> Result<Applied, SyncError> {
    Ok(apply_as(tx, tables, page, How::default()).await?.0)
}

/// As [`apply`], but what the run would do beyond the stream's caps is withheld and asked for.
///
/// # Errors
/// [`SyncError`].
pub async fn apply_within(
    tx: &mut Tx,
    tables: &CoreTables,
    page: Page,
    ledger: Ledger,
) -> Result<Applied, SyncError> {
    let how = How {
        ledger: Some(ledger),
        ..How::default()
    };
    Ok(apply_as(tx, tables, page, how).await?.0)
}

/// [`apply_within`] that tells, where it is given a watch, what became of each record.
pub(super) async fn apply_watched(
    tx: &mut Tx,
    tables: &CoreTables,
    page: Page,
    ledger: Ledger,
    watch: Option<Watch>,
) -> Result<(Applied, Option<Watch>), SyncError> {
    let how = How {
        ledger: Some(ledger),
        watch,
    };
    apply_as(tx, tables, page, how).await
}

/// [`apply`] that tells what became of each record.
pub(super) async fn apply_told(
    tx: &mut Tx,
    tables: &CoreTables,
    page: Page,
    watch: Watch,
) -> Result<(Applied, Watch), SyncError> {
    let how = How {
        watch: Some(watch),
        ..How::default()
    };
    let (applied, watch) = apply_as(tx, tables, page, how).await?;
    Ok((applied, watch.unwrap_or_default()))
}

/// How a page is applied.
#[derive(Default)]
struct How {
    /// Within the caps of the stream, by what the run did so far.
    ledger: Option<Ledger>,
    watch: Option<Watch>,
}

async fn apply_as(
    tx: &mut Tx,
    tables: &CoreTables,
    mut page: Page,
    how: How,
) -> Result<(Applied, Option<Watch>), SyncError> {
    if page.changes.len() == 0 {
        let applied = Applied {
            ledger: how.ledger.unwrap_or_default(),
            ..Applied::default()
        };
        return Ok((advance(tx, &page, applied).await?, how.watch));
    }
    let plan = plans::of_stream(tx, page.connection, &page.stream).await?;
    let Some(plan) = plan else {
        return Err(SyncError::NotEnabled {
            stream: page.stream,
        });
    };
    let canary = canaries::running(tx, page.connection, &page.stream).await?;
    turn::take(tx, &plan, canary.as_ref(), &page.changes.keys()).await?;
    let needed = Some((page.connection, page.stream.as_str()));
    let around = Neighbourhood::of(tx, tables, &plan.entity, needed).await?;
    let Some(canary) = canary else {
        let (applied, watch) = apply_part(tx, around, &mut page, how).await?;
        return Ok((advance(tx, &page, applied).await?, watch));
    };
    let mut apart = Page {
        connection: page.connection,
        stream: page.stream.clone(),
        run: page.run,
        changes: page.changes.take_out(|key| canary.takes(key)),
        cursor: None,
        pass: None,
        origin: page.origin,
    };
    let is_within = how.ledger.is_some();
    let (mut applied, watch) = apply_part(tx, around, &mut page, how).await?;
    if apart.changes.len() > 0 {
        let place = (page.connection, page.stream.as_str());
        let around = Neighbourhood::with_canary(tx, tables, place, &canary).await?;
        let how = How {
            ledger: is_within.then_some(applied.ledger),
            watch: None,
        };
        let (part, _) = apply_part(tx, around, &mut apart, how).await?;
        canaries::note(tx, canary.id, seen(&part.counts)).await?;
        applied.counts.add(&part.counts);
        applied.owed.extend(part.owed);
        applied.in_doubt += part.in_doubt;
        if is_within {
            applied.ledger = part.ledger;
        }
    }
    Ok((advance(tx, &page, applied).await?, watch))
}

/// What a canary is judged by.
fn seen(counts: &Counts) -> Seen {
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    Seen {
        records: number(counts.read),
        failures: number(counts.failed),
        conflicts: number(counts.conflicts),
        near_misses: 0,
    }
}

/// Applies a page, or the part of it that one version of the mapping is in force for.
async fn apply_part(
    tx: &mut Tx,
    around: Neighbourhood,
    page: &mut Page,
    how: How,
) -> Result<(Applied, Option<Watch>), SyncError> {
    let ready = prepare(tx, around, page, how).await?;

    // While one batch is stored the next is merged.
    let now = tx.now();
    let (made, mut batches) = mpsc::channel(1);
    let Prepared {
        around,
        stream,
        pass,
        incoming,
        gone,
        guard,
        in_doubt,
        held,
        unlinked,
    } = ready;
    let (connection, name) = (page.connection, page.stream.as_str());
    let in_doubt = coverage::note(tx, connection, name, page.run, &in_doubt).await?;
    matches::gone(tx, connection, name, &unlinked).await?;
    doubts::note_removed(tx, connection, name, &unlinked).await?;
    let place = matches::Place {
        connection,
        stream: name,
        entity: around.kind.name,
        mapping_version: stream.plan.mark(),
    };
    matches::hold(tx, &place, page.run, &held).await?;
    let merging = spawn_blocking(move || pass.merge_all(incoming, gone, now, &made));
    let mut owed = BTreeSet::new();
    while let Some(batch) = batches.recv().await {
        owed.extend(batch?.store(tx, &around, &stream, page.run).await?);
    }
    let (counts, room, watch) = joined(merging).await;
    quotas::take_records(tx, i64::try_from(counts.created).unwrap_or(i64::MAX)).await?;
    let applied = Applied {
        counts,
        owed,
        pending: Pending::default(),
        is_sweep_due: false,
        in_doubt,
        ledger: guard.map(|guard| guard.ledger(room)).unwrap_or_default(),
    };
    Ok((applied, watch))
}

/// Works a page out as [`apply`] does and stores nothing. Rows are locked until the transaction
/// ends.
pub(super) async fn look(
    tx: &mut Tx,
    around: Neighbourhood,
    mut page: Page,
    watch: Watch,
) -> Result<Looked, SyncError> {
    let how = How {
        watch: Some(watch),
        ..How::default()
    };
    let plan = &around.stream(page.connection, &page.stream)?.plan;
    turn::take(tx, plan, None, &page.changes.keys()).await?;
    let ready = prepare(tx, around, &mut page, how).await?;
    let now = tx.now();
    let Prepared {
        around,
        pass,
        incoming,
        gone,
        ..
    } = ready;
    let looking = spawn_blocking(move || pass.look_all(incoming, gone, now));
    let (counts, watch, effects) = joined(looking).await;
    let source = Some((page.connection, page.stream.as_str()));
    let owed = effects.owed(tx, &around, source).await?;
    Ok(Looked {
        counts,
        watch,
        owed,
    })
}

/// A page with everything that is needed to merge it.
struct Prepared {
    around: Arc<Neighbourhood>,
    stream: Arc<Stream>,
    pass: Applying,
    incoming: Vec<Incoming>,
    gone: Vec<(Tombstone, Linked)>,
    guard: Option<Guard>,
    in_doubt: Vec<Gap>,
    /// Records that wait for a person, and keys of removed ones that may have waited.
    held: Vec<Held>,
    unlinked: Vec<String>,
}

/// Maps the records of a page and reads what they are merged with.
async fn prepare(
    tx: &mut Tx,
    around: Neighbourhood,
    page: &mut Page,
    how: How,
) -> Result<Prepared, SyncError> {
    let around = Arc::new(around);
    let stream = Arc::clone(around.stream(page.connection, &page.stream)?);
    let mut pass = Applying::new(
        Arc::clone(&around),
        Arc::clone(&stream),
        page.run,
        how.watch,
    );
    pass.origin = page.origin;
    pass.counts.read = page.changes.len() as u64;
    let changes = std::mem::replace(&mut page.changes, Vec::new().into());
    let changes = changes.for_these(&stream.plan.mapping, &around.catalogue)?;
    let (mut records, mut tombstones, questions) = crossed::newest(changes);
    pass.in_doubt = questions;
    let keys: Vec<String> = records
        .iter()
        .map(|item| item.key().to_owned())
        .chain(tombstones.iter().map(|tombstone| tombstone.key.clone()))
        .collect();
    let mut linked = if keys.is_empty() {
        HashMap::new()
    } else {
        records::by_keys(tx, page.connection, &page.stream, &keys).await?
    };
    let mut guard = match how.ledger {
        None => None,
        Some(ledger) => {
            let guard = Guard::new(tx, &stream, ledger, page.run, &keys).await?;
            let left_out = guard.leave_out(tx, &mut records, &mut tombstones).await?;
            pass.counts.withheld += left_out;
            Some(guard)
        }
    };
    let mut incoming = pass.map(records, &linked)?;
    let place = (page.connection, page.stream.as_str());
    pass.counts.suppressed +=
        forgotten::drop_forgotten(tx, &mut pass, place, &mut incoming).await?;
    let unlinked = tombstones
        .iter()
        .map(|tombstone| tombstone.key.clone())
        .filter(|key| !linked.contains_key(key))
        .collect();
    let mut gone: Vec<(Tombstone, Linked)> = tombstones
        .into_iter()
        .filter_map(|tombstone| {
            linked
                .remove(&tombstone.key)
                .map(|linked| (tombstone, linked))
        })
        .filter(|(_, linked)| !linked.is_removed())
        .collect();
    pass.leave_crossed(&mut gone);
    pass.seek(tx, &mut incoming).await?;
    pass.load(tx, &mut incoming, &gone).await?;
    pass.identify(tx, &mut incoming, &gone).await?;
    if let Some(guard) = &mut guard {
        let (withheld, room) = guard.withhold(tx, &pass, &mut incoming, &mut gone).await?;
        pass.counts.withheld += withheld;
        pass.room = room;
    }
    pass.resolve_references(tx, &mut incoming).await?;
    Ok(Prepared {
        around,
        stream,
        in_doubt: std::mem::take(&mut pass.in_doubt),
        held: std::mem::take(&mut pass.held),
        unlinked,
        pass,
        incoming,
        gone,
        guard,
    })
}

/// Moves the cursor over an applied page, where it comes with one.
async fn advance(tx: &mut Tx, page: &Page, mut applied: Applied) -> Result<Applied, SyncError> {
    let Some((cursor, phase)) = &page.cursor else {
        return Ok(applied);
    };
    let (connection, stream) = (page.connection, &page.stream);
    if applied.counts.read > 0 {
        plans::settle_in_turn(tx, connection).await?;
    }
    let moved = (*phase, page.pass);
    let advanced = plans::advance(tx, connection, stream, Some(cursor), moved, page.run).await?;
    let Some(advanced) = advanced else {
        return Err(SyncError::NotEnabled {
            stream: stream.clone(),
        });
    };
    applied.pending = advanced.pending;
    applied.is_sweep_due = advanced.is_sweep_due;
    Ok(applied)
}

/// What a blocking task returned; its panic goes on here.
async fn joined<T>(task: JoinHandle<T>) -> T {
    match task.await {
        Ok(value) => value,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is going down, and this task with it.
            Err(_cancelled) => std::future::pending().await,
        },
    }
}
