use axum::Json;
use axum::http::StatusCode;
use domain::permissions::needs::SchedulesOperate;
use engine::ids::ScheduleId;
use engine::store::schedules;

use crate::caller::May;
use crate::error::ApiError;
use crate::extract::Path;
use crate::routes::runs::StartedRun;

/// Starts a schedule's run now
///
/// Also while it is paused; its next time stays.
#[utoipa::path(
    post, path = "/schedules/{id}/run", operation_id = "run_schedule", tag = "schedules",
    params(("id" = String, Path)),
    responses((status = 202, description = "Started", body = StartedRun)),
)]
pub(super) async fn run(
    caller: May<SchedulesOperate>,
    Path(id): Path<ScheduleId>,
) -> Result<(StatusCode, Json<StartedRun>), ApiError> {
    let mut tx = caller.begin().await?;
    let run_id = schedules::run_now(&mut tx, id).await?;
    tx.commit().await?;
    Ok((StatusCode::ACCEPTED, Json(StartedRun { run_id })))
}
