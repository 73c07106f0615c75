use axum::http::StatusCode;
use domain::tenant_domains;
use engine::ids::DomainId;

use crate::caller::Admin;
use crate::error::ApiError;
use crate::extract::Path;

/// Takes a domain back
///
/// It leads nowhere from the next request on.
#[utoipa::path(
    delete, path = "/domains/{id}", operation_id = "delete_domain", tag = "domains",
    params(("id" = String, Path)),
    responses((status = 204, description = "Taken back")),
)]
pub(super) async fn delete(
    caller: Admin,
    Path(id): Path<DomainId>,
) -> Result<StatusCode, ApiError> {
    let mut tx = caller.begin().await?;
    tenant_domains::remove(&mut tx, id).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
