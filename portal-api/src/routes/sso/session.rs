use std::collections::BTreeMap;

use axum::Json;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use chrono::TimeDelta;
use domain::providers::attempts::{self, Attempt, LONGEST, Purpose};
use domain::providers::sessions::{OtherSide, extend, of};
use domain::providers::{self, Endpoint, Provider};
use domain::{security, sessions};
use engine::ids::AttemptId;
use identity::oidc::OidcError;
use identity::saml;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    ID_TOKEN, NAME_FORMAT, REFRESH_TOKEN, as_oidc, as_saml, begin, fresh, saml_of, seal, unseal,
};
use crate::caller::SignedIn;
use crate::error::{ApiError, Slug};
use crate::routes::session::cookie;

/// Where the other side of the session ends.
#[derive(Serialize, ToSchema)]
pub(crate) struct SsoSignOut {
    /// Where the browser goes to be signed out at the provider too; null where there is no such place.
    url: Option<String>,
}

type Tokens = BTreeMap<String, SecretString>;

async fn other_side(
    signed_in: &SignedIn,
) -> Result<Option<(OtherSide, Provider, Tokens)>, ApiError> {
    let session = signed_in.session_id()?;
    let mut tx = signed_in.begin().await?;
    let Some(side) = of(&mut tx, session).await? else {
        return Ok(None);
    };
    let provider = providers::get(&mut tx, side.provider).await?;
    drop(tx);
    let tokens = match &side.tokens {
        None => Tokens::new(),
        Some(sealed) => unseal(
            &signed_in.portal().factors.vault,
            &OtherSide::owner(session),
            sealed,
        )?,
    };
    Ok(Some((side, provider, tokens)))
}

/// Signs out here and at the identity provider
///
/// The session here has ended when this is answered; the browser then goes to `url`.
#[utoipa::path(
    post, path = "/session/sso-sign-out", operation_id = "sso_sign_out", tag = "sso",
    responses((status = 200, description = "Signed out; the cookie is gone", body = SsoSignOut)),
)]
pub(super) async fn sign_out(
    signed_in: SignedIn,
    headers: HeaderMap,
) -> Result<impl IntoResponse, ApiError> {
    let (user, id) = (signed_in.session.user.id, signed_in.session_id()?);
    let side = other_side(&signed_in).await?;
    let mut tx = signed_in.begin().await?;
    sessions::close(&mut tx, user, id).await?;
    tx.commit().await?;
    let portal = signed_in.portal();
    let mut url = None;
    let mut more = HeaderMap::new();
    if let Some((side, provider, tokens)) = &side
        && let Endpoint::Saml {
            single_logout: true,
            ..
        } = provider.config.endpoint
    {
        let format = tokens.get(NAME_FORMAT);
        let name = saml::Name {
            value: side.subject.clone(),
            format: format.map(|format| format.expose_secret().to_owned()),
        };
        match ask_saml(&signed_in, provider, name, side.sid.clone(), &headers).await {
            Ok((cookie, address)) => (more, url) = (cookie, Some(address)),
            // Here it has ended, whatever the provider does.
            Err(error) => tracing::warn!(?error, "the provider cannot be asked to sign out"),
        }
    }
    if let Some((_side, provider, tokens)) = side
        && let Some(spoken) = as_oidc(portal, &provider)?
        && let Some(id_token) = tokens.get(ID_TOKEN)
    {
        let back_to = format!("{}/sign-in", signed_in.origin());
        let found = portal
            .providers
            .oidc
            .sign_out_url(&spoken, id_token, &back_to)
            .await;
        match found {
            Ok(found) => url = found.map(|url| url.to_string()),
            // Here it has ended, whatever the provider does.
            Err(error) => tracing::warn!(%error, "the provider cannot be asked to sign out"),
        }
    }
    more.append(header::SET_COOKIE, cookie("", 0));
    Ok((StatusCode::OK, more, Json(SsoSignOut { url })))
}

