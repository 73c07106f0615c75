//! The second stage of signing in.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use domain::factors::challenges::{self, Purpose};
use domain::factors::{Factor, codes, passkeys};
use domain::mails::SignInNotice;
use domain::security;
use domain::sessions::Token;
use domain::sessions::stages::{self, Holder};
use domain::users::User;
use engine::Tx;
use engine::store::audit::Actor;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::time::Instant;
use utoipa::ToSchema;

use super::Session;
use super::sign_in::{refuse_guessing, refuse_slowly};
use super::stage::{SecondStage, actor, afterwards, entered, holder, origin_of, second_stage};
use crate::caller::Anyone;
use crate::error::{ApiError, Slug};
use crate::extract::Json;
use crate::portal::Portal;
use crate::routes::factors::{PasskeyAnswer, PasskeyQuestion, party, send_code, tell};

/// What wrong codes are counted by, beside the addresses of sign-in.
fn counted(user: &User) -> String {
    format!("second {}", user.email)
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SecondFactor {
    /// totp, sms or backup_code
    method: String,
    #[schema(value_type = String, format = "password")]
    code: SecretString,
    /// Do not ask this browser again for as long as the policy says.
    #[serde(default)]
    remember: bool,
}

/// What the second stage takes
///
/// For whoever has passed the first one elsewhere: an identity provider sends browsers back to pages.
#[utoipa::path(
    get, path = "/session/second", operation_id = "get_second_stage", tag = "session",
    responses((status = 200, description = "A second factor is owed", body = SecondStage)),
)]
pub(super) async fn get(
    _anyone: Anyone,
    State(portal): State<Portal>,
    headers: HeaderMap,
) -> Result<axum::Json<SecondStage>, ApiError> {
    let (Holder { user, until }, _ticket) = holder(&portal, &headers).await?;
    let mut tx = portal.store.begin(user.tenant).await?;
    let stage = second_stage(&portal, &mut tx, &user, until).await?;
    Ok(axum::Json(stage))
}

/// Signs in: the second stage, with a code
///
/// The cookie of the first stage says for whom. Wrong, used and old codes are answered alike; five in a
/// row lock the account for a while.
#[utoipa::path(
    post, path = "/session/second", operation_id = "sign_in_second", tag = "session",
    request_body = SecondFactor,
    responses((status = 200, description = "Signed in; the cookie is set", body = Session)),
)]
pub(super) async fn second(
    anyone: Anyone,
    State(portal): State<Portal>,
    headers: HeaderMap,
    Json(body): Json<SecondFactor>,
) -> Result<Response, ApiError> {
    let started = Instant::now();
    let kind = code_kind(&body.method)?;
    let (Holder { user, .. }, ticket) = holder(&portal, &headers).await?;
    refuse_guessing(&portal, anyone.address, &counted(&user))?;
    let mut tx = portal.store.begin(user.tenant).await?;
    tx.act_as(anyone.acting(stranger()));
    let policy = security::current(&mut tx).await?.policy;
    let (vault, code) = (&portal.factors.vault, body.code.expose_secret());
    let checked = codes::check(&mut tx, vault, user.id, &policy, kind, code).await?;
    if let codes::Checked::Wrong { closed } = checked {
        if closed.is_some() {
            tell(&portal, &mut tx, &user, SignInNotice::CodesLocked).await?;
        }
        tx.commit().await?;
        return Err(refuse(&portal, &anyone, &user, started).await);
    }
    let browser = (&anyone, &headers, body.remember);
    enter(&portal, tx, &user, &ticket, kind, browser).await
}

/// Ends the second stage after a factor was right, in the transaction that took it.
async fn enter(
    portal: &Portal,
    mut tx: Tx,
    user: &User,
    ticket: &Token,
    factor: Factor,
    (anyone, headers, remember): (&Anyone, &HeaderMap, bool),
) -> Result<Response, ApiError> {
    tx.act_as(anyone.acting(actor(user)));
    let policy = security::current(&mut tx).await?.policy;
    let from = origin_of(anyone, headers);
    let opened = stages::complete(&mut tx, ticket, user, &policy, factor, &from).await?;
    let Some(opened) = opened else {
        return Err(ApiError::unauthenticated());
    };
    if factor == Factor::BackupCode {
        tell(portal, &mut tx, user, SignInNotice::BackupCodeUsed).await?;
    }
    let more = afterwards(&mut tx, user, &policy, &from, remember).await?;
    tx.commit().await?;
    portal.throttle().succeeded(anyone.address, &counted(user));
    entered(portal, &opened, more).await
}

