//! Single logout by SAML: the provider signs somebody out here, or answers that it has done so there.

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use domain::providers;
use domain::providers::attempts::Purpose;
use domain::providers::{Provider, sessions};
use engine::ids::{ProviderId, TenantId};
use engine::store::audit::Entry;
use identity::saml::{self, Message, Parties, SamlError};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::begin::{blocking, browser};
use super::callback::take;
use super::land::see;
use super::{as_saml, message, refuse_flood, saml_of};
use crate::caller::Anyone;
use crate::error::ApiError;
use crate::extract::{Form, Path};
use crate::portal::Portal;

/// A request or an answer, by a form.
#[derive(Deserialize, ToSchema)]
pub(crate) struct SamlSignOut {
    #[serde(rename = "SAMLRequest")]
    request: Option<String>,
    #[serde(rename = "SAMLResponse")]
    response: Option<String>,
    #[serde(rename = "RelayState")]
    relay_state: Option<String>,
}

/// What a browser brought.
struct Brought {
    message: Message,
    is_request: bool,
    relay_state: Option<String>,
    /// Cookies come along with a redirect; with another site's form they do not.
    browser: Option<Vec<u8>>,
}

/// Takes a message about signing out by redirect
///
/// SAML single logout: a signed request ends the sessions that it names, and the browser takes the signed
/// answer back. An answer to a request of ours ends where one signs in.
#[utoipa::path(
    get, path = "/sso/{id}/slo", operation_id = "saml_sign_out", tag = "sso",
    params(
        ("id" = String, Path),
        ("SAMLRequest" = Option<String>, Query), ("SAMLResponse" = Option<String>, Query),
        ("RelayState" = Option<String>, Query), ("SigAlg" = Option<String>, Query),
        ("Signature" = Option<String>, Query),
    ),
    responses((status = 303, description = "Signed out; the browser goes on")),
)]
pub(super) async fn redirected(
    anyone: Anyone,
    State(portal): State<Portal>,
    Path(id): Path<ProviderId>,
    RawQuery(query): RawQuery,
    headers: axum::http::HeaderMap,
) -> Result<Response, ApiError> {
    let query = query.unwrap_or_default();
    let has = |name: &str| query.split('&').any(|pair| pair.starts_with(name));
    let relay_state = url::form_urlencoded::parse(query.as_bytes())
        .find(|(name, _value)| name == "RelayState")
        .map(|(_name, value)| value.into_owned());
    let brought = Brought {
        is_request: has("SAMLRequest="),
        relay_state,
        browser: Some(browser(&headers).map_or_else(Vec::new, |browser| browser.hash())),
        message: Message::Query(query),
    };
    come(&portal, &anyone, id, brought).await
}

/// Takes a message about signing out by a form
///
/// As by redirect; the signature is inside of the document.
#[utoipa::path(
    post, path = "/sso/{id}/slo", operation_id = "saml_sign_out_form", tag = "sso",
    params(("id" = String, Path)),
    request_body(content = SamlSignOut, content_type = "application/x-www-form-urlencoded"),
    responses((status = 303, description = "Signed out; the browser goes on")),
)]
pub(super) async fn posted(
    anyone: Anyone,
    State(portal): State<Portal>,
    Path(id): Path<ProviderId>,
    Form(form): Form<SamlSignOut>,
) -> Result<Response, ApiError> {
    let is_request = form.request.is_some();
    let field = form.request.or(form.response).unwrap_or_default();
    let decoded = blocking(move || saml::decode(&field)).await?;
    let message = match decoded {
        Ok(document) => Message::Document(document),
        Err(error) => {
            let (tenant, provider, _parties) = parties(&portal, &anyone, id).await?;
            return Err(refuse(&portal, &anyone, tenant, provider.id, &error.to_string()).await);
        }
    };
    let brought = Brought {
        message,
        is_request,
        relay_state: form.relay_state,
        browser: None,
    };
    come(&portal, &anyone, id, brought).await
}

/// The provider that is spoken to, whose it is, and we towards it.
async fn parties(
    portal: &Portal,
    anyone: &Anyone,
    id: ProviderId,
) -> Result<(TenantId, Provider, Parties), ApiError> {
    let gone = || ApiError::not_found(format!("identity provider {id}"));
    let mut tx = portal.store.begin_system().await?;
    let tenant = providers::tenant_of(&mut tx, id).await?.ok_or_else(gone)?;
    drop(tx);
    if anyone.place.tenant.is_some_and(|here| here != tenant) {
        return Err(gone());
    }
    let mut tx = portal.store.begin(tenant).await?;
    let provider = providers::get(&mut tx, id).await?;
    drop(tx);
    let parties = as_saml(portal, &provider, &anyone.place.origin)?.ok_or_else(gone)?;
    Ok((tenant, provider, parties))
}

