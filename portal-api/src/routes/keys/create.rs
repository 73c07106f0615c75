use axum::Json;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use domain::keys::{self, KeyWish};
use domain::permissions::needs::KeysManage;
use domain::sessions::Token;
use engine::store::audit::Entry;
use serde::Deserialize;
use utoipa::ToSchema;

use super::NewSecret;
use crate::caller::Fresh;
use crate::error::ApiError;
use crate::extract;
use crate::routes::groups::read_permissions;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewKey {
    name: String,
    /// As `permissions.md` lists them; none that the caller does not have.
    permissions: Vec<String>,
    /// Without, it holds until it is revoked.
    expires_at: Option<DateTime<Utc>>,
    /// 1 to 1000000; 600 unless said otherwise.
    calls_per_minute: Option<i32>,
}

/// Makes a key
///
/// It acts for the caller, with the permissions it is given as long as the caller has them. The secret
/// is answered this once.
#[utoipa::path(
    post, path = "/keys", operation_id = "create_key", tag = "keys", request_body = NewKey,
    responses((status = 201, description = "Made", body = NewSecret)),
)]
pub(super) async fn create(
    caller: Fresh<KeysManage>,
    extract::Json(body): extract::Json<NewKey>,
) -> Result<(StatusCode, Json<NewSecret>), ApiError> {
    let wish = KeyWish {
        name: domain::groups::name(&body.name).map_err(|why| ApiError::invalid("/name", why))?,
        permissions: read_permissions("/permissions", &body.permissions)?,
        expires_at: body.expires_at,
        calls_per_minute: body.calls_per_minute,
    };
    if wish
        .calls_per_minute
        .is_some_and(|calls| !(1..=1_000_000).contains(&calls))
    {
        let message = "calls_per_minute must be between 1 and 1000000";
        return Err(ApiError::invalid("/calls_per_minute", message));
    }
    if let Err(elevation) = caller.editor().may_give(wish.permissions) {
        let wished = serde_json::json!({"permissions": wish.permissions.names()});
        let entry = Entry::refused("create_key", "key", "").after(wished);
        return Err(caller.refuse(entry, &elevation.to_string()).await);
    }
    let secret = Token::fresh_with(keys::PREFIX)
        .map_err(|error| ApiError::internal("the key cannot be made", error))?;
    let mut tx = caller.begin().await?;
    if wish.expires_at.is_some_and(|at| at <= tx.now()) {
        return Err(ApiError::invalid("/expires_at", "expires_at has passed"));
    }
    let id = keys::create(&mut tx, caller.session.user.id, &wish, &secret).await?;
    let key = keys::get(&mut tx, id).await?;
    tx.commit().await?;
    let made = NewSecret {
        key: key.into(),
        secret: secret.expose().to_owned(),
    };
    Ok((StatusCode::CREATED, Json(made)))
}
