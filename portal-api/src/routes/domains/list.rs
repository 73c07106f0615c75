use axum::Json;
use domain::tenant_domains;

use super::Domain;
use crate::caller::Admin;
use crate::error::ApiError;
use crate::page::Page;

/// Lists the tenant's domains
#[utoipa::path(
    get, path = "/domains", operation_id = "list_domains", tag = "domains",
    responses((status = 200, description = "All, by name", body = Page<Domain>)),
)]
pub(super) async fn list(caller: Admin) -> Result<Json<Page<Domain>>, ApiError> {
    let mut tx = caller.begin().await?;
    let all = tenant_domains::list(&mut tx).await?;
    Ok(Json(Page::whole(
        all.into_iter().map(Domain::from).collect(),
    )))
}
