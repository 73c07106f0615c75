use axum::response::IntoResponse;
use domain::permissions::needs::HubConfigure;
use domain::providers;
use engine::ids::ProviderId;

use super::body::IdentityProviderBody;
use super::show::IdentityProvider;
use crate::caller::Fresh;
use crate::error::ApiError;
use crate::etag::Created;
use crate::extract::Json;

/// Adds an identity provider
///
/// It lets nobody in until a test sign-in has succeeded and it was enabled. Nobody can let in more than
/// they have themselves.
#[utoipa::path(
    post, path = "/identity-providers", operation_id = "create_identity_provider",
    tag = "identity-providers", request_body = IdentityProviderBody,
    responses((status = 201, description = "Added", body = IdentityProvider)),
)]
pub(super) async fn create(
    caller: Fresh<HubConfigure>,
    Json(body): Json<IdentityProviderBody>,
) -> Result<impl IntoResponse, ApiError> {
    let id = ProviderId::fresh();
    let wish = body
        .read(&caller, id, None, "create_identity_provider")
        .await?;
    let mut tx = caller.begin().await?;
    providers::create(&mut tx, id, &wish).await?;
    let provider = providers::get(&mut tx, id).await?;
    tx.commit().await?;
    Ok(Created(
        provider.version,
        IdentityProvider::of(&caller, provider),
    ))
}
