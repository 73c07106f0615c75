use axum::Json;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use domain::factors::challenges::{self, Purpose};
use domain::factors::passkeys;
use domain::mails::SignInNotice;
use domain::sessions::Token;
use engine::ids::PasskeyId;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{PasskeyQuestion, party, tell};
use crate::caller::{Proven, SignedIn};
use crate::error::ApiError;
use crate::extract::{self, Path};
use crate::page::Page;

/// One's own passkey.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Passkey {
    #[schema(value_type = String)]
    id: PasskeyId,
    name: String,
    created_at: DateTime<Utc>,
    last_used_at: Option<DateTime<Utc>>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPasskey {
    /// For oneself to recognise it.
    name: String,
    /// As it was asked with.
    #[schema(value_type = String)]
    question: SecretString,
    /// The credential, with binary values in base64url.
    #[schema(value_type = Object)]
    answer: serde_json::Value,
}

/// A passkey that was made. With the first factor come backup codes, shown this once.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AddedPasskey {
    #[schema(value_type = String)]
    id: PasskeyId,
    /// Ten; empty where the user has some already.
    backup_codes: Vec<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasskeyName {
    name: String,
}

/// Lists one's own passkeys
#[utoipa::path(
    get, path = "/passkeys", operation_id = "list_passkeys", tag = "factors",
    responses((status = 200, description = "All, oldest first", body = Page<Passkey>)),
)]
pub(super) async fn list(signed_in: SignedIn) -> Result<Json<Page<Passkey>>, ApiError> {
    signed_in.session_id()?;
    let mut tx = signed_in.begin().await?;
    let rows = passkeys::list(&mut tx, signed_in.session.user.id).await?;
    let passkeys = rows.into_iter().map(|row| Passkey {
        id: row.id,
        name: row.name,
        created_at: row.created_at,
        last_used_at: row.last_used_at,
    });
    Ok(Json(Page::whole(passkeys.collect())))
}

/// Begins to make a passkey
#[utoipa::path(
    post, path = "/passkeys/question", operation_id = "ask_new_passkey", tag = "factors",
    responses((status = 200, description = "What the browser is to make", body = PasskeyQuestion)),
)]
pub(super) async fn ask(caller: Proven) -> Result<Json<PasskeyQuestion>, ApiError> {
    let (portal, user) = (caller.portal(), &caller.session.user);
    let asked = passkeys::start_registration(party(portal)?, &portal.store, user).await?;
    Ok(Json(asked.into()))
}

/// Adds a passkey
#[utoipa::path(
    post, path = "/passkeys", operation_id = "add_passkey", tag = "factors",
    request_body = NewPasskey,
    responses((status = 201, description = "It counts from now on", body = AddedPasskey)),
)]
pub(super) async fn add(
    caller: Proven,
    extract::Json(body): extract::Json<NewPasskey>,
) -> Result<(StatusCode, Json<AddedPasskey>), ApiError> {
    let (portal, user) = (caller.portal(), &caller.session.user);
    let name = domain::groups::name(&body.name).map_err(|why| ApiError::invalid("/name", why))?;
    let question = Token::of(body.question.expose_secret());
    let (store, purpose) = (&portal.store, Purpose::Register);
    let asked = challenges::take(store, purpose, Some(user.id), &question).await?;
    let mut tx = caller.begin().await?;
    let party = party(portal)?;
    let added =
        passkeys::finish_registration(party, &mut tx, user.id, &name, asked, &body.answer).await?;
    let Some((id, codes)) = added else {
        tx.commit().await?;
        let message = "this is no answer to what was asked, or it came too late";
        return Err(ApiError::invalid("/answer", message));
    };
    tell(portal, &mut tx, user, SignInNotice::FactorAdded).await?;
    tx.commit().await?;
    let codes = codes.into_iter().map(|code| code.expose().to_owned());
    let added = AddedPasskey {
        id,
        backup_codes: codes.collect(),
    };
    Ok((StatusCode::CREATED, Json(added)))
}

/// Gives one of one's own passkeys another name
#[utoipa::path(
    patch, path = "/passkeys/{id}", operation_id = "rename_passkey", tag = "factors",
    params(("id" = String, Path)), request_body = PasskeyName,
    responses((status = 204, description = "Renamed")),
)]
pub(super) async fn rename(
    signed_in: SignedIn,
    Path(id): Path<PasskeyId>,
    extract::Json(body): extract::Json<PasskeyName>,
) -> Result<StatusCode, ApiError> {
    signed_in.session_id()?;
    let name = domain::groups::name(&body.name).map_err(|why| ApiError::invalid("/name", why))?;
    let mut tx = signed_in.begin().await?;
    passkeys::rename(&mut tx, signed_in.session.user.id, id, &name).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Removes one of one's own passkeys
#[utoipa::path(
    delete, path = "/passkeys/{id}", operation_id = "remove_passkey", tag = "factors",
    params(("id" = String, Path)),
    responses((status = 204, description = "It works no more")),
)]
pub(super) async fn remove(
    caller: Proven,
    Path(id): Path<PasskeyId>,
) -> Result<StatusCode, ApiError> {
    let user = &caller.session.user;
    let mut tx = caller.begin().await?;
    passkeys::remove(&mut tx, user.id, id).await?;
    tell(caller.portal(), &mut tx, user, SignInNotice::FactorRemoved).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
