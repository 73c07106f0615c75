use axum::response::IntoResponse;
use domain::groups;
use domain::permissions::needs::UsersManage;
use engine::store::audit::Entry;

use super::{Group, GroupBody};
use crate::caller::Fresh;
use crate::error::ApiError;
use crate::etag::Created;
use crate::extract::Json;

/// Makes a group
#[utoipa::path(
    post, path = "/groups", operation_id = "create_group", tag = "groups",
    request_body = GroupBody,
    responses((status = 201, description = "Made", body = Group)),
)]
pub(super) async fn create(
    caller: Fresh<UsersManage>,
    Json(body): Json<GroupBody>,
) -> Result<impl IntoResponse, ApiError> {
    let wish = body.read()?;
    if let Err(elevation) = caller.editor().may_give(wish.permissions) {
        let entry = Entry::refused("create_group", "group", "");
        let wished = serde_json::json!({"permissions": wish.permissions.names()});
        return Err(caller
            .refuse(entry.after(wished), &elevation.to_string())
            .await);
    }
    let mut tx = caller.begin().await?;
    let id = groups::create(&mut tx, None, &wish).await?;
    let group = groups::get(&mut tx, id).await?;
    tx.commit().await?;
    Ok(Created(group.version, Group::from(group)))
}
