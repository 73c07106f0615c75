use domain::tenants::brands;
use engine::ids::BrandId;

use super::Brand;
use crate::caller::SignedIn;
use crate::error::ApiError;
use crate::etag::Tagged;
use crate::extract::Path;

/// A brand
#[utoipa::path(
    get, path = "/brands/{id}", operation_id = "get_brand", tag = "tenant",
    params(("id" = String, Path)),
    responses((status = 200, description = "The brand", body = Brand)),
)]
pub(super) async fn get(
    caller: SignedIn,
    Path(id): Path<BrandId>,
) -> Result<Tagged<Brand>, ApiError> {
    let mut tx = caller.begin().await?;
    let brand = brands::get(&mut tx, id).await?;
    Ok(Tagged(brand.version, brand.into()))
}
