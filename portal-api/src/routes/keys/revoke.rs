use axum::http::StatusCode;
use domain::keys;
use domain::permissions::needs::KeysManage;
use engine::ids::KeyId;

use super::refused;
use crate::caller::May;
use crate::error::ApiError;
use crate::extract::Path;

/// Ends a key
///
/// From the next request on; it stays in the list.
#[utoipa::path(
    delete, path = "/keys/{id}", operation_id = "revoke_key", tag = "keys",
    params(("id" = String, Path)),
    responses((status = 204, description = "It works no more")),
)]
pub(super) async fn revoke(
    caller: May<KeysManage>,
    Path(id): Path<KeyId>,
) -> Result<StatusCode, ApiError> {
    let mut tx = caller.begin().await?;
    let key = keys::get(&mut tx, id).await?;
    if let Err(elevation) = caller.editor().may_give(key.permissions) {
        let entry = refused("revoke_key", &key);
        return Err(caller.refuse(entry, &elevation.to_string()).await);
    }
    keys::revoke(&mut tx, id).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