/// Sends a code for the second stage
///
/// To the number that the user set up; at most one in half a minute and six in an hour.
#[utoipa::path(
    post, path = "/session/second/sms", operation_id = "send_second_code", tag = "session",
    responses((status = 202, description = "Handed to the provider")),
)]
pub(super) async fn send(
    anyone: Anyone,
    State(portal): State<Portal>,
    headers: HeaderMap,
) -> Result<StatusCode, ApiError> {
    let (Holder { user, .. }, _ticket) = holder(&portal, &headers).await?;
    let mut tx = portal.store.begin(user.tenant).await?;
    tx.act_as(anyone.acting(stranger()));
    send_code(&portal, tx, user.id, true).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Asks for a passkey as the second stage
#[utoipa::path(
    post, path = "/session/second/passkey/question", operation_id = "ask_second_passkey",
    tag = "session",
    responses((status = 200, description = "What the browser is to sign", body = PasskeyQuestion)),
)]
pub(super) async fn ask(
    _anyone: Anyone,
    State(portal): State<Portal>,
    headers: HeaderMap,
) -> Result<axum::Json<PasskeyQuestion>, ApiError> {
    let (Holder { user, .. }, _ticket) = holder(&portal, &headers).await?;
    let owner = (user.tenant, user.id);
    let asked =
        passkeys::start_proof(party(&portal)?, &portal.store, owner, Purpose::Second).await?;
    let asked = asked.ok_or_else(|| ApiError::new(Slug::Conflict, "there is no passkey"))?;
    Ok(axum::Json(asked.into()))
}

/// Signs in: the second stage, with a passkey
#[utoipa::path(
    post, path = "/session/second/passkey", operation_id = "sign_in_second_passkey",
    tag = "session", request_body = PasskeyAnswer,
    responses((status = 200, description = "Signed in; the cookie is set", body = Session)),
)]
pub(super) async fn answer(
    anyone: Anyone,
    State(portal): State<Portal>,
    headers: HeaderMap,
    Json(body): Json<PasskeyAnswer>,
) -> Result<Response, ApiError> {
    let started = Instant::now();
    let (Holder { user, .. }, ticket) = holder(&portal, &headers).await?;
    refuse_guessing(&portal, anyone.address, &counted(&user))?;
    let question = Token::of(body.question.expose_secret());
    let asked = challenges::take(&portal.store, Purpose::Second, Some(user.id), &question).await?;
    let mut tx = portal.store.begin(user.tenant).await?;
    tx.act_as(anyone.acting(stranger()));
    let party = party(&portal)?;
    if !passkeys::finish_proof(party, &mut tx, user.id, asked, &body.answer).await? {
        tx.commit().await?;
        return Err(refuse(&portal, &anyone, &user, started).await);
    }
    let browser = (&anyone, &headers, body.remember);
    enter(&portal, tx, &user, &ticket, Factor::Passkey, browser).await
}

fn stranger() -> Actor {
    Actor::System {
        name: "stranger".to_owned(),
    }
}

/// A kind of code that is typed.
pub(super) fn code_kind(method: &str) -> Result<Factor, ApiError> {
    match Factor::of(method) {
        Some(kind @ (Factor::Totp | Factor::Sms | Factor::BackupCode)) => Ok(kind),
        _ => Err(ApiError::invalid(
            "/method",
            "method must be totp, sms or backup_code",
        )),
    }
}

/// What a wrong code or passkey is told, no sooner than a wrong password.
async fn refuse(portal: &Portal, anyone: &Anyone, user: &User, started: Instant) -> ApiError {
    tracing::info!(tenant.id = %user.tenant, user.id = %user.id, "a second factor was wrong");
    metrics::counter!("syncline_second_factor_failures_total").increment(1);
    let why = "this is not right, was used before, or the account is locked for a while";
    refuse_slowly(portal, anyone.address, &counted(user), started, why).await
}
