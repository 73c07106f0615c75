use axum::http::StatusCode;
use domain::permissions::needs::RunsOperate;
use engine::ids::RunId;
use engine::store::runs;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::caller::May;
use crate::error::ApiError;
use crate::extract::{Json, Path};

/// Where a run goes on.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RestartRun)]
pub(crate) struct Restart {
    from: Point,
    /// The step's place, when `from` is `step`.
    step: Option<i32>,
}

#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = RestartPoint)]
pub(crate) enum Point {
    /// The step that failed.
    Failed,
    /// A step that is done.
    Step,
    Start,
}

/// The point that a body names.
pub(super) fn point(from: Point, step: Option<i32>) -> Result<runs::From, ApiError> {
    Ok(match (from, step) {
        (Point::Failed, None) => runs::From::Failed,
        (Point::Start, None) => runs::From::Start,
        (Point::Step, Some(step)) => runs::From::Step(step),
        (Point::Step, None) => return Err(ApiError::invalid("/step", "step is missing")),
        (Point::Failed | Point::Start, Some(_)) => {
            return Err(ApiError::invalid("/step", "step is for from: step only"));
        }
    })
}

/// Runs a run again from one of its steps
///
/// What the steps from there on did to others is not undone.
#[utoipa::path(
    post, path = "/runs/{id}/restart", operation_id = "restart_run", tag = "runs",
    params(("id" = String, Path)), request_body = Restart,
    responses((status = 202, description = "It is queued again")),
)]
pub(super) async fn restart(
    caller: May<RunsOperate>,
    Path(id): Path<RunId>,
    Json(body): Json<Restart>,
) -> Result<StatusCode, ApiError> {
    let from = point(body.from, body.step)?;
    let mut tx = caller.begin().await?;
    let before = runs::get(&mut tx, id).await?;
    runs::restart(&mut tx, id, from).await?;
    tx.was(json!({"workflow": before.workflow, "state": before.state.as_str()}));
    tx.commit().await?;
    Ok(StatusCode::ACCEPTED)
}
