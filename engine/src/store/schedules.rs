//! Schedules: what runs by time.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value as Json;
use uuid::Uuid;

use super::runs::{
    self, Dedupe, DedupeMode, DedupeUntil, NewRun, RunState, StartOptions, version_to_db,
};
use super::{StoreError, SystemTx, Tx};
use crate::ids::{ConnectionId, RunId, ScheduleId, TenantId};
use crate::runtime::cron::{self, CronError};

/// A firing this late has been missed: the process was down.
const MISSED: Duration = Duration::from_secs(60);

/// Why a schedule cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum ScheduleError {
    #[error(transparent)]
    Cron(#[from] CronError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for ScheduleError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// What happens at a firing while the last run has not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    Skip,
    Queue,
}

/// What happens after a time in which nothing could fire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CatchUp {
    /// The next firing is the next one.
    None,
    /// One run for all that was missed.
    One,
}

/// What a person decides about a schedule.
#[derive(Clone, Debug, PartialEq)]
pub struct ScheduleSpec {
    pub name: String,
    pub workflow: String,
    pub workflow_version: u16,
    pub input: Json,
    /// The key of its runs; without one the workflow's own.
    pub key: Option<String>,
    pub connection_id: Option<ConnectionId>,
    pub stream: Option<String>,
    /// Five fields.
    pub cron: String,
    /// IANA name.
    pub time_zone: String,
    pub overlap: Overlap,
    pub catch_up: CatchUp,
    pub paused: bool,
}

/// A schedule as stored.
#[derive(Clone, Debug)]
pub struct Schedule {
    pub id: ScheduleId,
    pub spec: ScheduleSpec,
    pub next_at: Option<DateTime<Utc>>,
    /// When it last started a run.
    pub last_at: Option<DateTime<Utc>>,
    pub last_run_id: Option<RunId>,
    /// Grows with every edit.
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// All schedules of the tenant, by name.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn list(tx: &mut Tx) -> Result<Vec<Schedule>, StoreError> {
    let rows = sqlx::query_as!(
        Raw,
        r#"
        select id, name, workflow, workflow_version, input, key, connection_id, stream, cron,
               time_zone, overlap, catch_up, paused, next_at, last_at, last_run_id, version,
               created_at, updated_at
        from schedules
        order by name, id
        "#
    )
    .fetch_all(tx.conn())
    .await?;
    rows.into_iter().map(Schedule::try_from).collect()
}

/// # Errors
/// [`StoreError::NotFound`].
pub async fn get(tx: &mut Tx, id: ScheduleId) -> Result<Schedule, StoreError> {
    sqlx::query_as!(
        Raw,
        r#"
        select id, name, workflow, workflow_version, input, key, connection_id, stream, cron,
               time_zone, overlap, catch_up, paused, next_at, last_at, last_run_id, version,
               created_at, updated_at
        from schedules
        where id = $1
        "#,
        id.0
    )
    .fetch_optional(tx.conn())
    .await?
    .ok_or_else(|| not_found(id))?
    .try_into()
}

/// # Errors
/// [`ScheduleError::Cron`] for an expression or a zone that is not valid.
pub async fn insert(tx: &mut Tx, spec: &ScheduleSpec) -> Result<ScheduleId, ScheduleError> {
    let now = tx.now();
    let next_at = cron::next(&spec.cron, &spec.time_zone, now)?;
    let id = ScheduleId::fresh();
    sqlx::query!(
        r#"
        insert into schedules
            (id, name, workflow, workflow_version, input, key, connection_id, stream, cron,
             time_zone, overlap, catch_up, paused, next_at, created_at, updated_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $15)
        "#,
        id.0,
        spec.name,
        spec.workflow,
        version_to_db(spec.workflow_version)?,
        spec.input,
        spec.key,
        spec.connection_id.map(|id| id.0),
        spec.stream,
        spec.cron,
        spec.time_zone,
        overlap_to_db(spec.overlap),
        catch_up_to_db(spec.catch_up),
        spec.paused,
        next_at,
        now,
    )
    .execute(tx.conn())
    .await?;
    tx.changed("schedule", id);
    Ok(id)
}

