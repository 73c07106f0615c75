use axum::Json;
use domain::keys;
use domain::permissions::needs::KeysManage;
use engine::ids::KeyId;

use super::Key;
use crate::caller::May;
use crate::error::ApiError;
use crate::extract::Path;

/// A key
#[utoipa::path(
    get, path = "/keys/{id}", operation_id = "get_key", tag = "keys",
    params(("id" = String, Path)),
    responses((status = 200, description = "The key", body = Key)),
)]
pub(super) async fn get(
    caller: May<KeysManage>,
    Path(id): Path<KeyId>,
) -> Result<Json<Key>, ApiError> {
    let mut tx = caller.begin().await?;
    Ok(Json(keys::get(&mut tx, id).await?.into()))
}
