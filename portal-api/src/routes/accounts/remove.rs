use axum::Json;
use axum::http::StatusCode;
use engine::ids::AccountId;

use crate::caller::Operator;
use crate::error::ApiError;
use crate::etag::IfMatch;
use crate::extract::{Path, Query};
use crate::routes::records::removal::{self, Removal, RemovalPlan};

/// Says what removing an account would do now
#[utoipa::path(
    get, path = "/accounts/{id}/removal", operation_id = "plan_account_removal", tag = "accounts",
    params(("id" = String, Path), Removal),
    responses((status = 200, description = "As of now", body = RemovalPlan)),
)]
pub(super) async fn plan(
    caller: Operator,
    Path(id): Path<AccountId>,
    Query(removal): Query<Removal>,
) -> Result<Json<RemovalPlan>, ApiError> {
    removal::plan(&caller, "account", id.into(), &removal).await
}

/// Removes an account
///
/// Archived it goes here, and over there where the stream deletes what is removed here; elsewhere its
/// links end, and reading the records again makes nothing of them. Unlinked it stays here and only its
/// links end. Both can be taken back.
#[utoipa::path(
    delete, path = "/accounts/{id}", operation_id = "delete_account", tag = "accounts",
    params(("id" = String, Path), Removal, ("If-Match" = String, Header)),
    responses((status = 204, description = "Removed")),
)]
pub(super) async fn remove(
    caller: Operator,
    Path(id): Path<AccountId>,
    Query(removal): Query<Removal>,
    IfMatch(version): IfMatch,
) -> Result<StatusCode, ApiError> {
    removal::remove(&caller, ("account", id.into()), version, &removal).await
}
