use axum::Json;
use domain::failures;
use engine::ids::FailureClassId;

use super::Failure;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::extract::{Path, Query};
use crate::page::{self, Page, Params};

/// What fails now for one cause, the newest first
#[utoipa::path(
    get, path = "/failure-classes/{id}/records", operation_id = "list_failure_class_records",
    tag = "failure-classes", params(("id" = String, Path), Params),
    responses((status = 200, description = "A page", body = Page<Failure>)),
)]
pub(super) async fn records(
    caller: Caller,
    Path(id): Path<FailureClassId>,
    Query(params): Query<Params>,
) -> Result<Json<Page<Failure>>, ApiError> {
    let limit = page::limit(params.limit)?;
    let after = page::after(params.cursor.as_deref(), "-at")?;
    let mut tx = caller.begin().await?;
    let slice = failures::records(&mut tx, id, limit, after.as_ref()).await?;
    Ok(Json(Page::new(slice, "-at", Failure::from)))
}
