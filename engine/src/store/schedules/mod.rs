//! Schedules: what runs by time. Reading and editing them is here, firing them in `fire.rs`; which
//! times an expression names is in `runtime/cron`.

mod fire;
mod row;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

pub(crate) use fire::{Due, due, fire, pause_broken};
pub use fire::{run_now, skip_next};
use row::Raw;

use super::runs::version_to_db;
use super::{StoreError, Tx};
use crate::ids::{ConnectionId, RunId, ScheduleId};
use crate::runtime::cron::{CronError, Firing, Times, Timing};

/// The most missed firings that one may want caught up.
pub const MOST_CAUGHT_UP: u16 = 100;

/// Why a schedule cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum ScheduleError {
    #[error(transparent)]
    Cron(#[from] CronError),
    #[error(
        "all missed firings can only be caught up one after the other: set overlap to queue, or \
         catch_up to one"
    )]
    CatchUpNeedsQueue,
    #[error("catch_up_limit is 1 to {MOST_CAUGHT_UP}, not {0}")]
    CatchUpLimit(u16),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for ScheduleError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// What happens at a firing while the last run has not ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Overlap {
    #[default]
    Skip,
    Queue,
    /// The last run is cancelled: at once if it waits, at its next step if it runs.
    CancelPrevious,
}

/// What happens after a time in which nothing could fire. A firing over a minute late is a missed one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum CatchUp {
    /// What was missed is dropped.
    None,
    /// One run for all that was missed.
    #[default]
    One,
    /// One run each, up to a limit, the newest; only with [`Overlap::Queue`].
    All,
}

/// Who paused a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum PausedBy {
    Person,
    /// Its stream is switched off.
    Stream,
    /// Its times can no longer be computed.
    Hub,
}

/// Why nothing fires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    pub by: PausedBy,
    pub reason: Option<String>,
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
    pub timing: Timing,
    pub overlap: Overlap,
    pub catch_up: CatchUp,
    /// For [`CatchUp::All`].
    pub catch_up_limit: u16,
    pub pause: Option<Pause>,
}

impl ScheduleSpec {
    fn check(&self) -> Result<(), ScheduleError> {
        if self.catch_up == CatchUp::All && self.overlap != Overlap::Queue {
            return Err(ScheduleError::CatchUpNeedsQueue);
        }
        if !(1..=MOST_CAUGHT_UP).contains(&self.catch_up_limit) {
            return Err(ScheduleError::CatchUpLimit(self.catch_up_limit));
        }
        Ok(())
    }
}

