use axum::Json;
use axum::extract::State;
use domain::providers::{self, Preset, policy};
use domain::tenant_domains;
use engine::ids::{ProviderId, TenantId};
use serde::Serialize;
use utoipa::ToSchema;

use crate::caller::Anyone;
use crate::error::{ApiError, Slug};
use crate::portal::Portal;

/// How people sign in at this address.
#[derive(Serialize, ToSchema)]
pub(crate) struct SignInOptions {
    /// Whether a password lets people in; where it does not, it still does the fallback admins.
    password: bool,
    providers: Vec<SignInProvider>,
}

/// A button.
#[derive(Serialize, ToSchema)]
pub(crate) struct SignInProvider {
    #[schema(value_type = String)]
    id: ProviderId,
    name: String,
    /// `custom`, `google` or `microsoft`.
    #[schema(value_type = String)]
    preset: Preset,
}

/// The tenant whose address this is: by domain or header, or the only one there is.
pub(super) async fn tenant(portal: &Portal, anyone: &Anyone) -> Result<TenantId, ApiError> {
    if let Some(tenant) = anyone.place.tenant {
        return Ok(tenant);
    }
    let mut tx = portal.store.begin_system().await?;
    let only = tenant_domains::only_tenant(&mut tx).await?;
    only.ok_or_else(|| {
        ApiError::new(
            Slug::NotFound,
            "no tenant is at this address: use its domain, or name it with X-Syncline-Tenant",
        )
    })
}

/// How people sign in here
///
/// The tenant is that of the domain, of the header `X-Syncline-Tenant`, or the only one of the hub.
#[utoipa::path(
    get, path = "/sign-in-options", operation_id = "get_sign_in_options", tag = "sso",
    params(("X-Syncline-Tenant" = Option<String>, Header, description = "Id of the tenant")),
    responses((status = 200, description = "The ways in", body = SignInOptions)),
)]
pub(super) async fn options(
    anyone: Anyone,
    State(portal): State<Portal>,
) -> Result<Json<SignInOptions>, ApiError> {
    let tenant = tenant(&portal, &anyone).await?;
    let mut tx = portal.store.begin(tenant).await?;
    let policy = policy::current(&mut tx).await?;
    let enabled = providers::enabled(&mut tx).await?.into_iter();
    let providers = enabled.map(|provider| SignInProvider {
        id: provider.id,
        name: provider.name,
        preset: provider.preset,
    });
    Ok(Json(SignInOptions {
        password: !policy.sso_only,
        providers: providers.collect(),
    }))
}
