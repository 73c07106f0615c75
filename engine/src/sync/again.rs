//! Trying again what failed for one cause: records are mapped anew from their snapshots, writes become
//! due, a run goes on from the step that failed.
//!
//! Whether that helps the rows say: a class of failures closes when none of its things fails any more.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use connector_sdk::Change;
use serde::{Deserialize, Serialize};
use sqlx::types::Uuid;

use super::context::SyncError;
use super::page::{self, Origin, Page};
use crate::entity::CoreTables;
use crate::ids::{ConnectionId, EntityId, FailureClassId, RunId, UserId};
use crate::store::failures::{self, ClassRow, Source, Thing};
use crate::store::rewrites::{self, Frozen};
use crate::store::runs::{self, Dedupe, DedupeMode, DedupeUntil, NewRun, StartOptions};
use crate::store::{StoreError, Tx, records};

/// The workflow that tries a class again. Its code lives with the other workflows.
pub const RETRY_WORKFLOW: &str = "retry_failures";

/// Input of [`RETRY_WORKFLOW`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryInput {
    pub class: FailureClassId,
    pub connection: ConnectionId,
    pub stream: String,
    pub source: Source,
    /// What failed later is not meant.
    pub until: DateTime<Utc>,
    /// The most things that were agreed to.
    pub most: u64,
    /// On whose behalf.
    pub user: UserId,
    /// What failed, where it matters: the frozen field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// One thing of the class and no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<String>,
}

impl RetryInput {
    /// A class is tried again by one at a time.
    pub fn key(&self) -> String {
        match &self.only {
            None => format!("retry/{}", self.class),
            Some(thing) => format!("retry/{}/{thing}", self.class),
        }
    }
}

/// Part of a class, tried again.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Retried {
    /// Things that were tried again.
    pub done: u64,
    /// What applying the records did.
    pub counts: page::Counts,
    /// Where to go on; `None` when all was done.
    pub next: Option<String>,
    /// Streams that now have writes pending: somebody should push them.
    pub owed: BTreeSet<(ConnectionId, String)>,
}

/// Tries at most `limit` things again, from `after` on.
///
/// # Errors
/// [`SyncError`].
pub async fn apply(
    tx: &mut Tx,
    tables: &CoreTables,
    input: &RetryInput,
    run: RunId,
    after: &str,
    limit: u64,
) -> Result<Retried, SyncError> {
    let place = (input.connection, input.stream.as_str());
    let most = i64::try_from(limit).unwrap_or(i64::MAX);
    let things = match &input.only {
        None => failures::part(tx, input.class, place, input.until, after, most).await?,
        Some(thing) => vec![Thing {
            thing: thing.clone(),
            references: Vec::new(),
        }],
    };
    let is_full = input.only.is_none() && things.len() as u64 == limit;
    let mut retried = Retried {
        done: things.len() as u64,
        next: things
            .last()
            .filter(|_| is_full)
            .map(|last| last.thing.clone()),
        ..Retried::default()
    };
    match input.source {
        Source::Field => {
            let applied = map_again(tx, tables, place, run, things).await?;
            retried.counts = applied.counts;
            retried.owed = applied.owed;
        }
        Source::Write => {
            let writes: Vec<Uuid> = things
                .into_iter()
                .flat_map(|thing| thing.references)
                .collect();
            failures::write_again(tx, place, &writes).await?;
            retried
                .owed
                .insert((input.connection, input.stream.clone()));
        }
        Source::Breaker => {
            let field = input.about.as_deref().unwrap_or_default();
            let applied = release(tx, tables, place, run, field, things).await?;
            retried.counts = applied.counts;
            retried.owed = applied.owed;
        }
        // A mapping that answers it ends it, nothing else.
        Source::Schema => retried.done = 0,
        // A flow is as its newest run.
        Source::Run => {
            for thing in things {
                if let Some(newest) = thing.references.first() {
                    go_on(tx, RunId(*newest)).await?;
                }
            }
        }
    }
    Ok(retried)
}

