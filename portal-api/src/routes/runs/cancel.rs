use axum::http::StatusCode;
use domain::permissions::needs::RunsOperate;
use engine::ids::RunId;
use engine::store::runs;
use serde_json::json;

use crate::caller::May;
use crate::error::ApiError;
use crate::extract::Path;

/// Stops a run
///
/// A running one stops at its next step. The runs that it called and waits for stop too; those it
/// started on their own go on.
#[utoipa::path(
    post, path = "/runs/{id}/cancel", operation_id = "cancel_run", tag = "runs",
    params(("id" = String, Path)),
    responses((status = 202, description = "It stops")),
)]
pub(super) async fn cancel(
    caller: May<RunsOperate>,
    Path(id): Path<RunId>,
) -> Result<StatusCode, ApiError> {
    let mut tx = caller.begin().await?;
    let before = runs::get(&mut tx, id).await?;
    runs::cancel(&mut tx, id).await?;
    tx.was(json!({"workflow": before.workflow, "state": before.state.as_str()}));
    tx.commit().await?;
    Ok(StatusCode::ACCEPTED)
}
