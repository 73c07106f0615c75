use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::IntoResponse;
use domain::permissions::needs::HubConfigure;
use domain::tenants::brands::{self, LARGEST_LOGO};
use engine::ids::BrandId;

use super::Brand;
use crate::caller::{May, SignedIn};
use crate::error::{ApiError, Slug};
use crate::etag::Tagged;
use crate::extract::Path;

/// A brand's logo
#[utoipa::path(
    get, path = "/brands/{id}/logo", operation_id = "get_brand_logo", tag = "tenant",
    params(("id" = String, Path)),
    responses((status = 200, description = "The image", body = [u8], content_type = "image/*")),
)]
pub(super) async fn get(
    caller: SignedIn,
    Path(id): Path<BrandId>,
) -> Result<impl IntoResponse, ApiError> {
    let mut tx = caller.begin().await?;
    let (kind, bytes) = brands::logo(&mut tx, id).await?;
    let kind = HeaderValue::from_str(&kind)
        .map_err(|error| ApiError::internal("the logo's type cannot be told", error))?;
    // Whatever it turns out to be, it is shown in a page of ours or saved, and never opened as one.
    let inline = HeaderValue::from_static("inline; filename=\"logo\"");
    let headers = HeaderMap::from_iter([
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_DISPOSITION, inline),
    ]);
    Ok((headers, bytes))
}

/// Sets a brand's logo
///
/// The body is the image: a PNG, a JPEG or a WebP, known by its bytes. Its name does not matter.
#[utoipa::path(
    put, path = "/brands/{id}/logo", operation_id = "put_brand_logo", tag = "tenant",
    params(("id" = String, Path)),
    request_body(content = [u8], content_type = "application/octet-stream"),
    responses((status = 200, description = "The brand as it is now", body = Brand)),
)]
pub(super) async fn put(
    caller: May<HubConfigure>,
    Path(id): Path<BrandId>,
    body: Bytes,
) -> Result<Tagged<Brand>, ApiError> {
    let mut tx = caller.begin().await?;
    brands::get(&mut tx, id).await?;
    if body.len() > LARGEST_LOGO {
        let why = format!("a logo has at most {LARGEST_LOGO} bytes");
        return Err(ApiError::new(Slug::TooLarge, why));
    }
    brands::logo_type(&body).map_err(|why| ApiError::invalid("", why))?;
    brands::set_logo(&mut tx, id, Some(&body)).await?;
    let brand = brands::get(&mut tx, id).await?;
    tx.commit().await?;
    Ok(Tagged(brand.version, brand.into()))
}

/// Takes a brand's logo away
#[utoipa::path(
    delete, path = "/brands/{id}/logo", operation_id = "delete_brand_logo", tag = "tenant",
    params(("id" = String, Path)),
    responses((status = 204, description = "Gone")),
)]
pub(super) async fn delete(
    caller: May<HubConfigure>,
    Path(id): Path<BrandId>,
) -> Result<StatusCode, ApiError> {
    let mut tx = caller.begin().await?;
    brands::set_logo(&mut tx, id, None).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
