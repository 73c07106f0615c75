use axum::response::IntoResponse;
use domain::permissions::needs::HubConfigure;
use domain::tenants::brands;

use super::{Brand, BrandBody};
use crate::caller::May;
use crate::error::ApiError;
use crate::etag::Created;
use crate::extract::Json;

/// Makes a brand
#[utoipa::path(
    post, path = "/brands", operation_id = "create_brand", tag = "tenant", request_body = BrandBody,
    responses((status = 201, description = "Made", body = Brand)),
)]
pub(super) async fn create(
    caller: May<HubConfigure>,
    Json(body): Json<BrandBody>,
) -> Result<impl IntoResponse, ApiError> {
    let wish = body.read()?;
    let mut tx = caller.begin().await?;
    let id = brands::create(&mut tx, &wish).await?;
    let brand = brands::get(&mut tx, id).await?;
    tx.commit().await?;
    Ok(Created(brand.version, Brand::from(brand)))
}
