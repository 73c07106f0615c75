use axum::http::StatusCode;
use domain::permissions::needs::RunsOperate;
use engine::StoreError;
use engine::ids::RunId;
use engine::store::runs;
use serde::Deserialize;
use utoipa::ToSchema;

use super::StartedRun;
use super::restart::{Point, point};
use crate::caller::May;
use crate::error::ApiError;
use crate::extract::{Json, Path};

/// Where the copy goes on, and with what.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ForkRun)]
pub(crate) struct Fork {
    from: Point,
    /// The step's place, when `from` is `step`.
    step: Option<i32>,
    /// Instead of the run's own.
    #[schema(value_type = Option<Object>)]
    input: Option<serde_json::Value>,
    /// Of the workflow, instead of the run's own.
    version: Option<u16>,
}

/// Starts a run that begins with another one's steps
///
/// The other run stays as it is.
#[utoipa::path(
    post, path = "/runs/{id}/fork", operation_id = "fork_run", tag = "runs",
    params(("id" = String, Path)), request_body = Fork,
    responses((status = 202, description = "Started", body = StartedRun)),
)]
pub(super) async fn fork(
    caller: May<RunsOperate>,
    Path(id): Path<RunId>,
    Json(body): Json<Fork>,
) -> Result<(StatusCode, axum::Json<StartedRun>), ApiError> {
    let from = point(body.from, body.step)?;
    let input = body.input.as_ref().map(serde_json::to_vec).transpose();
    let fork = runs::Fork {
        input: input.map_err(StoreError::Encode)?,
        version: body.version,
    };
    let mut tx = caller.begin().await?;
    let run_id = runs::fork(&mut tx, id, from, fork).await?;
    tx.commit().await?;
    Ok((StatusCode::ACCEPTED, axum::Json(StartedRun { run_id })))
}
