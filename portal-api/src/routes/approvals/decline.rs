use domain::approvals;
use engine::ids::ApprovalId;
use serde::Deserialize;
use utoipa::ToSchema;

use super::Approval;
use crate::caller::Operator;
use crate::error::ApiError;
use crate::extract::{Json, Path};

/// The longest note.
const MOST_NOTE: usize = 2000;

/// Why it is declined.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApprovalRefusal {
    note: Option<String>,
}

/// Declines changes that were withheld
///
/// They are dropped and stay readable; the hub's values stay as they are.
#[utoipa::path(
    post, path = "/approvals/{id}/decline", operation_id = "decline_approval", tag = "approvals",
    params(("id" = String, Path)), request_body = ApprovalRefusal,
    responses((status = 200, description = "As it is now", body = Approval)),
)]
pub(super) async fn decline(
    caller: Operator,
    Path(id): Path<ApprovalId>,
    Json(refusal): Json<ApprovalRefusal>,
) -> Result<axum::Json<Approval>, ApiError> {
    let note = refusal.note.as_deref().map(str::trim);
    let note = note.filter(|note| !note.is_empty());
    if note.is_some_and(|note| note.chars().count() > MOST_NOTE) {
        let message = format!("note must have at most {MOST_NOTE} characters");
        return Err(ApiError::invalid("/note", message));
    }
    let mut tx = caller.begin().await?;
    approvals::decline(&mut tx, id, caller.session.user.id, note).await?;
    let approval = approvals::get(&mut tx, id).await?;
    tx.commit().await?;
    Ok(axum::Json(approval.into()))
}
