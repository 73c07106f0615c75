use axum::http::StatusCode;
use domain::approvals;
use engine::ids::ApprovalId;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::caller::Operator;
use crate::error::ApiError;
use crate::extract::{Json, Path};
use crate::routes::runs::StartedRun;

/// How many changes are agreed to.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApprovalOrder {
    /// The most changes that are applied, as shown; more than that are asked for again.
    count: u64,
}

/// Agrees to changes that were withheld
///
/// A run reads each record again and applies what its system shows by then: a record that is there again
/// is not removed. An approval is decided once.
#[utoipa::path(
    post, path = "/approvals/{id}/approve", operation_id = "approve_approval", tag = "approvals",
    params(("id" = String, Path)), request_body = ApprovalOrder,
    responses((status = 202, description = "Started", body = StartedRun)),
)]
pub(super) async fn approve(
    caller: Operator,
    Path(id): Path<ApprovalId>,
    Json(order): Json<ApprovalOrder>,
) -> Result<(StatusCode, axum::Json<StartedRun>), ApiError> {
    let user = caller.session.user.id;
    let mut tx = caller.begin().await?;
    if order.count == 0 {
        return Err(ApiError::invalid("/count", "count must be at least 1"));
    }
    let run_id = approvals::approve(&mut tx, id, order.count, user).await?;
    tx.commit().await?;
    Ok((StatusCode::ACCEPTED, axum::Json(StartedRun { run_id })))
}
