use axum::Json;
use axum::http::StatusCode;
use domain::factors::totp;
use secrecy::ExposeSecret;
use serde::Serialize;
use utoipa::ToSchema;

use super::{BackupCodes, Code, added, removed};
use crate::caller::Proven;
use crate::error::ApiError;
use crate::extract;

/// A secret for an authenticator app, shown this once. It counts after its first right code.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NewTotp {
    /// In base 32, to type.
    secret: String,
    /// `otpauth://…`
    uri: String,
    /// A picture of the address (QR code), as a `data:` URL.
    picture: String,
}

/// Begins to set up an authenticator app
#[utoipa::path(
    post, path = "/factors/totp", operation_id = "start_totp", tag = "factors",
    responses((status = 201, description = "The secret", body = NewTotp)),
)]
pub(super) async fn start(caller: Proven) -> Result<(StatusCode, Json<NewTotp>), ApiError> {
    let (session, vault) = (&caller.session, &caller.portal().factors.vault);
    let mut tx = caller.begin().await?;
    let (id, issuer) = (session.user.id, &session.tenant_name);
    let made = totp::start(&mut tx, vault, id, issuer, &session.user.email).await?;
    tx.commit().await?;
    let made = NewTotp {
        secret: made.secret.expose_secret().to_owned(),
        uri: made.uri.expose_secret().to_owned(),
        picture: made.picture.expose_secret().to_owned(),
    };
    Ok((StatusCode::CREATED, Json(made)))
}

/// Sets up an authenticator app, by its first code
///
/// With the first factor come backup codes.
#[utoipa::path(
    post, path = "/factors/totp/confirm", operation_id = "confirm_totp", tag = "factors",
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
    let codes = totp::confirm(&mut tx, vault, user.id, code).await?;
    added(portal, tx, user, codes).await
}

/// Removes the authenticator app
#[utoipa::path(
    delete, path = "/factors/totp", operation_id = "remove_totp", tag = "factors",
    responses((status = 204, description = "Its codes work no more")),
)]
pub(super) async fn remove(caller: Proven) -> Result<StatusCode, ApiError> {
    let mut tx = caller.begin().await?;
    totp::remove(&mut tx, caller.session.user.id).await?;
    removed(&caller, tx).await
}
