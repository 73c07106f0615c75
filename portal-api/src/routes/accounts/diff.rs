use axum::Json;
use domain::permissions::needs::RecordsRead;
use engine::ids::AccountId;

use crate::caller::May;
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
    caller: May<RecordsRead>,
    Path(id): Path<AccountId>,
    Query(moments): Query<Moments>,
) -> Result<Json<RecordDiff>, ApiError> {
    past::diff(&caller, "account", id.into(), &moments).await
}
