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
use engine::store::audit::{Actor, Entry};
use serde::Serialize;
use serde_json::json;
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
/// because an outside provider vouched. The user is active and not locked. Answers a session (200, with
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
    if tenants::is_suspended(&mut tx).await? {
        tx.audit(Entry::refused("sign_in", "user", user.id).after(json!({"why": "suspended"})));
        tx.commit().await?;
        return Err(ApiError::unauthenticated());
    }
    let policy = security::current(&mut tx).await?.policy;
    let device = cookie_of(headers, DEVICE);
    let from = origin_of(anyone, headers);
    let stage = stages::proceed(&mut tx, user, &policy, first, device.as_ref(), &from).await?;
    match stage {
        Stage::Open(opened) => {
            tx.commit().await?;
            entered(portal, &opened, HeaderMap::new()).await
        }
        Stage::Second(Ticket { token, until }) => {
            let owned = factors::of_user(&mut tx, user.id).await?;
            tx.commit().await?;
            let methods = owned.methods(&portal.factors);
            let answer = SecondStage {
                methods: methods.into_iter().map(|factor| factor.as_str()).collect(),
                expires_at: until,
                device_days: policy.device_days,
            };
            let seconds = stages::SECOND_STAGE.num_seconds();
            let ticket = named(TICKET, token.expose(), seconds, portal.https);
            let headers = HeaderMap::from_iter([(header::SET_COOKIE, ticket)]);
            Ok((StatusCode::ACCEPTED, headers, Json(answer)).into_response())
        }
    }
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
    let own = cookie(opened.token.expose(), opened.seconds, portal.https);
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
    portal: &Portal,
    user: &User,
    policy: &Policy,
    from: &From,
    remember: bool,
) -> Result<HeaderMap, ApiError> {
    let mut headers = HeaderMap::new();
    headers.append(header::SET_COOKIE, named(TICKET, "", 0, portal.https));
    if !remember {
        return Ok(headers);
    }
    let token = Token::fresh()
        .map_err(|error| ApiError::internal("the browser cannot be remembered", error))?;
    let until = factors::devices::remember(tx, user.id, policy, &token, from).await?;
    if until.is_some() {
        let seconds = i64::from(policy.device_days) * 86_400;
        let value = named(DEVICE, token.expose(), seconds, portal.https);
        headers.append(header::SET_COOKIE, value);
    }
    Ok(headers)
}

/// A cookie that goes to sign-in only.
fn named(name: &str, token: &str, seconds: i64, https: bool) -> HeaderValue {
    let secure = if https { "; Secure" } else { "" };
    let text = format!(
        "{name}={token}; HttpOnly; SameSite=Lax; Path=/api/v1/session; Max-Age={seconds}{secure}"
    );
    HeaderValue::from_str(&text).expect("a token is base64")
}
