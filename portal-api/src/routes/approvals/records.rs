use axum::Json;
use domain::approvals;
use engine::ids::ApprovalId;

use super::WithheldChange;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::extract::{Path, Query};
use crate::page::{self, Page, Params};

/// The changes that an approval is about, oldest first
#[utoipa::path(
    get, path = "/approvals/{id}/records", operation_id = "list_approval_records",
    tag = "approvals", params(("id" = String, Path), Params),
    responses((status = 200, description = "A page", body = Page<WithheldChange>)),
)]
pub(super) async fn records(
    caller: Caller,
    Path(id): Path<ApprovalId>,
    Query(params): Query<Params>,
) -> Result<Json<Page<WithheldChange>>, ApiError> {
    let limit = page::limit(params.limit)?;
    let after = page::after(params.cursor.as_deref(), "id")?;
    let mut tx = caller.begin().await?;
    let tables = &caller.portal().tables;
    let slice = approvals::records(&mut tx, tables, id, limit, after.as_ref()).await?;
    Ok(Json(Page::new(slice, "id", WithheldChange::from)))
}
