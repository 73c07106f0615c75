use axum::Json;
use domain::tenants;

use super::TenantRow;
use crate::caller::Platform;
use crate::error::ApiError;
use crate::page::Page;

/// Lists tenants
#[utoipa::path(
    get, path = "/tenants", operation_id = "list_tenants", tag = "platform",
    responses((status = 200, description = "All, oldest first", body = Page<TenantRow>)),
)]
pub(super) async fn list(caller: Platform) -> Result<Json<Page<TenantRow>>, ApiError> {
    let mut tx = caller.portal().store.begin_system().await?;
    let tenants = tenants::all(&mut tx).await?;
    let tenants = tenants.into_iter().map(TenantRow::from).collect();
    Ok(Json(Page::whole(tenants)))
}
