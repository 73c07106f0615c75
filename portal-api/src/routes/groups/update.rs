use domain::groups;
use domain::permissions::needs::UsersManage;
use engine::StoreError;
use engine::ids::GroupId;
use engine::store::audit::Entry;

use super::{Group, GroupBody};
use crate::caller::Fresh;
use crate::error::ApiError;
use crate::etag::{IfMatch, Tagged};
use crate::extract::{Json, Path};

/// Changes a group
///
/// What its members may do changes with their next request. Nobody can give what they do not have.
#[utoipa::path(
    put, path = "/groups/{id}", operation_id = "update_group", tag = "groups",
    params(("id" = String, Path), ("If-Match" = String, Header)), request_body = GroupBody,
    responses((status = 200, description = "As it is now", body = Group)),
)]
pub(super) async fn update(
    caller: Fresh<UsersManage>,
    Path(id): Path<GroupId>,
    IfMatch(version): IfMatch,
    Json(body): Json<GroupBody>,
) -> Result<Tagged<Group>, ApiError> {
    let wish = body.read()?;
    let mut tx = caller.begin().await?;
    let current = groups::get(&mut tx, id).await?;
    // Neither what it gives now nor what it shall give may be more than the caller has.
    let both = wish.permissions.and(current.permissions);
    if let Err(elevation) = caller.editor().may_give(both) {
        drop(tx);
        let entry = Entry::refused("update_group", "group", id);
        let wished = serde_json::json!({"permissions": wish.permissions.names()});
        return Err(caller
            .refuse(entry.after(wished), &elevation.to_string())
            .await);
    }
    match groups::change(&mut tx, id, version, &wish).await {
        Ok(()) => {}
        Err(StoreError::Stale(_)) => return Err(ApiError::stale(&Group::from(current))),
        Err(error) => return Err(error.into()),
    }
    let group = groups::get(&mut tx, id).await?;
    tx.commit().await?;
    Ok(Tagged(group.version, group.into()))
}
