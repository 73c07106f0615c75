use axum::Json;
use domain::permissions::needs::RecordsRead;
use engine::ids::AccountId;

use crate::caller::May;
use crate::error::ApiError;
use crate::extract::{Path, Query};
use crate::page::{Page, Params};
use crate::routes::records::timeline::{self, TimelineEntry};

/// What happened to an account, newest first
#[utoipa::path(
    get, path = "/accounts/{id}/timeline", operation_id = "list_account_timeline",
    tag = "accounts", params(("id" = String, Path), Params),
    responses((status = 200, description = "A page", body = Page<TimelineEntry>)),
)]
pub(super) async fn timeline(
    caller: May<RecordsRead>,
    Path(id): Path<AccountId>,
    Query(params): Query<Params>,
) -> Result<Json<Page<TimelineEntry>>, ApiError> {
    timeline::answer(&caller, "account", id.into(), &params).await
}
