use axum::http::StatusCode;
use domain::permissions::needs::RunsOperate;
use engine::ids::RunId;
use engine::store::runs;
use serde_json::json;

use crate::caller::May;
use crate::error::ApiError;
use crate::extract::Path;

/// Goes on with a run that failed
///
/// From the step that failed, with new attempts; what is done stays done.
#[utoipa::path(
    post, path = "/runs/{id}/retry", operation_id = "retry_run", tag = "runs",
    params(("id" = String, Path)),
    responses((status = 202, description = "It is queued again")),
)]
pub(super) async fn retry(
    caller: May<RunsOperate>,
    Path(id): Path<RunId>,
) -> Result<StatusCode, ApiError> {
    let mut tx = caller.begin().await?;
    let before = runs::get(&mut tx, id).await?;
    runs::retry(&mut tx, id).await?;
    tx.was(json!({"workflow": before.workflow, "state": before.state.as_str()}));
    tx.commit().await?;
    Ok(StatusCode::ACCEPTED)
}
