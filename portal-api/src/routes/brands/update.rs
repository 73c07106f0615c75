use domain::permissions::needs::HubConfigure;
use domain::tenants::brands;
use engine::StoreError;
use engine::ids::BrandId;

use super::{Brand, BrandBody};
use crate::caller::May;
use crate::error::ApiError;
use crate::etag::{IfMatch, Tagged};
use crate::extract::{Json, Path};

/// Changes a brand
#[utoipa::path(
    put, path = "/brands/{id}", operation_id = "update_brand", tag = "tenant",
    params(("id" = String, Path), ("If-Match" = String, Header)), request_body = BrandBody,
    responses((status = 200, description = "As it is now", body = Brand)),
)]
pub(super) async fn update(
    caller: May<HubConfigure>,
    Path(id): Path<BrandId>,
    IfMatch(version): IfMatch,
    Json(body): Json<BrandBody>,
) -> Result<Tagged<Brand>, ApiError> {
    let mut tx = caller.begin().await?;
    let current = brands::get(&mut tx, id).await?;
    let wish = body.read()?;
    match brands::change(&mut tx, id, version, &wish).await {
        Ok(()) => {}
        Err(StoreError::Stale(_)) => return Err(ApiError::stale(&Brand::from(current))),
        Err(error) => return Err(error.into()),
    }
    let brand = brands::get(&mut tx, id).await?;
    tx.commit().await?;
    Ok(Tagged(brand.version, brand.into()))
}
