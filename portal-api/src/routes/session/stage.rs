//! Where every way to sign in ends: a session, or a ticket for the second stage.

use axum::Json;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use domain::factors;
use domain::security::{self, Policy};
use domain::sessions::stages::{self, First, Holder, Opened, Stage, Ticket};
use domain::sessions::{self, From, Token};
use domain::tenants;
use domain::users::User;
use engine::Tx;
use engine::store::audit::Actor;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Session, cookie};
use crate::caller::{Anyone, cookie_of};
use crate::error::ApiError;
use crate::portal::Portal;

/// Name of the cookie that stands for the first stage.
const TICKET: &str = "syncline_second";
/// Name of the cookie by which a browser is remembered.
const DEVICE: &str = "syncline_device";

/// A second factor is owed. The first stage is done; there is no session yet.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SecondStage {
    /// What the user can show, best first: totp, passkey, sms, backup_code. Empty where an admin has to
    /// help.
    methods: Vec<&'static str>,
    /// Until when the second stage must be done.
    expires_at: DateTime<Utc>,
    /// For how many days this browser can be remembered; 0 where it cannot.
    device_days: i32,
}

pub(super) fn actor(user: &User) -> Actor {
    Actor::User {
        id: user.id.0,
        name: user.name.clone(),
    }
}

/// Where a request comes from.
pub(super) fn origin_of(anyone: &Anyone, headers: &HeaderMap) -> From {
    let agent = headers.get(header::USER_AGENT);
    From {
        address: anyone.address.map(|address| address.to_string()),
        agent: agent.and_then(|agent| Some(agent.to_str().ok()?.to_owned())),
    }
}

/// Ends a sign-in whose first stage `user` has passed, however that was: with a password, a passkey, or
/// because an outside provider vouched. The user is active. Answers a session (200, with
/// its cookie) or what the second stage takes (202, with the ticket's cookie).
pub(crate) async fn finish_sign_in(
    portal: &Portal,
    anyone: &Anyone,
    headers: &HeaderMap,
    user: &User,
    first: First,
) -> Result<Response, ApiError> {
    let mut tx = portal.store.begin(user.tenant).await?;
    tx.act_as(anyone.acting(actor(user)));
    let stage = pass_first(&mut tx, anyone, headers, user, first).await?;
    match &stage {
        Stage::Open(opened) => {
            tx.commit().await?;
            entered(portal, opened, HeaderMap::new()).await
        }
        Stage::Second(Ticket { until, .. }) => {
            let answer = second_stage(portal, &mut tx, user, *until).await?;
            tx.commit().await?;
            let headers = HeaderMap::from_iter([(header::SET_COOKIE, cookie_for(&stage))]);
            Ok((StatusCode::ACCEPTED, headers, Json(answer)).into_response())
        }
    }
}

/// Ends the first stage of a sign-in by `user`, who is active, within a transaction that acts for them:
/// they have a session, or owe a second factor. [`cookie_for`] is what their browser is given.
pub(crate) async fn pass_first(
    tx: &mut Tx,
    anyone: &Anyone,
    headers: &HeaderMap,
    user: &User,
    first: First,
) -> Result<Stage, ApiError> {
    if tenants::is_suspended(tx).await? {
        return Err(ApiError::unauthenticated());
    }
    let policy = security::current(tx).await?.policy;
    let device = cookie_of(headers, DEVICE);
    let from = origin_of(anyone, headers);
    Ok(stages::proceed(tx, user, &policy, first, device.as_ref(), &from).await?)
}

/// The cookie of a session, or of the ticket for the second stage.
pub(crate) fn cookie_for(stage: &Stage) -> HeaderValue {
    match stage {
        Stage::Open(opened) => cookie(opened.token.expose(), opened.seconds),
        Stage::Second(ticket) => {
            let seconds = stages::SECOND_STAGE.num_seconds();
            named(TICKET, ticket.token.expose(), seconds)
        }
    }
}

/// What the second stage of `user` takes.
pub(super) async fn second_stage(
    portal: &Portal,
    tx: &mut Tx,
    user: &User,
    until: DateTime<Utc>,
) -> Result<SecondStage, ApiError> {
    let methods = factors::of_user(tx, user.id)
        .await?
        .methods(&portal.factors);
    Ok(SecondStage {
        methods: methods.into_iter().map(|factor| factor.as_str()).collect(),
        expires_at: until,
        device_days: security::current(tx).await?.policy.device_days,
    })
}

/// The answer that carries a new session, with further headers.
pub(super) async fn entered(
    portal: &Portal,
    opened: &Opened,
    more: HeaderMap,
) -> Result<Response, ApiError> {
    let session = sessions::find(&portal.store, &opened.token).await?;
    let session = session.ok_or_else(ApiError::unauthenticated)?;
    let mut headers = HeaderMap::new();
    let own = cookie(opened.token.expose(), opened.seconds);
    headers.append(header::SET_COOKIE, own);
    for (name, value) in &more {
        headers.append(HeaderName::clone(name), HeaderValue::clone(value));
    }
    Ok((headers, Json(Session::from(session))).into_response())
}

/// Who is in the second stage, with the ticket that says so.
pub(super) async fn holder(
    portal: &Portal,
    headers: &HeaderMap,
) -> Result<(Holder, Token), ApiError> {
    let ticket = cookie_of(headers, TICKET).ok_or_else(ApiError::unauthenticated)?;
    let holder = stages::holder(&portal.store, &ticket).await?;
    let holder = holder.ok_or_else(ApiError::unauthenticated)?;
    Ok((holder, ticket))
}

/// Takes the ticket away, and remembers the browser where that is wished and allowed.
pub(super) async fn afterwards(
    tx: &mut Tx,
    user: &User,
    policy: &Policy,
    from: &From,
    remember: bool,
) -> Result<HeaderMap, ApiError> {
    let mut headers = HeaderMap::new();
    headers.append(header::SET_COOKIE, named(TICKET, "", 0));
    if !remember {
        return Ok(headers);
    }
    let token = Token::fresh()
        .map_err(|error| ApiError::internal("the browser cannot be remembered", error))?;
    let until = factors::devices::remember(tx, user.id, policy, &token, from).await?;
    if until.is_some() {
        let seconds = i64::from(policy.device_days) * 86_400;
        let value = named(DEVICE, token.expose(), seconds);
        headers.append(header::SET_COOKIE, value);
    }
    Ok(headers)
}

/// A cookie that goes to where one signs in only. Sign-ins through providers end beside `session`, and
/// look whether the browser is remembered.
fn named(name: &str, token: &str, seconds: i64) -> HeaderValue {
    let path = match name {
        DEVICE => "/api/v1",
        _ => "/api/v1/session",
    };
    let text = format!("{name}={token}; HttpOnly; SameSite=Lax; Path={path}; Max-Age={seconds}");
    HeaderValue::from_str(&text).expect("a token is base64")
}
