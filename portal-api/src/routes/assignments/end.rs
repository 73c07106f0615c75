use axum::http::StatusCode;
use domain::assignments;
use domain::permissions::needs::TeamsManage;
use engine::ids::{AccountId, AssignmentId};

use crate::caller::May;
use crate::error::ApiError;
use crate::extract::Path;

/// Ends an assignment
///
/// It stays in the account's history.
#[utoipa::path(
    delete, path = "/accounts/{id}/assignments/{assignment}", operation_id = "end_assignment",
    tag = "accounts", params(("id" = String, Path), ("assignment" = String, Path)),
    responses((status = 204, description = "Ended")),
)]
pub(super) async fn end(
    caller: May<TeamsManage>,
    Path((id, assignment)): Path<(AccountId, AssignmentId)>,
) -> Result<StatusCode, ApiError> {
    let mut tx = caller.begin().await?;
    assignments::end(&mut tx, id, assignment, caller.session.user.id).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
