//! Signing in through a tenant's identity providers.

mod acs;
mod back_channel;
mod begin;
mod callback;
mod finish;
mod identities;
mod land;
mod message;
mod metadata;
mod options;
mod session;
mod slo;
mod start;
mod step_up;

use std::collections::BTreeMap;

use domain::providers::{Endpoint, Provider, owner};
use domain::sessions::Token;
use engine::vault::Vault;
use identity::{oidc, saml};
use secrecy::{ExposeSecret, SecretString};
use utoipa_axum::router::OpenApiRouter;

pub(crate) use begin::{Beginning, begin};
pub(crate) use step_up::provider_of_session;

use crate::caller::Anyone;
use crate::error::{ApiError, Slug};
use crate::permit::routes;
use crate::portal::Portal;

pub(super) fn router() -> OpenApiRouter<Portal> {
    OpenApiRouter::new()
        .routes(routes!(options::options))
        .routes(routes!(start::start))
        .routes(routes!(callback::callback))
        .routes(routes!(finish::finish))
        .routes(routes!(acs::acs))
        .routes(routes!(metadata::metadata))
        .routes(routes!(back_channel::back_channel))
        .routes(routes!(slo::redirected, slo::posted))
        .routes(routes!(step_up::start))
        .routes(routes!(session::sign_out))
        .routes(routes!(session::refresh))
        .routes(routes!(identities::list, identities::link))
        .routes(routes!(identities::unlink))
}

/// What a caller is told whose sign-in came to nothing; the reason is in the audit trail.
fn refused() -> ApiError {
    ApiError::new(
        Slug::Unauthenticated,
        "the sign-in was refused; the reason is in the audit trail of the tenant",
    )
}

/// What a caller is told whose answer belongs to no sign-in.
fn unknown() -> ApiError {
    ApiError::new(
        Slug::Unauthenticated,
        "this sign-in was used, has expired, or was not begun here",
    )
}

/// Where a provider sends browsers back to.
pub(crate) fn redirect_uri(origin: &str) -> String {
    format!("{origin}/api/v1/sso/callback")
}

/// The provider's secret in the clear.
fn secret(vault: &Vault, provider: &Provider) -> Result<Option<SecretString>, ApiError> {
    let Some(sealed) = &provider.secret else {
        return Ok(None);
    };
    let plain = vault
        .open(&owner(provider.id), sealed)
        .map_err(|error| ApiError::internal("the provider's secret cannot be opened", error))?;
    let text = String::from_utf8(plain.expose_secret().to_vec())
        .map_err(|error| ApiError::internal("the provider's secret is no text", error))?;
    Ok(Some(text.into()))
}

/// A provider of OpenID Connect, as it is spoken to; `None` where it speaks something else.
pub(crate) fn as_oidc(
    portal: &Portal,
    provider: &Provider,
) -> Result<Option<oidc::Provider>, ApiError> {
    let Endpoint::Oidc {
        issuer,
        client_id,
        scopes,
        issuer_per_tenant,
    } = &provider.config.endpoint
    else {
        return Ok(None);
    };
    Ok(Some(oidc::Provider {
        issuer: issuer.clone(),
        issuer_per_tenant: *issuer_per_tenant,
        client_id: client_id.clone(),
        secret: secret(&portal.factors.vault, provider)?,
        scopes: scopes.clone(),
    }))
}

/// A provider of SAML and we towards it; `None` where it speaks something else.
pub(crate) fn as_saml(
    portal: &Portal,
    provider: &Provider,
    origin: &str,
) -> Result<Option<saml::Parties>, ApiError> {
    let Endpoint::Saml {
        metadata,
        certificate,
        ..
    } = &provider.config.endpoint
    else {
        return Ok(None);
    };
    let base = format!("{origin}/api/v1/sso/{}", provider.id);
    let private_key = secret(&portal.factors.vault, provider)?;
    Ok(Some(saml::Parties {
        entity_id: format!("{base}/metadata"),
        acs_url: format!("{base}/acs"),
        slo_url: format!("{base}/slo"),
        metadata: metadata.clone(),
        certificate: certificate.clone(),
        private_key: private_key
            .ok_or_else(|| ApiError::new(Slug::Internal, "the provider has no key of ours"))?,
    }))
}

/// What speaks SAML, if this build has it.
pub(crate) fn saml_of(portal: &Portal) -> Result<std::sync::Arc<dyn saml::Saml>, ApiError> {
    portal
        .providers
        .saml
        .clone()
        .ok_or_else(|| ApiError::new(Slug::Conflict, "this build of the hub does not speak SAML"))
}

/// A fresh secret.
fn fresh() -> Result<Token, ApiError> {
    Token::fresh().map_err(|error| ApiError::internal("the sign-in cannot be begun", error))
}

/// Seals small texts by their names.
fn seal(vault: &Vault, owner: &str, parts: &BTreeMap<&str, &str>) -> Result<Vec<u8>, ApiError> {
    let plain = serde_json::to_vec(parts).expect("texts are JSON");
    vault
        .seal(owner, &plain)
        .map_err(|error| ApiError::internal("the sign-in cannot be sealed", error))
}

/// Opens what [`seal`] sealed.
fn unseal(
    vault: &Vault,
    owner: &str,
    sealed: &[u8],
) -> Result<BTreeMap<String, SecretString>, ApiError> {
    let failed = |error: engine::vault::VaultError| {
        ApiError::internal("the sign-in cannot be opened", error)
    };
    let plain = vault.open(owner, sealed).map_err(failed)?;
    serde_json::from_slice(plain.expose_secret())
        .map_err(|error| ApiError::internal("the sign-in cannot be read", error))
}

/// Slows down whoever sends answers that belong to no sign-in.
fn refuse_flood(portal: &Portal, anyone: &Anyone) -> Result<(), ApiError> {
    crate::routes::session::refuse_guessing(portal, anyone.address, COUNTED)
}

/// What is kept of a session by SAML to sign it out there: in which form the provider names its user.
const NAME_FORMAT: &str = "name_format";
/// What is kept of one by OpenID Connect.
const ID_TOKEN: &str = "id_token";
const REFRESH_TOKEN: &str = "refresh_token";

/// Counted beside the addresses of sign-in.
const COUNTED: &str = "an identity provider";
