use axum::Json;
use domain::permissions::needs::RecordsRead;
use engine::ids::AccountId;

use crate::caller::May;
use crate::error::ApiError;
use crate::extract::Path;
use crate::routes::records::provenance::{self, Provenance};

/// Where an account's values come from
#[utoipa::path(
    get, path = "/accounts/{id}/provenance", operation_id = "get_account_provenance",
    tag = "accounts", params(("id" = String, Path)),
    responses((status = 200, description = "Field by field", body = Provenance)),
)]
pub(super) async fn provenance(
    caller: May<RecordsRead>,
    Path(id): Path<AccountId>,
) -> Result<Json<Provenance>, ApiError> {
    provenance::answer(&caller, "account", id.into()).await
}