/// A schedule as stored.
#[derive(Clone, Debug)]
pub struct Schedule {
    pub id: ScheduleId,
    pub spec: ScheduleSpec,
    pub paused_at: Option<DateTime<Utc>>,
    /// `None` when no time is left: it never fires again. Of a paused one it means nothing.
    pub next: Option<Firing>,
    /// The newest firing that was dealt with.
    pub last_nominal: Option<DateTime<Utc>>,
    /// When it last started a run.
    pub last_at: Option<DateTime<Utc>>,
    pub last_run_id: Option<RunId>,
    /// Grows with every edit.
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl Schedule {
    /// When it fires next, up to `count` times, jitter included and skipped ones left out; nothing
    /// while it is paused.
    pub fn next_times(&self, count: usize) -> Vec<DateTime<Utc>> {
        let (Some(next), None) = (self.next, &self.spec.pause) else {
            return Vec::new();
        };
        // What is stored was valid when it was stored; a zone that vanished has no times.
        let later = Times::new(&self.spec.timing)
            .map(|times| times.firings(self.id, next.nominal, count.saturating_sub(1)))
            .unwrap_or_default();
        std::iter::once(next)
            .chain(later)
            .take(count)
            .map(|firing| firing.at)
            .collect()
    }

    /// The first firing from `now` on that was not dealt with before the clock went back.
    fn first(&self, now: DateTime<Utc>) -> Result<Firing, CronError> {
        let after = self.last_nominal.map_or(now, |last| last.max(now));
        Times::new(&self.spec.timing)?.first(self.id, after)
    }
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
               time_zone, gap, repeat, starts_at, ends_at, jitter_seconds,
               overlap as "overlap: Overlap", catch_up as "catch_up: CatchUp", catch_up_limit,
               paused_by as "paused_by: PausedBy", paused_reason, paused_at, next_nominal, next_at,
               last_nominal, last_at, last_run_id, version, created_at, updated_at
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
    row::one(tx, id, false).await
}

/// Makes a schedule.
///
/// ```no_run
/// use engine::runtime::cron::Timing;
/// use engine::store::schedules::{self, CatchUp, Overlap, ScheduleError, ScheduleSpec};
///
/// # async fn nightly(tx: &mut engine::Tx) -> Result<(), ScheduleError> {
/// let nightly = ScheduleSpec {
///     name: "count what is in stock".into(),
///     workflow: "count".into(),
///     workflow_version: 1,
///     input: serde_json::json!({"shelf": 12}),
///     key: None,
///     connection_id: None,
///     stream: None,
///     timing: Timing::new("30 2 * * *", "Europe/Berlin"),
///     overlap: Overlap::Skip,
///     catch_up: CatchUp::One,
///     catch_up_limit: 10,
///     pause: None,
/// };
/// let id = schedules::insert(tx, &nightly).await?;
/// let schedule = schedules::get(tx, id).await?;
/// println!("next: {:?}", schedule.next_times(5));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`ScheduleError`] for what cannot be, an expression that names no time among it.
pub async fn insert(tx: &mut Tx, spec: &ScheduleSpec) -> Result<ScheduleId, ScheduleError> {
    spec.check()?;
    let now = tx.now();
    let id = ScheduleId::fresh();
    let next = Times::new(&spec.timing)?.first(id, now)?;
    let timing = &spec.timing;
    sqlx::query!(
        r#"
        insert into schedules
            (id, name, workflow, workflow_version, input, key, connection_id, stream, cron,
             time_zone, gap, repeat, starts_at, ends_at, jitter_seconds, overlap, catch_up,
             catch_up_limit, paused_by, paused_reason, paused_at, next_nominal, next_at,
             created_at, updated_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,
                $19, $20, $21, $22, $23, $24, $24)
        "#,
        id.0,
        spec.name,
        spec.workflow,
        version_to_db(spec.workflow_version)?,
        spec.input,
        spec.key,
        spec.connection_id.map(|id| id.0),
        spec.stream,
        timing.cron,
        timing.time_zone,
        row::gap(timing.gap),
        row::repeat(timing.repeat),
        timing.starts_at,
        timing.ends_at,
        timing.jitter_seconds.cast_signed(),
        spec.overlap as Overlap,
        spec.catch_up as CatchUp,
        spec.catch_up_limit.cast_signed(),
        spec.pause.as_ref().map(|pause| pause.by) as Option<PausedBy>,
        spec.pause.as_ref().and_then(|pause| pause.reason.clone()),
        spec.pause.as_ref().map(|_| now),
        next.nominal,
        next.at,
        now,
    )
    .execute(tx.conn())
    .await?;
    tx.changed("schedule", id);
    Ok(id)
}

/// Replaces what a person decides. The next firing stays, a skipped one skipped, unless the times are
/// others now or a pause ends: then it is computed anew.
///
/// # Errors
/// [`ScheduleError`] for what cannot be; [`StoreError::NotFound`]; [`StoreError::Stale`] when its
/// version is not `expected`.
pub async fn update(
    tx: &mut Tx,
    id: ScheduleId,
    expected: i64,
    spec: &ScheduleSpec,
) -> Result<(), ScheduleError> {
    spec.check()?;
    let now = tx.now();
    let mut schedule = row::one(tx, id, true).await?;
    if schedule.version != expected {
        return Err(StoreError::Stale(format!("schedule {id}")).into());
    }
    let old = std::mem::replace(&mut schedule.spec, spec.clone());
    if old.timing != spec.timing || (old.pause.is_some() && spec.pause.is_none()) {
        schedule.next = Some(schedule.first(now)?);
    }
    let paused_at = match (&old.pause, &spec.pause) {
        (Some(_), Some(_)) => schedule.paused_at,
        (None, Some(_)) => Some(now),
        (_, None) => None,
    };
    let timing = &spec.timing;
    sqlx::query!(
        r#"
        update schedules
        set name = $2, workflow = $3, workflow_version = $4, input = $5, key = $6,
            connection_id = $7, stream = $8, cron = $9, time_zone = $10, gap = $11, repeat = $12,
            starts_at = $13, ends_at = $14, jitter_seconds = $15, overlap = $16, catch_up = $17,
            catch_up_limit = $18, paused_by = $19, paused_reason = $20, paused_at = $21,
            next_nominal = $22, next_at = $23, updated_at = $24, version = version + 1
        where id = $1
        "#,
        id.0,
        spec.name,
        spec.workflow,
        version_to_db(spec.workflow_version)?,
        spec.input,
        spec.key,
        spec.connection_id.map(|id| id.0),
        spec.stream,
        timing.cron,
        timing.time_zone,
        row::gap(timing.gap),
        row::repeat(timing.repeat),
        timing.starts_at,
        timing.ends_at,
        timing.jitter_seconds.cast_signed(),
        spec.overlap as Overlap,
        spec.catch_up as CatchUp,
        spec.catch_up_limit.cast_signed(),
        spec.pause.as_ref().map(|pause| pause.by) as Option<PausedBy>,
        spec.pause.as_ref().and_then(|pause| pause.reason.clone()),
        paused_at,
        schedule.next.map(|next| next.nominal),
        schedule.next.map(|next| next.at),
        now,
    )
    .execute(tx.conn())
    .await?;
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
        return Err(row::not_found(id));
    }
    tx.changed("schedule", id);
    Ok(())
}

/// The schedules of a stream, by name.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn of_stream(
    tx: &mut Tx,
    connection: ConnectionId,
    stream: &str,
) -> Result<Vec<Schedule>, StoreError> {
    let all = list(tx).await?;
    Ok(all
        .into_iter()
        .filter(|schedule| {
            schedule.spec.connection_id == Some(connection)
                && schedule.spec.stream.as_deref() == Some(stream)
        })
        .collect())
}
