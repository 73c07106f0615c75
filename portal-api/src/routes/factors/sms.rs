use axum::Json;
use axum::http::StatusCode;
use domain::factors::sms;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{BackupCodes, Code, added, removed, send_code};
use crate::caller::Proven;
use crate::error::{ApiError, Slug};
use crate::extract;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Number {
    /// With the country's code: `+491701234567`.
    #[schema(value_type = String)]
    number: SecretString,
}

/// Begins to set up a number for messages
///
/// A code is sent to it.
#[utoipa::path(
    post, path = "/factors/sms", operation_id = "start_sms", tag = "factors",
    request_body = Number,
    responses((status = 202, description = "A code was handed to the provider")),
)]
pub(super) async fn start(
    caller: Proven,
    extract::Json(body): extract::Json<Number>,
) -> Result<StatusCode, ApiError> {
    let (portal, user) = (caller.portal(), caller.session.user.id);
    let number = sms::number(body.number.expose_secret());
    let number = number.map_err(|why| ApiError::invalid("/number", why))?;
    if portal.factors.sms.is_none() {
        return Err(ApiError::new(Slug::Conflict, "this hub sends no messages"));
    }
    let mut tx = caller.begin().await?;
    sms::start(&mut tx, &portal.factors.vault, user, &number).await?;
    send_code(portal, tx, user, false).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Sets up a number for messages, by the code that was sent
///
/// With the first factor come backup codes.
#[utoipa::path(
    post, path = "/factors/sms/confirm", operation_id = "confirm_sms", tag = "factors",
    request_body = Code,
    responses((status = 200, description = "It counts from now on", body = BackupCodes)),
)]
pub(super) async fn confirm(
    caller: Proven,
    extract::Json(body): extract::Json<Code>,
) -> Result<Json<BackupCodes>, ApiError> {
    let (portal, user) = (caller.portal(), &caller.session.user);
    let mut tx = caller.begin().await?;
    let (vault, code) = (&portal.factors.vault, body.code.expose_secret());
    let codes = sms::confirm(&mut tx, vault, user.id, code).await?;
    added(portal, tx, user, codes).await
}

/// Removes the number for messages
#[utoipa::path(
    delete, path = "/factors/sms", operation_id = "remove_sms", tag = "factors",
    responses((status = 204, description = "No codes are sent to it any more")),
)]
pub(super) async fn remove(caller: Proven) -> Result<StatusCode, ApiError> {
    let mut tx = caller.begin().await?;
    sms::remove(&mut tx, caller.session.user.id).await?;
    removed(&caller, tx).await
}