async fn come(
    portal: &Portal,
    anyone: &Anyone,
    id: ProviderId,
    brought: Brought,
) -> Result<Response, ApiError> {
    refuse_flood(portal, anyone)?;
    let (tenant, provider, parties) = parties(portal, anyone, id).await?;
    if brought.is_request {
        asked(portal, anyone, tenant, &provider, parties, brought).await
    } else {
        answered(portal, anyone, tenant, &provider, parties, brought).await
    }
}

/// The provider signs somebody out.
async fn asked(
    portal: &Portal,
    anyone: &Anyone,
    tenant: TenantId,
    provider: &Provider,
    parties: Parties,
    brought: Brought,
) -> Result<Response, ApiError> {
    let (saml, now) = (saml_of(portal)?, portal.store.clock().now());
    let (message, towards) = (brought.message, parties.clone());
    let read = blocking(move || saml.sign_out_request(&towards, &message, now)).await?;
    let request = match read {
        Ok(request) => request,
        Err(error) => {
            return Err(refuse(portal, anyone, tenant, provider.id, &error.to_string()).await);
        }
    };
    let (by, once) = ((tenant, provider), format!("sign_out/{}", request.id));
    let Some(mut tx) = message::begin(portal, anyone, by, &once, request.valid_until).await? else {
        let why = "the request was used before";
        return Err(refuse(portal, anyone, tenant, provider.id, why).await);
    };
    let subject = Some(request.name_id.as_str());
    let sids = &request.sessions;
    let ended = sessions::end(&mut tx, provider.id, &request.issuer, subject, sids).await?;
    tx.commit().await?;
    tracing::info!(tenant.id = %tenant, provider.id = %provider.id, ended, "a provider signed somebody out");
    let (saml, state) = (saml_of(portal)?, brought.relay_state);
    let answer =
        blocking(move || saml.sign_out_answer(&parties, &request.id, state.as_deref(), now));
    match answer.await? {
        Ok(url) => Ok(see(&url)),
        // It asks, and says nowhere where it would be answered by redirect: here it is done.
        Err(SamlError::Metadata(_)) => Ok(see(&format!("{}/sign-in", anyone.place.origin))),
        Err(error) => Err(ApiError::internal("the answer cannot be written", error)),
    }
}

/// The provider answers a request of ours. The session here has ended before it was asked.
async fn answered(
    portal: &Portal,
    anyone: &Anyone,
    tenant: TenantId,
    provider: &Provider,
    parties: Parties,
    brought: Brought,
) -> Result<Response, ApiError> {
    let attempt = take(portal, anyone, brought.relay_state.as_deref()).await?;
    let is_its_own = attempt.purpose == Purpose::SignOut
        && (attempt.tenant, attempt.provider) == (tenant, provider.id)
        && anyone.place.origin == attempt.origin
        && brought
            .browser
            .is_none_or(|hash| hash == attempt.browser_hash);
    if !is_its_own {
        let why = "it answers what was asked elsewhere";
        return Err(refuse(portal, anyone, tenant, provider.id, why).await);
    }
    let (saml, now) = (saml_of(portal)?, portal.store.clock().now());
    let (message, request) = (brought.message, attempt.request_id.unwrap_or_default());
    let read = blocking(move || saml.signed_out(&parties, &message, &request, now)).await?;
    let answer = match read {
        Ok(answer) => answer,
        Err(error) => {
            return Err(refuse(portal, anyone, tenant, provider.id, &error.to_string()).await);
        }
    };
    let (by, once) = ((tenant, provider), format!("signed_out/{}", answer.id));
    let Some(mut tx) = message::begin(portal, anyone, by, &once, answer.valid_until).await? else {
        let why = "the answer was used before";
        return Err(refuse(portal, anyone, tenant, provider.id, why).await);
    };
    let entry = Entry::new("sign_out_at_provider", "identity_provider", provider.id);
    tx.audit(entry.after(json!({"user": attempt.user, "complete": answer.is_complete})));
    tx.commit().await?;
    if !answer.is_complete {
        tracing::warn!(tenant.id = %tenant, provider.id = %provider.id, "a provider has not ended all sessions");
    }
    Ok(see(&format!("{}{}", attempt.origin, attempt.next)).into_response())
}

async fn refuse(
    portal: &Portal,
    anyone: &Anyone,
    tenant: TenantId,
    id: ProviderId,
    why: &str,
) -> ApiError {
    let told = (
        "saml_sign_out",
        "the message was refused; the reason is in the audit trail of the tenant",
    );
    message::refuse(portal, anyone, (tenant, id), told, why).await
}
