use axum::http::StatusCode;
use domain::groups;
use domain::permissions::needs::UsersManage;
use engine::StoreError;
use engine::ids::GroupId;
use engine::store::audit::Entry;

use super::Group;
use crate::caller::Fresh;
use crate::error::ApiError;
use crate::etag::IfMatch;
use crate::extract::Path;

/// Removes a group
///
/// Its members keep what they have by role and grant.
#[utoipa::path(
    delete, path = "/groups/{id}", operation_id = "delete_group", tag = "groups",
    params(("id" = String, Path), ("If-Match" = String, Header)),
    responses((status = 204, description = "Removed")),
)]
pub(super) async fn delete(
    caller: Fresh<UsersManage>,
    Path(id): Path<GroupId>,
    IfMatch(version): IfMatch,
) -> Result<StatusCode, ApiError> {
    let mut tx = caller.begin().await?;
    let current = groups::get(&mut tx, id).await?;
    if let Err(elevation) = caller.editor().may_give(current.permissions) {
        drop(tx);
        let entry = Entry::refused("delete_group", "group", id);
        return Err(caller.refuse(entry, &elevation.to_string()).await);
    }
    match groups::delete(&mut tx, id, version).await {
        Ok(()) => {}
        Err(StoreError::Stale(_)) => return Err(ApiError::stale(&Group::from(current))),
        Err(error) => return Err(error.into()),
    }
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