/// Replaces what a person decides; the next firing is computed anew.
///
/// # Errors
/// [`ScheduleError::Cron`]; [`StoreError::NotFound`]; [`StoreError::Stale`] when its version is not
/// `expected`.
pub async fn update(
    tx: &mut Tx,
    id: ScheduleId,
    expected: i64,
    spec: &ScheduleSpec,
) -> Result<(), ScheduleError> {
    let now = tx.now();
    let next_at = cron::next(&spec.cron, &spec.time_zone, now)?;
    let updated = sqlx::query!(
        r#"
        update schedules
        set name = $3, workflow = $4, workflow_version = $5, input = $6, key = $7,
            connection_id = $8, stream = $9, cron = $10, time_zone = $11, overlap = $12,
            catch_up = $13, paused = $14, next_at = $15, updated_at = $16, version = version + 1
        where id = $1 and version = $2
        "#,
        id.0,
        expected,
        spec.name,
        spec.workflow,
        version_to_db(spec.workflow_version)?,
        spec.input,
        spec.key,
        spec.connection_id.map(|id| id.0),
        spec.stream,
        spec.cron,
        spec.time_zone,
        overlap_to_db(spec.overlap),
        catch_up_to_db(spec.catch_up),
        spec.paused,
        next_at,
        now,
    )
    .execute(tx.conn())
    .await?;
    if updated.rows_affected() == 0 {
        get(tx, id).await?;
        return Err(StoreError::Stale(format!("schedule {id}")).into());
    }
    tx.changed("schedule", id);
    Ok(())
}

/// # Errors
/// [`StoreError::NotFound`].
pub async fn delete(tx: &mut Tx, id: ScheduleId) -> Result<(), StoreError> {
    let deleted = sqlx::query!("delete from schedules where id = $1", id.0)
        .execute(tx.conn())
        .await?;
    if deleted.rows_affected() == 0 {
        return Err(not_found(id));
    }
    tx.changed("schedule", id);
    Ok(())
}

/// Starts a run of it at once, also while it is paused; the next firing stays.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn run_now(tx: &mut Tx, id: ScheduleId) -> Result<RunId, StoreError> {
    let schedule = get(tx, id).await?;
    let new = schedule.new_run("manual", schedule.spec.workflow_version, None)?;
    let run = runs::start(tx, new).await?.id();
    started(tx, id, run, schedule.spec.workflow_version).await?;
    Ok(run)
}

/// A schedule whose time has come.
pub(crate) struct Due {
    pub(crate) tenant: TenantId,
    pub(crate) id: ScheduleId,
    pub(crate) workflow: String,
}

/// Schedules to [`fire`], of these workflows.
pub(crate) async fn due(tx: &mut SystemTx, workflows: &[String]) -> Result<Vec<Due>, StoreError> {
    let now = tx.now();
    let rows = sqlx::query!(
        r#"
        select tenant_id, id, workflow
        from schedules
        where not paused and next_at <= $1 and workflow = any($2)
        order by next_at
        limit 200
        "#,
        now,
        workflows,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Due {
            tenant: TenantId(row.tenant_id),
            id: ScheduleId(row.id),
            workflow: row.workflow,
        })
        .collect())
}

/// Fires a schedule if it is still due and no other process is firing it: the lock on its row, the
/// run and the next time commit together, so that each nominal time fires once. `key` is the
/// workflow's own for an input.
///
/// # Errors
/// [`ScheduleError::Cron`] when the stored expression or zone is no longer valid.
pub(crate) async fn fire(
    tx: &mut Tx,
    id: ScheduleId,
    version: u16,
    key: impl Fn(&[u8]) -> Result<Option<String>, StoreError>,
) -> Result<Option<RunId>, ScheduleError> {
    let now = tx.now();
    let row = sqlx::query_as!(
        Raw,
        r#"
        select id, name, workflow, workflow_version, input, key, connection_id, stream, cron,
               time_zone, overlap, catch_up, paused, next_at, last_at, last_run_id, version,
               created_at, updated_at
        from schedules
        where id = $1 and not paused and next_at <= $2
        for update skip locked
        "#,
        id.0,
        now,
    )
    .fetch_optional(tx.conn())
    .await?;
    let Some(schedule) = row.map(Schedule::try_from).transpose()? else {
        return Ok(None);
    };
    let nominal = schedule.next_at.unwrap_or(now);
    let next_at = cron::next(&schedule.spec.cron, &schedule.spec.time_zone, now)?;
    sqlx::query!(
        "update schedules set next_at = $2 where id = $1",
        id.0,
        next_at
    )
    .execute(tx.conn())
    .await?;
    tx.changed("schedule", id);
    let missed = (now - nominal).to_std().is_ok_and(|late| late > MISSED);
    if missed && schedule.spec.catch_up == CatchUp::None {
        return Ok(None);
    }
    if schedule.spec.overlap == Overlap::Skip && last_is_open(tx, &schedule).await? {
        return Ok(None);
    }
    let mut new = schedule.new_run("schedule", version, Some(nominal))?;
    if schedule.spec.key.is_none() {
        // Input that does not decode has no key; its run is parked and says so.
        new.options.key = key(&new.input).ok().flatten().or(new.options.key);
    }
    let run = runs::start(tx, new).await?.id();
    started(tx, id, run, version).await?;
    Ok(Some(run))
}

