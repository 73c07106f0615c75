use std::collections::BTreeMap;

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use chrono::TimeDelta;
use domain::providers::sessions::{OtherSide, extend, of};
use domain::providers::{self, Provider};
use domain::{security, sessions};
use identity::oidc::OidcError;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use utoipa::ToSchema;

use super::{as_oidc, begin, seal, unseal};
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
pub(super) async fn sign_out(signed_in: SignedIn) -> Result<impl IntoResponse, ApiError> {
    let (user, id) = (signed_in.session.user.id, signed_in.session_id()?);
    let side = other_side(&signed_in).await?;
    let mut tx = signed_in.begin().await?;
    sessions::close(&mut tx, user, id).await?;
    tx.commit().await?;
    let portal = signed_in.portal();
    let mut url = None;
    if let Some((_side, provider, tokens)) = side
        && let Some(spoken) = as_oidc(portal, &provider)?
        && let Some(id_token) = tokens.get("id_token")
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
    let cookie = cookie("", 0);
    Ok((
        StatusCode::OK,
        [(header::SET_COOKIE, cookie)],
        Json(SsoSignOut { url }),
    ))
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
    let refresh_token = tokens.get("refresh_token").ok_or_else(none)?;
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
    let id_token = new(answer.id_token).or_else(|| kept("id_token"));
    let refresh_token = new(answer.refresh_token).or_else(|| kept("refresh_token"));
    let parts = [("id_token", &id_token), ("refresh_token", &refresh_token)];
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
