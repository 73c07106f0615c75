//! A schedule's row.

use chrono::{DateTime, Utc};
use serde_json::Value as Json;
use uuid::Uuid;

use super::{CatchUp, Overlap, Pause, PausedBy, Schedule, ScheduleSpec};
use crate::ids::{ConnectionId, RunId, ScheduleId};
use crate::runtime::cron::{Firing, Gap, Repeat, Timing};
use crate::store::runs::version_from_db;
use crate::store::{StoreError, Tx};

pub(super) struct Raw {
    pub(super) id: Uuid,
    pub(super) name: String,
    pub(super) workflow: String,
    pub(super) workflow_version: i16,
    pub(super) input: Json,
    pub(super) key: Option<String>,
    pub(super) connection_id: Option<Uuid>,
    pub(super) stream: Option<String>,
    pub(super) cron: String,
    pub(super) time_zone: String,
    pub(super) gap: String,
    pub(super) repeat: String,
    pub(super) starts_at: Option<DateTime<Utc>>,
    pub(super) ends_at: Option<DateTime<Utc>>,
    pub(super) jitter_seconds: i32,
    pub(super) overlap: Overlap,
    pub(super) catch_up: CatchUp,
    pub(super) catch_up_limit: i16,
    pub(super) paused_by: Option<PausedBy>,
    pub(super) paused_reason: Option<String>,
    pub(super) paused_at: Option<DateTime<Utc>>,
    pub(super) next_nominal: Option<DateTime<Utc>>,
    pub(super) next_at: Option<DateTime<Utc>>,
    pub(super) last_nominal: Option<DateTime<Utc>>,
    pub(super) last_at: Option<DateTime<Utc>>,
    pub(super) last_run_id: Option<Uuid>,
    pub(super) version: i64,
    pub(super) created_at: DateTime<Utc>,
    pub(super) updated_at: DateTime<Utc>,
}

/// One schedule, with its row locked or not.
pub(super) async fn one(tx: &mut Tx, id: ScheduleId, lock: bool) -> Result<Schedule, StoreError> {
    read(tx, id, lock).await?.ok_or_else(|| not_found(id))
}

async fn read(tx: &mut Tx, id: ScheduleId, lock: bool) -> Result<Option<Schedule>, StoreError> {
    modelled!(tx, schedule(id));
    if lock {
        sqlx::query!("select from schedules where id = $1 for update", id.0)
            .fetch_optional(tx.conn())
            .await?;
    }
    sqlx::query_as!(
        Raw,
        r#"
        select id, name, workflow, workflow_version, input, key, connection_id, stream, cron,
               time_zone, gap, repeat, starts_at, ends_at, jitter_seconds,
               overlap as "overlap: Overlap", catch_up as "catch_up: CatchUp", catch_up_limit,
               paused_by as "paused_by: PausedBy", paused_reason, paused_at, next_nominal, next_at,
               last_nominal, last_at, last_run_id, version, created_at, updated_at
        from schedules
        where id = $1
        "#,
        id.0
    )
    .fetch_optional(tx.conn())
    .await?
    .map(Schedule::try_from)
    .transpose()
}

pub(super) fn not_found(id: ScheduleId) -> StoreError {
    StoreError::NotFound(format!("schedule {id}"))
}

pub(super) fn gap(gap: Gap) -> &'static str {
    match gap {
        Gap::RunAfter => "run_after",
        Gap::Skip => "skip",
    }
}

pub(super) fn repeat(repeat: Repeat) -> &'static str {
    match repeat {
        Repeat::Once => "once",
        Repeat::Twice => "twice",
    }
}

impl TryFrom<Raw> for Schedule {
    type Error = StoreError;

    fn try_from(raw: Raw) -> Result<Self, StoreError> {
        let number = |error| StoreError::corrupt("number of a schedule", error);
        let timing = Timing {
            cron: raw.cron,
            time_zone: raw.time_zone,
            gap: match raw.gap.as_str() {
                "run_after" => Gap::RunAfter,
                "skip" => Gap::Skip,
                other => return Err(StoreError::corrupt("gap of a schedule", other.to_owned())),
            },
            repeat: match raw.repeat.as_str() {
                "once" => Repeat::Once,
                "twice" => Repeat::Twice,
                other => {
                    return Err(StoreError::corrupt(
                        "repeat of a schedule",
                        other.to_owned(),
                    ));
                }
            },
            starts_at: raw.starts_at,
            ends_at: raw.ends_at,
            jitter_seconds: u32::try_from(raw.jitter_seconds).map_err(number)?,
        };
        let spec = ScheduleSpec {
            name: raw.name,
            workflow: raw.workflow,
            workflow_version: version_from_db(raw.workflow_version)?,
            input: raw.input,
            key: raw.key,
            connection_id: raw.connection_id.map(ConnectionId),
            stream: raw.stream,
            timing,
            overlap: raw.overlap,
            catch_up: raw.catch_up,
            catch_up_limit: u16::try_from(raw.catch_up_limit).map_err(number)?,
            pause: raw.paused_by.map(|by| Pause {
                by,
                reason: raw.paused_reason,
            }),
        };
        Ok(Self {
            id: ScheduleId(raw.id),
            spec,
            paused_at: raw.paused_at,
            next: raw
                .next_nominal
                .zip(raw.next_at)
                .map(|(nominal, at)| Firing { nominal, at }),
            last_nominal: raw.last_nominal,
            last_at: raw.last_at,
            last_run_id: raw.last_run_id.map(RunId),
            version: raw.version,
            created_at: raw.created_at,
            updated_at: raw.updated_at,
        })
    }
}
