use axum::Json;
use chrono::TimeDelta;
use domain::keys;
use domain::permissions::needs::KeysManage;
use domain::sessions::Token;
use engine::ids::KeyId;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{NewSecret, refused};
use crate::caller::Fresh;
use crate::error::ApiError;
use crate::extract::{self, Path};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rotation {
    /// How long the secret of now works on: 0 to 10080 (a week).
    overlap_minutes: i64,
}

/// Gives a key another secret
///
/// The one it has works on for a while, for programs to change over. A key acts for the user who made
/// it, so only they rotate it.
#[utoipa::path(
    post, path = "/keys/{id}/rotate", operation_id = "rotate_key", tag = "keys",
    params(("id" = String, Path)), request_body = Rotation,
    responses((status = 200, description = "With the new secret", body = NewSecret)),
)]
pub(super) async fn rotate(
    caller: Fresh<KeysManage>,
    Path(id): Path<KeyId>,
    extract::Json(body): extract::Json<Rotation>,
) -> Result<Json<NewSecret>, ApiError> {
    if !(0..=10_080).contains(&body.overlap_minutes) {
        let message = "overlap_minutes must be between 0 and 10080";
        return Err(ApiError::invalid("/overlap_minutes", message));
    }
    let secret = Token::fresh_with(keys::PREFIX)
        .map_err(|error| ApiError::internal("the key cannot be made", error))?;
    let mut tx = caller.begin().await?;
    let key = keys::get(&mut tx, id).await?;
    if key.user != caller.session.user.id {
        let why = "a key acts for the user who made it: only they rotate it";
        return Err(caller.refuse(refused("rotate_key", &key), why).await);
    }
    if let Err(elevation) = caller.editor().may_give(key.permissions) {
        let entry = refused("rotate_key", &key);
        return Err(caller.refuse(entry, &elevation.to_string()).await);
    }
    let overlap = TimeDelta::minutes(body.overlap_minutes);
    keys::rotate(&mut tx, id, &secret, overlap).await?;
    let key = keys::get(&mut tx, id).await?;
    tx.commit().await?;
    Ok(Json(NewSecret {
        key: key.into(),
        secret: secret.expose().to_owned(),
    }))
}
