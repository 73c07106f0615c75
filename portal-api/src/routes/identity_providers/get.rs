use domain::providers;
use engine::ids::ProviderId;

use super::show::IdentityProvider;
use crate::caller::Admin;
use crate::error::ApiError;
use crate::etag::Tagged;
use crate::extract::Path;

/// An identity provider
#[utoipa::path(
    get, path = "/identity-providers/{id}", operation_id = "get_identity_provider",
    tag = "identity-providers", params(("id" = String, Path)),
    responses((status = 200, description = "The provider", body = IdentityProvider)),
)]
pub(super) async fn get(
    caller: Admin,
    Path(id): Path<ProviderId>,
) -> Result<Tagged<IdentityProvider>, ApiError> {
    let mut tx = caller.begin().await?;
    let provider = providers::get(&mut tx, id).await?;
    Ok(Tagged(
        provider.version,
        IdentityProvider::of(&caller, provider),
    ))
}
