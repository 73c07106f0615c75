use axum::Json;
use axum::http::StatusCode;
use domain::breakers;
use engine::ids::BreakerId;

use crate::caller::Operator;
use crate::error::ApiError;
use crate::extract::Path;
use crate::routes::runs::StartedRun;

/// Lets a frozen field go
///
/// A run merges what both sides hold by then, and changes flow again. Changed five times more within ten
/// minutes it is frozen anew.
#[utoipa::path(
    post, path = "/breakers/{id}/release", operation_id = "release_breaker", tag = "breakers",
    params(("id" = String, Path)),
    responses((status = 202, description = "Started", body = StartedRun)),
)]
pub(super) async fn release(
    caller: Operator,
    Path(id): Path<BreakerId>,
) -> Result<(StatusCode, Json<StartedRun>), ApiError> {
    let user = caller.session.user.id;
    let mut tx = caller.begin().await?;
    let run_id = breakers::release(&mut tx, id, user).await?;
    tx.commit().await?;
    Ok((StatusCode::ACCEPTED, Json(StartedRun { run_id })))
}
