//! Signing in with a passkey alone.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use domain::factors::passkeys::{self, Answered};
use domain::sessions::Token;
use domain::sessions::stages::First;
use domain::users::{User, UserState, people};
use engine::store::audit::{Actor, Entry};
use secrecy::ExposeSecret;
use tokio::time::Instant;

use super::Session;
use super::sign_in::{counts_here, refuse_guessing, refuse_slowly};
use super::stage::finish_sign_in;
use crate::caller::Anyone;
use crate::error::ApiError;
use crate::extract::Json;
use crate::portal::Portal;
use crate::routes::factors::{PasskeyAnswer, PasskeyQuestion, party};

/// Asks for a passkey, to sign in with it alone
///
/// No address is asked for: the browser offers the passkeys that it has.
#[utoipa::path(
    post, path = "/session/passkey/question", operation_id = "ask_passkey", tag = "session",
    responses((status = 200, description = "What the browser is to sign", body = PasskeyQuestion)),
)]
pub(super) async fn ask(
    _anyone: Anyone,
    State(portal): State<Portal>,
) -> Result<axum::Json<PasskeyQuestion>, ApiError> {
    let asked = passkeys::start_sign_in(party(&portal)?, &portal.store).await?;
    Ok(axum::Json(asked.into()))
}

/// Signs in with a passkey
///
/// The device has checked its owner, so there is no second stage. Whatever is wrong is answered alike.
#[utoipa::path(
    post, path = "/session/passkey", operation_id = "sign_in_passkey", tag = "session",
    request_body = PasskeyAnswer,
    responses((status = 200, description = "Signed in; the cookie is set", body = Session)),
)]
pub(super) async fn answer(
    anyone: Anyone,
    State(portal): State<Portal>,
    headers: HeaderMap,
    Json(body): Json<PasskeyAnswer>,
) -> Result<Response, ApiError> {
    let started = Instant::now();
    let question = Token::of(body.question.expose_secret());
    // Each question is answered once: what is counted is how often this address is wrong.
    let counted = format!("passkey {}", question.expose());
    refuse_guessing(&portal, anyone.address, &counted)?;
    let party = party(&portal)?;
    let answered = passkeys::finish_sign_in(party, &portal.store, &question, &body.answer).await?;
    if let Some(user) = permitted(&portal, &anyone, answered).await? {
        return finish_sign_in(&portal, &anyone, &headers, &user, First::Passkey).await;
    }
    metrics::counter!("syncline_sign_in_failures_total").increment(1);
    let why = "this passkey does not sign anybody in just now";
    Err(refuse_slowly(&portal, anyone.address, &counted, started, why).await)
}

/// Whom the answer lets in. A refusal of a known passkey is noted.
async fn permitted(
    portal: &Portal,
    anyone: &Anyone,
    answered: Answered,
) -> Result<Option<User>, ApiError> {
    let (signer, mut why) = match answered {
        Answered::Unknown => return Ok(None),
        Answered::Wrong(signer) => (signer, "wrong"),
        Answered::Right(signer) => (signer, "locked"),
    };
    let mut system = portal.store.begin_system().await?;
    let counts = counts_here(&mut system, anyone, signer.tenant, signer.user).await?;
    drop(system);
    let mut tx = portal.store.begin(signer.tenant).await?;
    let person = people::get(&mut tx, signer.user).await?;
    let is_open = person.state == UserState::Active
        && person.locked_until.is_none_or(|until| until <= tx.now());
    if is_open && matches!(answered, Answered::Right(_)) {
        if counts {
            return Ok(Some(person.user));
        }
        why = "another address or a provider is needed";
    }
    tx.act_as(anyone.acting(Actor::System {
        name: "stranger".to_owned(),
    }));
    let entry = Entry::refused("sign_in", "passkey", signer.passkey);
    tx.audit(entry.after(serde_json::json!({"why": why})));
    tx.commit().await?;
    Ok(None)
}
