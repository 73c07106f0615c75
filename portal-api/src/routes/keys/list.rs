use axum::Json;
use domain::keys;
use domain::permissions::needs::KeysManage;

use super::Key;
use crate::caller::May;
use crate::error::ApiError;
use crate::page::Page;

/// Lists keys
#[utoipa::path(
    get, path = "/keys", operation_id = "list_keys", tag = "keys",
    responses((status = 200, description = "All, newest first", body = Page<Key>)),
)]
pub(super) async fn list(caller: May<KeysManage>) -> Result<Json<Page<Key>>, ApiError> {
    let mut tx = caller.begin().await?;
    let keys = keys::list(&mut tx).await?.into_iter().map(Key::from);
    Ok(Json(Page::whole(keys.collect())))
}
