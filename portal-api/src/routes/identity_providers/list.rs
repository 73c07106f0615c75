use axum::Json;
use domain::providers;

use super::show::IdentityProvider;
use crate::caller::Admin;
use crate::error::ApiError;
use crate::page::Page;

/// Lists the identity providers
#[utoipa::path(
    get, path = "/identity-providers", operation_id = "list_identity_providers",
    tag = "identity-providers",
    responses((status = 200, description = "All, by name", body = Page<IdentityProvider>)),
)]
pub(super) async fn list(caller: Admin) -> Result<Json<Page<IdentityProvider>>, ApiError> {
    let mut tx = caller.begin().await?;
    let all = providers::list(&mut tx).await?;
    let all = all
        .into_iter()
        .map(|provider| IdentityProvider::of(&caller, provider));
    Ok(Json(Page::whole(all.collect())))
}
