//! Showing who one is again, for sensitive actions.

use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use domain::factors::challenges::{self, Purpose};
use domain::factors::{codes, passkeys};
use domain::mails::SignInNotice;
use domain::sessions::{self, Token};
use domain::{security, users};
use engine::store::audit::Entry;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::second::code_kind;
use super::sign_in::refuse_guessing;
use crate::caller::{Anyone, SignedIn};
use crate::error::{ApiError, Slug};
use crate::extract::Json;
use crate::portal::Portal;
use crate::routes::factors::{PasskeyAnswer, PasskeyQuestion, party, send_code, tell};

/// Who has a second factor shows it; who has none shows the password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StepUp {
    /// password, totp, sms or backup_code
    method: String,
    /// The password, or the code.
    #[schema(value_type = String, format = "password")]
    secret: SecretString,
}

/// Until when sensitive actions ask for nothing more.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Stepped {
    fresh_until: DateTime<Utc>,
}

/// Shows who one is again
///
/// Some actions need it when the last time was a while ago: they answer `step-up-required`, and
/// `permissions.md` marks them.
#[utoipa::path(
    post, path = "/session/step-up", operation_id = "step_up", tag = "session",
    request_body = StepUp,
    responses((status = 200, description = "Shown", body = Stepped)),
)]
pub(super) async fn step_up(
    signed_in: SignedIn,
    anyone: Anyone,
    State(portal): State<Portal>,
    Json(body): Json<StepUp>,
) -> Result<axum::Json<Stepped>, ApiError> {
    let session = signed_in.session_id()?;
    let user = &signed_in.session.user;
    let counted = format!("step-up {}", user.email);
    refuse_guessing(&portal, anyone.address, &counted)?;
    let has_factor = signed_in
        .session
        .proof
        .is_some_and(|proof| proof.has_factor);
    if body.method == "password" {
        if has_factor {
            let message = "show your second factor: the password alone is not enough";
            return Err(ApiError::invalid("/method", message));
        }
        let mut tx = signed_in.begin().await?;
        let stored = users::password_hashes(&mut tx, user.id, 0).await?;
        drop(tx); // checking takes a while
        let right = portal
            .passwords
            .matches(body.secret, stored.first().cloned())
            .await;
        let right =
            right.map_err(|error| ApiError::internal("the password cannot be checked", error))?;
        let mut tx = signed_in.begin().await?;
        if !right {
            portal.throttle().failed(anyone.address, &counted);
            let policy = security::current(&mut tx).await?.policy;
            users::failed(&mut tx, user.id, &policy).await?;
            tx.commit().await?;
            return Err(ApiError::invalid("/secret", "this is not the password"));
        }
        sessions::prove(&mut tx, user.id, session, "password").await?;
        tx.commit().await?;
        portal.throttle().succeeded(anyone.address, &counted);
        return stepped(&signed_in).await;
    }
    let kind = code_kind(&body.method)?;
    let mut tx = signed_in.begin().await?;
    let policy = security::current(&mut tx).await?.policy;
    let (vault, code) = (&portal.factors.vault, body.secret.expose_secret());
    let checked = codes::check(&mut tx, vault, user.id, &policy, kind, code).await?;
    if let codes::Checked::Wrong { closed } = checked {
        if closed.is_some() {
            tell(&portal, &mut tx, user, SignInNotice::CodesLocked).await?;
        }
        tx.commit().await?;
        portal.throttle().failed(anyone.address, &counted);
        return Err(ApiError::invalid(
            "/secret",
            "this is not right, was used before, or the account is locked for a while",
        ));
    }
    sessions::prove(&mut tx, user.id, session, kind.as_str()).await?;
    tx.commit().await?;
    stepped(&signed_in).await
}

/// Sends a code to show who one is
#[utoipa::path(
    post, path = "/session/step-up/sms", operation_id = "send_step_up_code", tag = "session",
    responses((status = 202, description = "Handed to the provider")),
)]
pub(super) async fn send(
    signed_in: SignedIn,
    State(portal): State<Portal>,
) -> Result<StatusCode, ApiError> {
    signed_in.session_id()?;
    let tx = signed_in.begin().await?;
    send_code(&portal, tx, signed_in.session.user.id, true).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Asks for a passkey, to show who one is
#[utoipa::path(
    post, path = "/session/step-up/passkey/question", operation_id = "ask_step_up_passkey",
    tag = "session",
    responses((status = 200, description = "What the browser is to sign", body = PasskeyQuestion)),
)]
pub(super) async fn ask(
    signed_in: SignedIn,
    State(portal): State<Portal>,
) -> Result<axum::Json<PasskeyQuestion>, ApiError> {
    signed_in.session_id()?;
    let user = &signed_in.session.user;
    let owner = (user.tenant, user.id);
    let asked =
        passkeys::start_proof(party(&portal)?, &portal.store, owner, Purpose::StepUp).await?;
    let asked = asked.ok_or_else(|| ApiError::new(Slug::Conflict, "there is no passkey"))?;
    Ok(axum::Json(asked.into()))
}

/// Shows who one is again, with a passkey
#[utoipa::path(
    post, path = "/session/step-up/passkey", operation_id = "step_up_passkey", tag = "session",
    request_body = PasskeyAnswer,
    responses((status = 200, description = "Shown", body = Stepped)),
)]
pub(super) async fn answer(
    signed_in: SignedIn,
    State(portal): State<Portal>,
    Json(body): Json<PasskeyAnswer>,
) -> Result<axum::Json<Stepped>, ApiError> {
    let session = signed_in.session_id()?;
    let user = &signed_in.session.user;
    let question = Token::of(body.question.expose_secret());
    let asked = challenges::take(&portal.store, Purpose::StepUp, Some(user.id), &question).await?;
    let mut tx = signed_in.begin().await?;
    let party = party(&portal)?;
    if !passkeys::finish_proof(party, &mut tx, user.id, asked, &body.answer).await? {
        tx.audit(Entry::refused("step_up", "session", session));
        tx.commit().await?;
        let message = "this passkey does not show who you are";
        return Err(ApiError::invalid("/answer", message));
    }
    sessions::prove(&mut tx, user.id, session, "passkey").await?;
    tx.commit().await?;
    stepped(&signed_in).await
}

async fn stepped(signed_in: &SignedIn) -> Result<axum::Json<Stepped>, ApiError> {
    let mut tx = signed_in.begin().await?;
    let policy = security::current(&mut tx).await?.policy;
    Ok(axum::Json(Stepped {
        fresh_until: policy.fresh_until(tx.now()),
    }))
}
