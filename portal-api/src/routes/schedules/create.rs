use axum::response::IntoResponse;
use domain::pulls::PULL_WORKFLOW;
use domain::schedules::{self, Wish};
use engine::ids::ConnectionId;
use engine::store::schedules::{CatchUp, Overlap};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{CatchUpName, OverlapName, Schedule, refuse};
use crate::caller::Admin;
use crate::error::ApiError;
use crate::etag::Created;
use crate::extract::Json;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewSchedule {
    name: String,
    /// `pull_stream` unless said otherwise.
    workflow: Option<String>,
    #[schema(value_type = Option<String>)]
    connection_id: Option<ConnectionId>,
    stream: Option<String>,
    /// Five fields, as in crontab(5).
    cron: String,
    /// IANA name; UTC unless said otherwise.
    time_zone: Option<String>,
    /// skip unless said otherwise
    #[schema(value_type = Option<OverlapName>)]
    overlap: Option<Overlap>,
    /// one unless said otherwise
    #[schema(value_type = Option<CatchUpName>)]
    catch_up: Option<CatchUp>,
    #[serde(default)]
    paused: bool,
}

/// Makes a schedule
#[utoipa::path(
    post, path = "/schedules", operation_id = "create_schedule", tag = "schedules",
    request_body = NewSchedule,
    responses((status = 201, description = "Made", body = Schedule)),
)]
pub(super) async fn create(
    caller: Admin,
    Json(body): Json<NewSchedule>,
) -> Result<impl IntoResponse, ApiError> {
    let wish = Wish {
        name: body.name,
        workflow: body.workflow.unwrap_or_else(|| PULL_WORKFLOW.to_owned()),
        connection_id: body.connection_id,
        stream: body.stream,
        cron: body.cron,
        time_zone: body.time_zone.unwrap_or_else(|| "UTC".to_owned()),
        overlap: body.overlap.unwrap_or(Overlap::Skip),
        catch_up: body.catch_up.unwrap_or(CatchUp::One),
        paused: body.paused,
    };
    let mut tx = caller.begin().await?;
    let now = tx.now();
    let schedule = schedules::create(&mut tx, wish).await.map_err(refuse)?;
    tx.commit().await?;
    Ok(Created(schedule.version, Schedule::new(schedule, now)))
}
