use axum::Json;
use domain::permissions::needs::KeysManage;
use domain::tokens;

use super::Grant;
use crate::caller::May;
use crate::error::ApiError;
use crate::page::Page;

/// Lists grants of tokens
#[utoipa::path(
    get, path = "/tokens", operation_id = "list_grants", tag = "tokens",
    responses((status = 200, description = "All, newest first", body = Page<Grant>)),
)]
pub(super) async fn list(caller: May<KeysManage>) -> Result<Json<Page<Grant>>, ApiError> {
    let mut tx = caller.begin().await?;
    let grants = tokens::list(&mut tx).await?.into_iter().map(Grant::from);
    Ok(Json(Page::whole(grants.collect())))
}
