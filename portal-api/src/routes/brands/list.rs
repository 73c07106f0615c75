use axum::Json;
use domain::tenants::brands;

use super::Brand;
use crate::caller::SignedIn;
use crate::error::ApiError;
use crate::page::Page;

/// Lists brands
#[utoipa::path(
    get, path = "/brands", operation_id = "list_brands", tag = "tenant",
    responses((status = 200, description = "All, by name", body = Page<Brand>)),
)]
pub(super) async fn list(caller: SignedIn) -> Result<Json<Page<Brand>>, ApiError> {
    let mut tx = caller.begin().await?;
    let brands = brands::list(&mut tx).await?;
    Ok(Json(Page::whole(
        brands.into_iter().map(Brand::from).collect(),
    )))
}
