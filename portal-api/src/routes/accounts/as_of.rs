use axum::Json;
use domain::permissions::needs::RecordsRead;
use engine::ids::AccountId;

use crate::caller::May;
use crate::error::ApiError;
use crate::extract::{Path, Query};
use crate::routes::records::past::{self, Moment, RecordAsOf};

/// An account as it was at a moment
///
/// Not found for a moment before it was made; a removed one says so.
#[utoipa::path(
    get, path = "/accounts/{id}/as-of", operation_id = "get_account_as_of",
    tag = "accounts", params(("id" = String, Path), Moment),
    responses((status = 200, description = "As it was then", body = RecordAsOf)),
)]
pub(super) async fn as_of(
    caller: May<RecordsRead>,
    Path(id): Path<AccountId>,
    Query(moment): Query<Moment>,
) -> Result<Json<RecordAsOf>, ApiError> {
    past::as_of(&caller, "account", id.into(), &moment).await
}
