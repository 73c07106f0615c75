use std::collections::BTreeMap;

use axum::Json;
use axum::http::StatusCode;
use chrono::{DateTime, TimeDelta, Utc};
use domain::coverage;
use domain::permissions::needs::{ConnectionsManage, ConnectionsOperate, ConnectionsRead};
use engine::StoreError;
use engine::ids::ConnectionId;
use engine::store::sweeps::SweepRow;
use engine::sync::sweep::What;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::coverage::by_name;
use crate::caller::May;
use crate::error::ApiError;
use crate::etag::{IfMatch, Tagged};
use crate::extract::{self, Path};
use crate::routes::runs::StartedRun;

/// Shortest and longest time, in minutes, within which every record is compared.
const WITHIN: std::ops::RangeInclusive<i64> = 1..=525_600;

/// How the records of a stream are compared with their system, and what came of it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Sweep {
    /// Every record is compared at least this often.
    within_minutes: i64,
    paused: bool,
    round_began_at: Option<DateTime<Utc>>,
    /// Of the round under way.
    checked: i64,
    /// Differences of the round under way, by cause.
    differing: BTreeMap<String, u64>,
    /// When the last round came to its end.
    round_ended_at: Option<DateTime<Utc>>,
    last_checked: Option<i64>,
    last_differing: Option<BTreeMap<String, u64>>,
}

impl From<SweepRow> for Sweep {
    fn from(row: SweepRow) -> Self {
        Self {
            within_minutes: row.within.num_minutes(),
            paused: row.paused,
            round_began_at: row.round_began_at,
            checked: row.checked,
            differing: by_name(row.differing),
            round_ended_at: row.round_ended_at,
            last_checked: row.last_checked,
            last_differing: row.last_differing.map(by_name),
        }
    }
}

/// How the records of a stream are compared with their system
#[utoipa::path(
    get, path = "/connections/{id}/streams/{stream}/sweep", operation_id = "get_stream_sweep",
    tag = "connections", params(("id" = String, Path), ("stream" = String, Path)),
    responses((status = 200, description = "The sweep", body = Sweep)),
)]
pub(super) async fn get(
    caller: May<ConnectionsRead>,
    Path((id, stream)): Path<(ConnectionId, String)>,
) -> Result<Tagged<Sweep>, ApiError> {
    let mut tx = caller.begin().await?;
    let row = coverage::sweep_of(&mut tx, id, &stream).await?;
    Ok(Tagged(row.version, row.into()))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SweepSettings {
    /// From a minute to a year.
    within_minutes: i64,
    #[serde(default)]
    paused: bool,
}

/// Sets how often every record is compared; a pause holds sweeps under way too
#[utoipa::path(
    put, path = "/connections/{id}/streams/{stream}/sweep", operation_id = "put_stream_sweep",
    tag = "connections",
    params(("id" = String, Path), ("stream" = String, Path), ("If-Match" = String, Header)),
    request_body = SweepSettings,
    responses((status = 200, description = "As it is now", body = Sweep)),
)]
pub(super) async fn put(
    caller: May<ConnectionsManage>,
    Path((id, stream)): Path<(ConnectionId, String)>,
    IfMatch(version): IfMatch,
    extract::Json(body): extract::Json<SweepSettings>,
) -> Result<Tagged<Sweep>, ApiError> {
    if !WITHIN.contains(&body.within_minutes) {
        let message = "it must be between 1 and 525600 minutes, which is a year";
        return Err(ApiError::invalid("/within_minutes", message));
    }
    let mut tx = caller.begin().await?;
    let settings = (TimeDelta::minutes(body.within_minutes), body.paused);
    match coverage::set_sweep(&mut tx, id, &stream, settings, version).await {
        Ok(row) => {
            tx.commit().await?;
            Ok(Tagged(row.version, row.into()))
        }
        Err(StoreError::Stale(_)) => {
            let row = coverage::sweep_of(&mut tx, id, &stream).await?;
            Err(ApiError::stale(&Sweep::from(row)))
        }
        Err(error) => Err(error.into()),
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewSweep {
    #[schema(value_type = SweepWhat)]
    what: What,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "describes the names of sweeps")]
pub(crate) enum SweepWhat {
    /// The next part of the records.
    Part,
    /// What open gaps may have hidden.
    Gaps,
    /// Everything, and what is gone.
    All,
}

/// Compares records of a stream with their system now, after all other work
#[utoipa::path(
    post, path = "/connections/{id}/streams/{stream}/sweep", operation_id = "start_stream_sweep",
    tag = "connections", params(("id" = String, Path), ("stream" = String, Path)),
    request_body = NewSweep,
    responses((status = 202, description = "A run will do it", body = StartedRun)),
)]
pub(super) async fn start(
    caller: May<ConnectionsOperate>,
    Path((id, stream)): Path<(ConnectionId, String)>,
    extract::Json(body): extract::Json<NewSweep>,
) -> Result<(StatusCode, Json<StartedRun>), ApiError> {
    let mut tx = caller.begin().await?;
    let run_id = coverage::start_sweep(&mut tx, id, &stream, body.what).await?;
    tx.commit().await?;
    Ok((StatusCode::ACCEPTED, Json(StartedRun { run_id })))
}