/// Asks a SAML provider to sign the user out there too; the answer comes back to this browser.
async fn ask_saml(
    signed_in: &SignedIn,
    provider: &Provider,
    name: saml::Name,
    sid: Option<String>,
    headers: &HeaderMap,
) -> Result<(HeaderMap, String), ApiError> {
    let (portal, origin) = (signed_in.portal(), signed_in.origin());
    let saml = saml_of(portal)?;
    let parties = as_saml(portal, provider, origin)?
        .ok_or_else(|| ApiError::new(Slug::Internal, "the provider does not speak SAML"))?;
    let (state, browser) = (fresh()?, begin::browser(headers).map_or_else(fresh, Ok)?);
    let now = portal.store.clock().now();
    let relay_state = state.expose().to_owned();
    let begun =
        begin::blocking(move || saml.sign_out(&parties, &name, sid.as_deref(), &relay_state, now));
    let begun = begun
        .await?
        .map_err(|error| ApiError::new(Slug::PeerFailed, error.to_string()))?;
    let user = &signed_in.session.user;
    let attempt = Attempt {
        tenant: user.tenant,
        id: AttemptId::fresh(),
        provider: provider.id,
        purpose: Purpose::SignOut,
        user: Some(user.id),
        session: None,
        config_version: provider.config_version,
        secrets: None,
        request_id: Some(begun.request_id),
        origin: origin.to_owned(),
        next: "/sign-in".to_owned(),
        outcome: None,
        browser_hash: browser.hash(),
        begun_at: now,
    };
    let mut tx = portal.store.begin(user.tenant).await?;
    attempts::begin(&mut tx, &attempt, &state, now + LONGEST).await?;
    tx.commit().await?;
    Ok((begin::cookie(&browser)?, begun.url))
}

/// Asks the identity provider whether the session still holds
///
/// Where it does, the session holds for another `session_minutes` of the provider, within what the
/// security policy allows. Where the provider says no, the session has ended.
#[utoipa::path(
    post, path = "/session/sso-refresh", operation_id = "refresh_sso", tag = "sso",
    responses((status = 204, description = "It holds")),
)]
pub(super) async fn refresh(signed_in: SignedIn) -> Result<StatusCode, ApiError> {
    let none = || ApiError::new(Slug::Conflict, "this session cannot be refreshed");
    let (user, session) = (signed_in.session.user.id, signed_in.session_id()?);
    let (side, provider, tokens) = other_side(&signed_in).await?.ok_or_else(none)?;
    let portal = signed_in.portal();
    let spoken = as_oidc(portal, &provider)?.ok_or_else(none)?;
    let refresh_token = tokens.get(REFRESH_TOKEN).ok_or_else(none)?;
    let oidc = &portal.providers.oidc;
    let answer = match oidc.refresh(&spoken, refresh_token).await {
        Ok(answer) => answer,
        Err(OidcError::Refused(code)) if code == "invalid_grant" => {
            let mut tx = signed_in.begin().await?;
            sessions::close(&mut tx, user, session).await?;
            tx.commit().await?;
            return Err(ApiError::unauthenticated());
        }
        Err(error) => return Err(begin::unreachable(&error)),
    };
    if let Some(id_token) = &answer.id_token {
        let access_token = answer.access_token.expose_secret();
        let now = portal.store.clock().now();
        let claims = oidc
            .verify(
                &spoken,
                id_token.expose_secret(),
                None,
                Some(access_token),
                now,
            )
            .await
            .map_err(|error| begin::unreachable(&error))?;
        let is_same = claims.get("sub").and_then(|sub| sub.as_str()) == Some(&side.subject);
        if !is_same {
            return Err(ApiError::new(
                Slug::PeerFailed,
                "the identity provider speaks of somebody else",
            ));
        }
    }
    let kept = |name: &str| {
        tokens
            .get(name)
            .map(|token| token.expose_secret().to_owned())
    };
    let new = |token: Option<SecretString>| token.map(|token| token.expose_secret().to_owned());
    let id_token = new(answer.id_token).or_else(|| kept(ID_TOKEN));
    let refresh_token = new(answer.refresh_token).or_else(|| kept(REFRESH_TOKEN));
    let parts = [(ID_TOKEN, &id_token), (REFRESH_TOKEN, &refresh_token)];
    let parts = parts
        .into_iter()
        .filter_map(|(name, token)| Some((name, token.as_deref()?)))
        .collect();
    let sealed = seal(&portal.factors.vault, &OtherSide::owner(session), &parts)?;
    let mut tx = signed_in.begin().await?;
    let policy = security::current(&mut tx).await?.policy;
    let minutes = provider
        .config
        .session_minutes
        .unwrap_or(policy.absolute_minutes);
    let rows = sessions::list(&mut tx, user, &policy).await?;
    let opened = rows.iter().find(|row| row.id == session).ok_or_else(none)?;
    let longest = opened.created_at + TimeDelta::minutes(policy.absolute_minutes.into());
    let until = (tx.now() + TimeDelta::minutes(minutes.into())).min(longest);
    extend(&mut tx, session, &sealed, until).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
