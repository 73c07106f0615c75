use axum::Json;
use axum::http::StatusCode;
use engine::ids::ContactId;

use crate::caller::Operator;
use crate::error::ApiError;
use crate::etag::IfMatch;
use crate::extract::{Path, Query};
use crate::routes::records::removal::{self, Removal, RemovalPlan};

/// Says what removing a contact would do now
#[utoipa::path(
    get, path = "/contacts/{id}/removal", operation_id = "plan_contact_removal", tag = "contacts",
    params(("id" = String, Path), Removal),
    responses((status = 200, description = "As of now", body = RemovalPlan)),
)]
pub(super) async fn plan(
    caller: Operator,
    Path(id): Path<ContactId>,
    Query(removal): Query<Removal>,
) -> Result<Json<RemovalPlan>, ApiError> {
    removal::plan(&caller, "contact", id.into(), &removal).await
}

/// Removes a contact
///
/// Archived it goes here, and over there where the stream deletes what is removed here; elsewhere its
/// links end, and reading the records again makes nothing of them. Unlinked it stays here and only its
/// links end. Both can be taken back.
#[utoipa::path(
    delete, path = "/contacts/{id}", operation_id = "delete_contact", tag = "contacts",
    params(("id" = String, Path), Removal, ("If-Match" = String, Header)),
    responses((status = 204, description = "Removed")),
)]
pub(super) async fn remove(
    caller: Operator,
    Path(id): Path<ContactId>,
    Query(removal): Query<Removal>,
    IfMatch(version): IfMatch,
) -> Result<StatusCode, ApiError> {
    removal::remove(&caller, ("contact", id.into()), version, &removal).await
}
