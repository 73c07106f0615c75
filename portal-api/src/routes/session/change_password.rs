use axum::http::StatusCode;
use domain::users::PasswordError;
use domain::{security, users};
use secrecy::SecretString;
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
    /// As the tenant's security policy says; at least ten characters unless it says otherwise.
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
    let keep = signed_in.session_id()?;
    let (user, passwords) = (&signed_in.session.user, &signed_in.portal().passwords);
    let mut tx = signed_in.begin().await?;
    let policy = security::current(&mut tx).await?.policy;
    let had = users::password_hashes(&mut tx, user.id, policy.password_remembered).await?;
    drop(tx); // checking and hashing take a while
    let is_right = passwords
        .matches(body.current, had.first().cloned())
        .await
        .map_err(|error| refuse("/current", error))?;
    if !is_right {
        return Err(ApiError::invalid(
            "/current",
            "this is not the current password",
        ));
    }
    let hash = passwords
        .hash_chosen(body.new, &user.email, &policy, had)
        .await
        .map_err(|error| refuse("/new", error))?;
    let mut tx = signed_in.begin().await?;
    users::change_password(&mut tx, user.id, &hash, false, Some(keep)).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) fn refuse(pointer: &str, error: PasswordError) -> ApiError {
    match error {
        PasswordError::Failed => ApiError::internal("the password cannot be checked", error),
        _ => ApiError::invalid(pointer, error.to_string()),
    }
}
