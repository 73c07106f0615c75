use domain::permissions::needs::HubConfigure;
use domain::providers;
use engine::StoreError;
use engine::ids::ProviderId;

use super::body::IdentityProviderBody;
use super::show::IdentityProvider;
use crate::caller::Fresh;
use crate::error::ApiError;
use crate::etag::{IfMatch, Tagged};
use crate::extract::{Json, Path};

/// Changes an identity provider
///
/// Where more than its name changes, it lets nobody in until it was tested and enabled again.
#[utoipa::path(
    put, path = "/identity-providers/{id}", operation_id = "update_identity_provider",
    tag = "identity-providers",
    params(("id" = String, Path), ("If-Match" = String, Header)),
    request_body = IdentityProviderBody,
    responses((status = 200, description = "As it is now", body = IdentityProvider)),
)]
pub(super) async fn update(
    caller: Fresh<HubConfigure>,
    Path(id): Path<ProviderId>,
    IfMatch(version): IfMatch,
    Json(body): Json<IdentityProviderBody>,
) -> Result<Tagged<IdentityProvider>, ApiError> {
    let mut tx = caller.begin().await?;
    let current = providers::get(&mut tx, id).await?;
    drop(tx);
    let wish = body
        .read(&caller, id, Some(&current), "update_identity_provider")
        .await?;
    let mut tx = caller.begin().await?;
    match providers::change(&mut tx, id, version, &wish).await {
        Ok(()) => {}
        Err(StoreError::Stale(_)) => {
            return Err(ApiError::stale(&IdentityProvider::of(&caller, current)));
        }
        Err(error) => return Err(error.into()),
    }
    let provider = providers::get(&mut tx, id).await?;
    tx.commit().await?;
    Ok(Tagged(
        provider.version,
        IdentityProvider::of(&caller, provider),
    ))
}
