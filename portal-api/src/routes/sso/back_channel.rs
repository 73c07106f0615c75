use axum::extract::State;
use axum::http::StatusCode;
use chrono::TimeDelta;
use domain::providers;
use domain::providers::sessions;
use engine::ids::{ProviderId, TenantId};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{as_oidc, message, refuse_flood};
use crate::caller::Anyone;
use crate::error::ApiError;
use crate::extract::{Form, Path};
use crate::portal::Portal;

/// How long a logout token is remembered; older ones are refused for their age.
const REMEMBERED: TimeDelta = TimeDelta::hours(1);

#[derive(Deserialize, ToSchema)]
pub(crate) struct BackChannelLogout {
    #[schema(value_type = String)]
    logout_token: SecretString,
}

/// Ends sessions by word of the identity provider
///
/// OpenID Connect Back-Channel Logout: the provider's signed token names a session or a user.
#[utoipa::path(
    post, path = "/sso/{id}/backchannel-logout", operation_id = "sso_backchannel_logout",
    tag = "sso", params(("id" = String, Path)),
    request_body(content = BackChannelLogout, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "Ended, if there were any")),
)]
pub(super) async fn back_channel(
    anyone: Anyone,
    State(portal): State<Portal>,
    Path(id): Path<ProviderId>,
    Form(body): Form<BackChannelLogout>,
) -> Result<StatusCode, ApiError> {
    refuse_flood(&portal, &anyone)?;
    let gone = || ApiError::not_found(format!("identity provider {id}"));
    let mut tx = portal.store.begin_system().await?;
    let tenant = providers::tenant_of(&mut tx, id).await?.ok_or_else(gone)?;
    drop(tx);
    let mut tx = portal.store.begin(tenant).await?;
    let provider = providers::get(&mut tx, id).await?;
    drop(tx); // keys may have to be read
    let spoken = as_oidc(&portal, &provider)?.ok_or_else(gone)?;
    let now = portal.store.clock().now();
    let oidc = &portal.providers.oidc;
    let token = match oidc
        .verify_logout(&spoken, body.logout_token.expose_secret(), now)
        .await
    {
        Ok(token) => token,
        Err(error) => return Err(refuse(&portal, &anyone, tenant, id, &error.to_string()).await),
    };
    let (by, token_id) = ((tenant, &provider), format!("logout/{}", token.id));
    let begun = message::begin(&portal, &anyone, by, &token_id, now + REMEMBERED);
    let Some(mut tx) = begun.await? else {
        return Err(refuse(&portal, &anyone, tenant, id, "the token was used before").await);
    };
    let subject = token.subject.as_deref();
    let sids: Vec<String> = token.session.into_iter().collect();
    let ended = sessions::end(&mut tx, id, &token.issuer, subject, &sids).await?;
    tx.commit().await?;
    tracing::info!(tenant.id = %tenant, provider.id = %id, ended, "a provider signed somebody out");
    Ok(StatusCode::OK)
}

async fn refuse(
    portal: &Portal,
    anyone: &Anyone,
    tenant: TenantId,
    id: ProviderId,
    why: &str,
) -> ApiError {
    let told = ("sso_backchannel_logout", "the logout token was refused");
    message::refuse(portal, anyone, (tenant, id), told, why).await
}
