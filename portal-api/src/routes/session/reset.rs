use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use domain::mails::{Letter, MailKind, Outbox};
use domain::sessions::Token;
use domain::users::links::{self, Purpose, RESET};
use domain::users::{self, User, UserState};
use engine::store::audit::Actor;
use serde::Deserialize;
use tokio::time::Instant;
use utoipa::ToSchema;

use super::sign_in::refuse_guessing;
use crate::caller::Anyone;
use crate::error::{ApiError, Slug};
use crate::extract::Json;
use crate::portal::Portal;

/// An answer comes no sooner than this, whether there is an account or not.
const ANSWER: Duration = Duration::from_millis(400);

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResetWish {
    email: String,
}

/// Asks for a link to set a new password
///
/// It is sent by e-mail if somebody signs in with this address. Neither the answer nor the time it
/// takes says whether somebody does. A hub that cannot send e-mail answers 409 to everybody.
#[utoipa::path(
    post, path = "/session/reset", operation_id = "request_password_reset", tag = "session",
    request_body = ResetWish,
    responses((status = 202, description = "Sent, if there is such an account")),
)]
pub(super) async fn reset(
    anyone: Anyone,
    State(portal): State<Portal>,
    Json(body): Json<ResetWish>,
) -> Result<StatusCode, ApiError> {
    let started = Instant::now();
    let Some(outbox) = &portal.outbox else {
        return Err(ApiError::new(
            Slug::Conflict,
            "this hub cannot send e-mail: ask an admin for a link",
        ));
    };
    // Counted beside sign-ins, so that nobody fills mailboxes or tries addresses by the thousand.
    let counted = format!("reset {}", body.email);
    refuse_guessing(&portal, anyone.address, &counted)?;
    portal.throttle().failed(anyone.address, &counted);
    let mut tx = portal.store.begin_system().await?;
    let found = users::find_by_email(&mut tx, body.email.trim()).await?;
    drop(tx);
    let sent = match found {
        Some(found) if found.state == UserState::Active => {
            send(&portal, &anyone, outbox, &found.user).await
        }
        _ => Ok(()),
    };
    tokio::time::sleep_until(started + ANSWER).await;
    sent.map(|()| StatusCode::ACCEPTED)
}

async fn send(
    portal: &Portal,
    anyone: &Anyone,
    outbox: &Outbox,
    user: &User,
) -> Result<(), ApiError> {
    let token =
        Token::fresh().map_err(|error| ApiError::internal("the link cannot be made", error))?;
    let mut tx = portal.store.begin(user.tenant).await?;
    tx.act_as(anyone.acting(Actor::System {
        name: "stranger".to_owned(),
    }));
    if links::was_just_issued(&mut tx, user.id).await? {
        return Ok(());
    }
    let until = tx.now() + RESET;
    links::issue(&mut tx, user.id, Purpose::Reset, &token, until).await?;
    let letter = Letter::reset(&user.email, &portal.password_link(&token));
    outbox
        .post(&mut tx, MailKind::Reset, user.id, &letter, None)
        .await?;
    tx.commit().await?;
    Ok(())
}
