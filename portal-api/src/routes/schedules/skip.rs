use chrono::{DateTime, Utc};
use domain::permissions::needs::SchedulesOperate;
use domain::schedules;
use engine::ids::ScheduleId;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{Schedule, refuse};
use crate::caller::May;
use crate::error::ApiError;
use crate::etag::Tagged;
use crate::extract::{Json, Path};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SkippedFiring {
    /// The time to leave out: the first of the schedule's `next`.
    at: DateTime<Utc>,
}

/// Leaves out a schedule's next time
///
/// The time is named, so that asking twice does not leave out two: when it is not the next one, the
/// answer is a conflict.
#[utoipa::path(
    post, path = "/schedules/{id}/skip", operation_id = "skip_schedule", tag = "schedules",
    params(("id" = String, Path)), request_body = SkippedFiring,
    responses((status = 200, description = "As it is now", body = Schedule)),
)]
pub(super) async fn skip(
    caller: May<SchedulesOperate>,
    Path(id): Path<ScheduleId>,
    Json(body): Json<SkippedFiring>,
) -> Result<Tagged<Schedule>, ApiError> {
    let mut tx = caller.begin().await?;
    let schedule = schedules::skip_next(&mut tx, id, body.at)
        .await
        .map_err(refuse)?;
    tx.commit().await?;
    Ok(Tagged(schedule.version, Schedule::new(schedule)))
}
