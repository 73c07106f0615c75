use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use domain::failures;
use engine::ids::FailureClassId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::caller::Operator;
use crate::error::ApiError;
use crate::extract::{Json, Path};
use crate::routes::runs::StartedRun;

/// What trying again would do now.
#[derive(Serialize, ToSchema)]
pub(crate) struct FailureRetryPlan {
    /// Records it is done to; of runs, flows. Give it as `count` to do it.
    count: u64,
    /// When the first of them is tried by itself.
    next_try_at: Option<DateTime<Utc>>,
    sentence: String,
}

/// The number that was shown to whoever asks for it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FailureRetryOrder {
    count: u64,
}

/// Says what trying a class again would do now
#[utoipa::path(
    get, path = "/failure-classes/{id}/retry", operation_id = "plan_failure_retry",
    tag = "failure-classes", params(("id" = String, Path)),
    responses((status = 200, description = "As of now", body = FailureRetryPlan)),
)]
pub(super) async fn plan(
    caller: Operator,
    Path(id): Path<FailureClassId>,
) -> Result<axum::Json<FailureRetryPlan>, ApiError> {
    let mut tx = caller.begin().await?;
    let plan = failures::plan(&mut tx, id).await?;
    tx.commit().await?;
    Ok(axum::Json(FailureRetryPlan {
        count: plan.count,
        next_try_at: plan.next_try_at,
        sentence: plan.sentence,
    }))
}

/// Tries a class again
///
/// As a run. It is given the number of the plan: if there are more or less by now, it is refused. What
/// fails later is not tried with it.
#[utoipa::path(
    post, path = "/failure-classes/{id}/retry", operation_id = "retry_failure_class",
    tag = "failure-classes", params(("id" = String, Path)), request_body = FailureRetryOrder,
    responses((status = 202, description = "Started", body = StartedRun)),
)]
pub(super) async fn start(
    caller: Operator,
    Path(id): Path<FailureClassId>,
    Json(order): Json<FailureRetryOrder>,
) -> Result<(StatusCode, axum::Json<StartedRun>), ApiError> {
    let user = caller.session.user.id;
    let mut tx = caller.begin().await?;
    let run_id = failures::retry(&mut tx, id, order.count, user).await?;
    tx.commit().await?;
    Ok((StatusCode::ACCEPTED, axum::Json(StartedRun { run_id })))
}
