use axum::Json;
use domain::permissions::needs::RecordsRead;
use engine::ids::ContactId;

use crate::caller::May;
use crate::error::ApiError;
use crate::extract::{Path, Query};
use crate::routes::records::past::{self, Moments, RecordDiff};

/// What became of a contact between two moments
///
/// The fields that differ, each with the changes that made it so.
#[utoipa::path(
    get, path = "/contacts/{id}/diff", operation_id = "diff_contact",
    tag = "contacts", params(("id" = String, Path), Moments),
    responses((status = 200, description = "The differences", body = RecordDiff)),
)]
pub(super) async fn diff(
    caller: May<RecordsRead>,
    Path(id): Path<ContactId>,
    Query(moments): Query<Moments>,
) -> Result<Json<RecordDiff>, ApiError> {
    past::diff(&caller, "contact", id.into(), &moments).await
}
