use domain::permissions::needs::HubConfigure;
use domain::providers;
use engine::ids::ProviderId;

use super::show::IdentityProvider;
use crate::caller::{Fresh, SignedIn};
use crate::error::ApiError;
use crate::etag::{IfMatch, Tagged};
use crate::extract::Path;

/// Lets people in from an identity provider
///
/// A test sign-in must have succeeded with the configuration as it is.
#[utoipa::path(
    post, path = "/identity-providers/{id}/enable", operation_id = "enable_identity_provider",
    tag = "identity-providers",
    params(("id" = String, Path), ("If-Match" = String, Header)),
    responses((status = 200, description = "As it is now", body = IdentityProvider)),
)]
pub(super) async fn enable(
    caller: Fresh<HubConfigure>,
    Path(id): Path<ProviderId>,
    IfMatch(version): IfMatch,
) -> Result<Tagged<IdentityProvider>, ApiError> {
    set(&caller, id, version, true).await
}

/// Lets nobody in from an identity provider
///
/// Sessions opened through it go on. The last provider stays where only providers let people in.
#[utoipa::path(
    post, path = "/identity-providers/{id}/disable", operation_id = "disable_identity_provider",
    tag = "identity-providers",
    params(("id" = String, Path), ("If-Match" = String, Header)),
    responses((status = 200, description = "As it is now", body = IdentityProvider)),
)]
pub(super) async fn disable(
    caller: Fresh<HubConfigure>,
    Path(id): Path<ProviderId>,
    IfMatch(version): IfMatch,
) -> Result<Tagged<IdentityProvider>, ApiError> {
    set(&caller, id, version, false).await
}

async fn set(
    caller: &SignedIn,
    id: ProviderId,
    version: i64,
    enabled: bool,
) -> Result<Tagged<IdentityProvider>, ApiError> {
    let mut tx = caller.begin().await?;
    providers::set_enabled(&mut tx, id, version, enabled).await?;
    let provider = providers::get(&mut tx, id).await?;
    tx.commit().await?;
    Ok(Tagged(
        provider.version,
        IdentityProvider::of(caller, provider),
    ))
}
