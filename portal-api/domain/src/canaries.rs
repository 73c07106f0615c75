//! Trying a version of a mapping on some records before it is put in force for all.

use engine::entity::CoreTables;
use engine::ids::{CanaryId, ConnectionId, PreviewId, PublicationId, RunId, UserId};
use engine::store::canaries::{self, Canary, Limits, NewCanary};
use engine::store::mappings::{self, MappingRow};
use engine::store::runs::{self, NewRun, StartOptions};
use engine::{StoreError, Tx};
use serde::{Deserialize, Serialize};

use crate::mappings::{Order, Refused, check_canary, publish};
use crate::pulls::PullInput;

/// Name of the workflow that applies a canary to the stored snapshots.
pub const CANARY_WORKFLOW: &str = "run_canary";

/// Most records that a canary names one by one.
pub const MOST_KEYS: usize = 1_000;

/// Its input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CanaryInput {
    pub canary: CanaryId,
    pub connection: ConnectionId,
    pub stream: String,
}

impl CanaryInput {
    /// A stream is read and mapped one run at a time.
    pub fn key(&self) -> String {
        PullInput {
            connection: self.connection,
            stream: self.stream.clone(),
            full: false,
        }
        .key()
    }
}

/// Which records, and how much is borne.
#[derive(Clone, Debug)]
pub struct Trial {
    pub version: i32,
    /// Percent of the records; `None` for a list.
    pub share: Option<i32>,
    pub keys: Vec<String>,
    pub limits: Limits,
    pub preview: Option<PreviewId>,
}

/// Begins trying a draft: it has to pass what publishing it asks for.
///
/// # Errors
/// [`Refused`]; nothing is to be committed then.
pub async fn start(
    tx: &mut Tx,
    tables: &CoreTables,
    mapping: &MappingRow,
    trial: &Trial,
    by: UserId,
) -> Result<Canary, Refused> {
    let order = Order {
        mapping,
        version: trial.version,
        preview: trial.preview,
        by,
    };
    check_canary(tx, tables, order).await?;
    let id = CanaryId::fresh();
    let input = CanaryInput {
        canary: id,
        connection: mapping.connection_id,
        stream: mapping.stream.clone(),
    };
    let run = start_run(tx, &input).await?;
    let new = NewCanary {
        id,
        mapping: mapping.id,
        connection: mapping.connection_id,
        stream: &mapping.stream,
        version: trial.version,
        share: trial.share,
        keys: &trial.keys,
        limits: trial.limits,
        preview: trial.preview,
        run,
        by,
    };
    canaries::insert(tx, &new).await?;
    tx.changed("mapping", mapping.id);
    Ok(canaries::get(tx, mapping.id, id).await?)
}

async fn start_run(tx: &mut Tx, input: &CanaryInput) -> Result<RunId, StoreError> {
    let options = StartOptions {
        key: Some(input.key()),
        trigger: "canary".to_owned(),
        connection_id: Some(input.connection),
        stream: Some(input.stream.clone()),
        ..StartOptions::default()
    };
    let new = NewRun::named(CANARY_WORKFLOW, input, options)?;
    Ok(runs::start(tx, new).await?.id())
}

/// Stops a canary: the version that is in force maps its records from now on. What it did is undone,
/// where that is wanted, by undoing its run.
///
/// # Errors
/// [`StoreError::NotFound`]; [`StoreError::Conflict`] for one that is over.
pub async fn stop(tx: &mut Tx, mapping: &MappingRow, id: CanaryId) -> Result<Canary, StoreError> {
    running(tx, mapping, id).await?;
    canaries::end(tx, mapping.id, None, "asked").await?;
    tx.changed("mapping", mapping.id);
    canaries::get(tx, mapping.id, id).await
}

async fn running(tx: &mut Tx, mapping: &MappingRow, id: CanaryId) -> Result<Canary, StoreError> {
    let canary = canaries::get(tx, mapping.id, id).await?;
    if canary.state == "running" {
        return Ok(canary);
    }
    Err(StoreError::Conflict(format!(
        "canary {id} is {} already",
        canary.state
    )))
}

/// Puts the version of a canary in force for all records.
///
/// # Errors
/// [`Refused`], as publishing does; [`StoreError::Conflict`] inside it for one that is over.
pub async fn promote(
    tx: &mut Tx,
    tables: &CoreTables,
    mapping: &MappingRow,
    id: CanaryId,
    read: i64,
    by: UserId,
) -> Result<PublicationId, Refused> {
    let canary = running(tx, mapping, id).await?;
    mappings::touch(tx, mapping.id, read).await?;
    // What was previewed is in force already for some; the rules asked for it when that began.
    let order = Order {
        mapping,
        version: canary.version,
        preview: None,
        by,
    };
    publish(tx, tables, order).await
}