/// Lets a frozen field go, and merges what the records held when they were last seen.
async fn release(
    tx: &mut Tx,
    tables: &CoreTables,
    (connection, stream): (ConnectionId, &str),
    run: RunId,
    field: &str,
    things: Vec<Thing>,
) -> Result<page::Applied, SyncError> {
    let entities: Vec<EntityId> = things
        .iter()
        .filter_map(|thing| Uuid::try_parse(&thing.thing).ok())
        .map(EntityId)
        .collect();
    let released = rewrites::release(tx, connection, stream, &entities, field).await?;
    let linked = records::by_entities(tx, connection, stream, &released).await?;
    let things = linked.into_values().map(|linked| Thing {
        thing: linked.key,
        references: Vec::new(),
    });
    map_again(tx, tables, (connection, stream), run, things.collect()).await
}

/// Applies records as if they had come again, with the mapping and the fields of now.
async fn map_again(
    tx: &mut Tx,
    tables: &CoreTables,
    (connection, stream): (ConnectionId, &str),
    run: RunId,
    things: Vec<Thing>,
) -> Result<page::Applied, SyncError> {
    let keys: Vec<String> = things.into_iter().map(|thing| thing.thing).collect();
    if keys.is_empty() {
        return Ok(page::Applied::default());
    }
    // Locked before they are read: a page that brings something newer ends first.
    records::by_keys(tx, connection, stream, &keys).await?;
    failures::remap(tx, connection, stream, &keys).await?;
    let records = records::raw(tx, connection, stream, &keys).await?;
    let changes: Vec<Change> = records.into_iter().map(Change::Upsert).collect();
    let page = Page {
        connection,
        stream: stream.to_owned(),
        run,
        changes: changes.into(),
        cursor: None,
        pass: None,
        origin: Origin::Hub,
    };
    page::apply(tx, tables, page).await
}

async fn go_on(tx: &mut Tx, run: RunId) -> Result<(), StoreError> {
    match runs::retry(tx, run).await {
        // Somebody was quicker, or its day was dropped: it fails no more.
        Err(StoreError::Conflict(_) | StoreError::NotFound(_)) => Ok(()),
        done => done,
    }
}

/// Starts trying a class again, unless that is under way; returns the run that does it.
///
/// # Errors
/// [`StoreError`].
pub async fn start(
    tx: &mut Tx,
    class: &ClassRow,
    most: u64,
    user: UserId,
) -> Result<RunId, StoreError> {
    let input = RetryInput {
        class: class.id,
        connection: class.connection,
        stream: class.stream.clone(),
        source: class.source,
        until: tx.now(),
        most,
        user,
        about: class.about.clone(),
        only: None,
    };
    begin(tx, input).await
}

/// Starts letting one frozen field go; returns the run that does it.
///
/// # Errors
/// [`StoreError`].
pub async fn start_release(
    tx: &mut Tx,
    frozen: &Frozen,
    user: UserId,
) -> Result<RunId, StoreError> {
    let input = RetryInput {
        class: frozen.class,
        connection: frozen.connection,
        stream: frozen.stream.clone(),
        source: Source::Breaker,
        until: tx.now(),
        most: 1,
        user,
        about: Some(frozen.field.clone()),
        only: Some(frozen.entity_id.0.to_string()),
    };
    begin(tx, input).await
}

async fn begin(tx: &mut Tx, input: RetryInput) -> Result<RunId, StoreError> {
    let options = StartOptions {
        key: Some(input.key()),
        priority: 10,
        dedupe: Some(Dedupe {
            key: input.key(),
            until: DedupeUntil::Ended,
            mode: DedupeMode::Existing,
        }),
        trigger: "retry".to_owned(),
        connection_id: Some(input.connection),
        stream: None,
        ..StartOptions::default()
    };
    let new = NewRun::named(RETRY_WORKFLOW, &input, options)?;
    Ok(runs::start(tx, new).await?.id())
}
