use axum::Json;
use domain::approvals;
use engine::ids::ApprovalId;

use super::Approval;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::extract::Path;

/// One approval, counted now
#[utoipa::path(
    get, path = "/approvals/{id}", operation_id = "get_approval", tag = "approvals",
    params(("id" = String, Path)),
    responses((status = 200, description = "The approval", body = Approval)),
)]
pub(super) async fn get(
    caller: Caller,
    Path(id): Path<ApprovalId>,
) -> Result<Json<Approval>, ApiError> {
    let mut tx = caller.begin().await?;
    let approval = approvals::get(&mut tx, id).await?;
    Ok(Json(approval.into()))
}