/// Pauses a schedule that cannot be computed any more.
pub(crate) async fn pause_broken(tx: &mut Tx, id: ScheduleId) -> Result<(), StoreError> {
    sqlx::query!(
        "update schedules set paused = true, version = version + 1 where id = $1",
        id.0
    )
    .execute(tx.conn())
    .await?;
    tx.changed("schedule", id);
    Ok(())
}

async fn last_is_open(tx: &mut Tx, schedule: &Schedule) -> Result<bool, StoreError> {
    let Some(last) = schedule.last_run_id else {
        return Ok(false);
    };
    match runs::get(tx, last).await {
        // A parked run waits for a person and would stop the schedule for as long.
        Ok(run) => Ok(!run.state.is_final() && run.state != RunState::Parked),
        Err(StoreError::NotFound(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

async fn started(tx: &mut Tx, id: ScheduleId, run: RunId, version: u16) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        r#"
        update schedules
        set last_at = $2, last_run_id = $3, workflow_version = $4
        where id = $1
        "#,
        id.0,
        now,
        run.0,
        version_to_db(version)?,
    )
    .execute(tx.conn())
    .await?;
    tx.changed("schedule", id);
    Ok(())
}

fn not_found(id: ScheduleId) -> StoreError {
    StoreError::NotFound(format!("schedule {id}"))
}

impl Schedule {
    fn new_run(
        &self,
        trigger: &str,
        version: u16,
        nominal: Option<DateTime<Utc>>,
    ) -> Result<NewRun, StoreError> {
        let own_key =
            (self.spec.overlap == Overlap::Queue).then(|| format!("schedule/{}", self.id));
        Ok(NewRun {
            workflow: self.spec.workflow.clone(),
            version,
            input: serde_json::to_vec(&self.spec.input).map_err(StoreError::Encode)?,
            parent_id: None,
            options: StartOptions {
                key: self.spec.key.clone().or(own_key),
                trigger: trigger.into(),
                connection_id: self.spec.connection_id,
                stream: self.spec.stream.clone(),
                dedupe: nominal.map(|nominal| Dedupe {
                    key: format!("schedule/{}/{}", self.id, nominal.timestamp()),
                    until: DedupeUntil::Elapsed(Duration::from_secs(7 * 86_400)),
                    mode: DedupeMode::Existing,
                }),
                ..StartOptions::default()
            },
        })
    }
}

struct Raw {
    id: Uuid,
    name: String,
    workflow: String,
    workflow_version: i16,
    input: Json,
    key: Option<String>,
    connection_id: Option<Uuid>,
    stream: Option<String>,
    cron: String,
    time_zone: String,
    overlap: String,
    catch_up: String,
    paused: bool,
    next_at: Option<DateTime<Utc>>,
    last_at: Option<DateTime<Utc>>,
    last_run_id: Option<Uuid>,
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl TryFrom<Raw> for Schedule {
    type Error = StoreError;

    fn try_from(raw: Raw) -> Result<Self, StoreError> {
        Ok(Self {
            id: ScheduleId(raw.id),
            spec: ScheduleSpec {
                name: raw.name,
                workflow: raw.workflow,
                workflow_version: runs::version_from_db(raw.workflow_version)?,
                input: raw.input,
                key: raw.key,
                connection_id: raw.connection_id.map(ConnectionId),
                stream: raw.stream,
                cron: raw.cron,
                time_zone: raw.time_zone,
                overlap: match raw.overlap.as_str() {
                    "skip" => Overlap::Skip,
                    "queue" => Overlap::Queue,
                    other => return Err(StoreError::corrupt("schedule overlap", other.to_owned())),
                },
                catch_up: match raw.catch_up.as_str() {
                    "none" => CatchUp::None,
                    "one" => CatchUp::One,
                    other => {
                        return Err(StoreError::corrupt("schedule catch-up", other.to_owned()));
                    }
                },
                paused: raw.paused,
            },
            next_at: raw.next_at,
            last_at: raw.last_at,
            last_run_id: raw.last_run_id.map(RunId),
            version: raw.version,
            created_at: raw.created_at,
            updated_at: raw.updated_at,
        })
    }
}

fn overlap_to_db(overlap: Overlap) -> &'static str {
    match overlap {
        Overlap::Skip => "skip",
        Overlap::Queue => "queue",
    }
}

fn catch_up_to_db(catch_up: CatchUp) -> &'static str {
    match catch_up {
        CatchUp::None => "none",
        CatchUp::One => "one",
    }
}
