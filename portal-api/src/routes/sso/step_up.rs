//! Showing who one is again at the provider one came from, for sensitive actions.

use axum::Json as Answer;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use domain::providers::attempts::{Attempt, Purpose};
use domain::providers::sessions::{OtherSide, of, rename};
use domain::providers::{self, Arrival, Provider, SecondFactor};
use domain::sessions;
use engine::store::audit::Actor;
use serde::Deserialize;
use utoipa::ToSchema;

use super::begin::{Beginning, begin, own_path};
use super::land::{refuse, see};
use super::start::SsoRedirect;
use crate::caller::{Anyone, SignedIn, token};
use crate::error::{ApiError, Slug};
use crate::extract::Json;
use crate::portal::Portal;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StepUpThere {
    /// The page of the console to come back to; its first page unless given.
    #[serde(default)]
    next: Option<String>,
}

/// The provider that this session is from and that can be asked again.
pub(crate) async fn provider_of_session(
    signed_in: &SignedIn,
) -> Result<Option<Provider>, ApiError> {
    let mut tx = signed_in.begin().await?;
    let Some(side) = of(&mut tx, signed_in.session_id()?).await? else {
        return Ok(None);
    };
    let provider = providers::get(&mut tx, side.provider).await?;
    let proof = signed_in.session.proof;
    let has_factor = proof.is_some_and(|proof| proof.has_factor);
    let can = provider.enabled && suffices(&provider, has_factor);
    Ok(can.then_some(provider))
}

/// Who has a second factor here shows it, unless the provider's word stands for one.
fn suffices(provider: &Provider, has_factor: bool) -> bool {
    !has_factor || provider.config.second_factor != SecondFactor::Never
}

/// Begins to show who one is again, at the identity provider
///
/// Of a session that was opened through it. The browser goes there and comes back; the provider asks the
/// user anew, whatever it remembers. Only this session counts as fresh then, and only where the same
/// person comes back in the same browser.
#[utoipa::path(
    post, path = "/session/step-up/provider", operation_id = "step_up_at_provider", tag = "sso",
    request_body = StepUpThere,
    responses((status = 200, description = "Where to go", body = SsoRedirect)),
)]
pub(super) async fn start(
    signed_in: SignedIn,
    headers: HeaderMap,
    Json(body): Json<StepUpThere>,
) -> Result<impl IntoResponse, ApiError> {
    let next = own_path(body.next.as_deref())?;
    let session = signed_in.session_id()?;
    let provider = provider_of_session(&signed_in).await?.ok_or_else(|| {
        let message = "no identity provider can be asked: show your password or second factor";
        ApiError::new(Slug::Conflict, message)
    })?;
    let user = &signed_in.session.user;
    let beginning = Beginning {
        tenant: user.tenant,
        purpose: Purpose::StepUp,
        user: Some(user.id),
        session: Some(session),
        origin: signed_in.origin().to_owned(),
        next,
    };
    let (headers, url) = begin(signed_in.portal(), &provider, beginning, &headers).await?;
    Ok((headers, Answer(SsoRedirect { url })))
}

/// Marks the session that asked as one whose user has just shown who they are.
pub(super) async fn land(
    portal: &Portal,
    anyone: &Anyone,
    headers: &HeaderMap,
    attempt: &Attempt,
    provider: &Provider,
    arrival: &Arrival,
) -> Result<Response, ApiError> {
    let session = match token(headers) {
        None => None,
        Some(token) => sessions::find(&portal.store, &token).await?,
    };
    let session = session.filter(|session| {
        session.id.is_some()
            && session.id == attempt.session
            && session.user.tenant == attempt.tenant
    });
    let (Some(session), Some(id)) = (session, attempt.session) else {
        let why = "who began it is not signed in here any more";
        return Err(refuse(portal, anyone, attempt, why).await);
    };
    let has_factor = session.proof.is_some_and(|proof| proof.has_factor);
    let mut tx = portal.store.begin(attempt.tenant).await?;
    let side = of(&mut tx, id).await?;
    if let Err(why) = is_same(side.as_ref(), provider, arrival, has_factor) {
        drop(tx);
        return Err(refuse(portal, anyone, attempt, why).await);
    }
    tx.act_as(anyone.acting(Actor::User {
        id: session.user.id.0,
        name: session.user.name.clone(),
    }));
    sessions::prove(&mut tx, session.user.id, id, "provider").await?;
    if let Some(sid) = &arrival.session {
        rename(&mut tx, id, sid).await?;
    }
    tx.commit().await?;
    Ok(see(&format!("{}{}", attempt.origin, attempt.next)))
}

/// Whether who came is whom the session is of, as far as the provider's word goes.
fn is_same(
    side: Option<&OtherSide>,
    provider: &Provider,
    arrival: &Arrival,
    has_factor: bool,
) -> Result<(), &'static str> {
    let side = side.ok_or("the session is not of this provider")?;
    if side.provider != provider.id || side.issuer != arrival.issuer {
        return Err("the session is not of this provider");
    }
    if side.subject != arrival.subject {
        return Err("somebody else came back");
    }
    if has_factor && !provider.config.second_factor.is_vouched(&arrival.methods) {
        return Err("the provider does not say that it asked for a second factor");
    }
    Ok(())
}
