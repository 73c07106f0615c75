use axum::Json;
use domain::permissions::needs::RecordsRead;
use engine::ids::ContactId;

use crate::caller::May;
use crate::error::ApiError;
use crate::extract::{Path, Query};
use crate::page::{Page, Params};
use crate::routes::records::timeline::{self, TimelineEntry};

/// What happened to a contact, newest first
#[utoipa::path(
    get, path = "/contacts/{id}/timeline", operation_id = "list_contact_timeline",
    tag = "contacts", params(("id" = String, Path), Params),
    responses((status = 200, description = "A page", body = Page<TimelineEntry>)),
)]
pub(super) async fn timeline(
    caller: May<RecordsRead>,
    Path(id): Path<ContactId>,
    Query(params): Query<Params>,
) -> Result<Json<Page<TimelineEntry>>, ApiError> {
    timeline::answer(&caller, "contact", id.into(), &params).await
}
