use axum::http::StatusCode;
use domain::permissions::needs::HubConfigure;
use domain::providers;
use engine::ids::ProviderId;

use crate::caller::Fresh;
use crate::error::ApiError;
use crate::etag::IfMatch;
use crate::extract::Path;

/// Removes an identity provider
///
/// Users it made stay, and need another way in. Sessions opened through it go on.
#[utoipa::path(
    delete, path = "/identity-providers/{id}", operation_id = "delete_identity_provider",
    tag = "identity-providers",
    params(("id" = String, Path), ("If-Match" = String, Header)),
    responses((status = 204, description = "Removed")),
)]
pub(super) async fn delete(
    caller: Fresh<HubConfigure>,
    Path(id): Path<ProviderId>,
    IfMatch(version): IfMatch,
) -> Result<StatusCode, ApiError> {
    let mut tx = caller.begin().await?;
    providers::delete(&mut tx, id, version).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
