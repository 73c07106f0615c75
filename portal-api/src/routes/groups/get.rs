use domain::groups;
use domain::permissions::needs::UsersRead;
use engine::ids::GroupId;

use super::Group;
use crate::caller::May;
use crate::error::ApiError;
use crate::etag::Tagged;
use crate::extract::Path;

/// A group
#[utoipa::path(
    get, path = "/groups/{id}", operation_id = "get_group", tag = "groups",
    params(("id" = String, Path)),
    responses((status = 200, description = "The group", body = Group)),
)]
pub(super) async fn get(
    caller: May<UsersRead>,
    Path(id): Path<GroupId>,
) -> Result<Tagged<Group>, ApiError> {
    let mut tx = caller.begin().await?;
    let group = groups::get(&mut tx, id).await?;
    Ok(Tagged(group.version, group.into()))
}
