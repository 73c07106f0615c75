use axum::Json;
use domain::permissions::needs::SchedulesRead;
use engine::store::schedules;

use super::Schedule;
use crate::caller::May;
use crate::error::ApiError;
use crate::page::Page;

/// Lists schedules by name
#[utoipa::path(
    get, path = "/schedules", operation_id = "list_schedules", tag = "schedules",
    responses((status = 200, description = "All of them", body = Page<Schedule>)),
)]
pub(super) async fn list(caller: May<SchedulesRead>) -> Result<Json<Page<Schedule>>, ApiError> {
    let mut tx = caller.begin().await?;
    let all = schedules::list(&mut tx).await?;
    Ok(Json(Page::whole(
        all.into_iter().map(Schedule::new).collect(),
    )))
}
