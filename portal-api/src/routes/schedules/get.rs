use domain::permissions::needs::SchedulesRead;
use engine::ids::ScheduleId;
use engine::store::schedules;

use super::Schedule;
use crate::caller::May;
use crate::error::ApiError;
use crate::etag::Tagged;
use crate::extract::Path;

/// One schedule
#[utoipa::path(
    get, path = "/schedules/{id}", operation_id = "get_schedule", tag = "schedules",
    params(("id" = String, Path)),
    responses((status = 200, description = "The schedule", body = Schedule)),
)]
pub(super) async fn get(
    caller: May<SchedulesRead>,
    Path(id): Path<ScheduleId>,
) -> Result<Tagged<Schedule>, ApiError> {
    let mut tx = caller.begin().await?;
    let schedule = schedules::get(&mut tx, id).await?;
    Ok(Tagged(schedule.version, Schedule::new(schedule)))
}
