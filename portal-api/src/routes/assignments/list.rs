use axum::Json;
use domain::assignments;
use domain::permissions::needs::RecordsRead;
use engine::ids::AccountId;

use super::Assignment;
use crate::caller::May;
use crate::error::ApiError;
use crate::extract::Path;
use crate::page::Page;

/// Who looks after an account, and who did
#[utoipa::path(
    get, path = "/accounts/{id}/assignments", operation_id = "list_account_assignments",
    tag = "accounts", params(("id" = String, Path)),
    responses((status = 200, description = "All, newest first", body = Page<Assignment>)),
)]
pub(super) async fn list(
    caller: May<RecordsRead>,
    Path(id): Path<AccountId>,
) -> Result<Json<Page<Assignment>>, ApiError> {
    let mut tx = caller.begin().await?;
    let history = assignments::history(&mut tx, id).await?;
    let history = history.into_iter().map(Assignment::from).collect();
    Ok(Json(Page::whole(history)))
}
