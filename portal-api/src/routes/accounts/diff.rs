use axum::Json;
use engine::ids::AccountId;

use crate::caller::Caller;
use crate::error::ApiError;
use crate::extract::{Path, Query};
use crate::routes::records::past::{self, Moments, RecordDiff};

/// What became of an account between two moments
///
/// The fields that differ, each with the changes that made it so.
#[utoipa::path(
    get, path = "/accounts/{id}/diff", operation_id = "diff_account",
    tag = "accounts", params(("id" = String, Path), Moments),
    responses((status = 200, description = "The differences", body = RecordDiff)),
)]
pub(super) async fn diff(
    caller: Caller,
    Path(id): Path<AccountId>,
    Query(moments): Query<Moments>,
) -> Result<Json<RecordDiff>, ApiError> {
    past::diff(&caller, "account", id.into(), &moments).await
}
