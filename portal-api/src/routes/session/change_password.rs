use axum::http::StatusCode;
use domain::users::{self, PasswordError};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::caller::SignedIn;
use crate::error::ApiError;
use crate::extract::Json;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangePassword {
    #[schema(value_type = String, format = "password")]
    current: SecretString,
    /// At least ten characters.
    #[schema(value_type = String, format = "password")]
    new: SecretString,
}

/// Changes the password
///
/// All other sessions of the user end.
#[utoipa::path(
    post, path = "/session/password", operation_id = "change_password", tag = "session",
    request_body = ChangePassword,
    responses((status = 204, description = "Changed")),
)]
pub(super) async fn change_password(
    signed_in: SignedIn,
    Json(body): Json<ChangePassword>,
) -> Result<StatusCode, ApiError> {
    let (user, passwords) = (&signed_in.session.user, &signed_in.portal().passwords);
    let mut tx = signed_in.begin().await?;
    let stored = users::credentials(&mut tx, user.id).await?;
    drop(tx); // checking and hashing take a while
    let is_same = body.current.expose_secret() == body.new.expose_secret();
    if !passwords
        .matches(body.current, Some(stored))
        .await
        .map_err(refuse)?
    {
        return Err(ApiError::invalid(
            "/current",
            "this is not the current password",
        ));
    }
    if is_same {
        return Err(refuse(PasswordError::TooEasy));
    }
    let hash = passwords
        .hash_chosen(body.new, &user.email)
        .await
        .map_err(refuse)?;
    let mut tx = signed_in.begin().await?;
    let keep = signed_in.token.hash();
    users::change_password(&mut tx, user.id, &hash, false, Some(&keep)).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

fn refuse(error: PasswordError) -> ApiError {
    match error {
        PasswordError::Failed => ApiError::internal("the password cannot be checked", error),
        _ => ApiError::invalid("/new", error.to_string()),
    }
}
