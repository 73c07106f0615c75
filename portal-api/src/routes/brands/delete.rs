use axum::http::StatusCode;
use domain::permissions::needs::HubConfigure;
use domain::tenants::brands;
use engine::StoreError;
use engine::ids::BrandId;

use super::Brand;
use crate::caller::May;
use crate::error::ApiError;
use crate::etag::IfMatch;
use crate::extract::Path;

/// Removes a brand
#[utoipa::path(
    delete, path = "/brands/{id}", operation_id = "delete_brand", tag = "tenant",
    params(("id" = String, Path), ("If-Match" = String, Header)),
    responses((status = 204, description = "Removed")),
)]
pub(super) async fn delete(
    caller: May<HubConfigure>,
    Path(id): Path<BrandId>,
    IfMatch(version): IfMatch,
) -> Result<StatusCode, ApiError> {
    let mut tx = caller.begin().await?;
    let current = brands::get(&mut tx, id).await?;
    match brands::delete(&mut tx, id, version).await {
        Ok(()) => {}
        Err(StoreError::Stale(_)) => return Err(ApiError::stale(&Brand::from(current))),
        Err(error) => return Err(error.into()),
    }
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
