use axum::Json;
use domain::permissions::needs::RecordsRead;
use engine::ids::ContactId;

use crate::caller::May;
use crate::error::ApiError;
use crate::extract::Path;
use crate::routes::records::provenance::{self, Provenance};

/// Where a contact's values come from
#[utoipa::path(
    get, path = "/contacts/{id}/provenance", operation_id = "get_contact_provenance",
    tag = "contacts", params(("id" = String, Path)),
    responses((status = 200, description = "Field by field", body = Provenance)),
)]
pub(super) async fn provenance(
    caller: May<RecordsRead>,
    Path(id): Path<ContactId>,
) -> Result<Json<Provenance>, ApiError> {
    provenance::answer(&caller, "contact", id.into()).await
}
