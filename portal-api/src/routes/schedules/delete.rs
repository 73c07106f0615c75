use axum::http::StatusCode;
use domain::permissions::needs::SchedulesManage;
use engine::ids::ScheduleId;
use engine::store::schedules;

use super::Schedule;
use engine::store::audit::Entry;

use crate::caller::May;
use crate::error::ApiError;
use crate::etag::{IfMatch, shown};
use crate::extract::Path;

/// Removes a schedule
///
/// Runs that it started stay.
#[utoipa::path(
    delete, path = "/schedules/{id}", operation_id = "delete_schedule", tag = "schedules",
    params(("id" = String, Path), ("If-Match" = String, Header)),
    responses((status = 204, description = "Removed")),
)]
pub(super) async fn delete(
    caller: May<SchedulesManage>,
    Path(id): Path<ScheduleId>,
    IfMatch(version): IfMatch,
) -> Result<StatusCode, ApiError> {
    let mut tx = caller.begin().await?;
    let current = schedules::get(&mut tx, id).await?;
    if current.version != version {
        return Err(ApiError::stale(&Schedule::new(current)));
    }
    schedules::delete(&mut tx, id).await?;
    let before = shown(&Schedule::new(current));
    tx.audit(Entry::new("delete_schedule", "schedules", id).before(before));
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
