use axum::Json;
use domain::groups;
use domain::permissions::needs::UsersRead;

use super::Group;
use crate::caller::May;
use crate::error::ApiError;
use crate::page::Page;

/// Lists groups
#[utoipa::path(
    get, path = "/groups", operation_id = "list_groups", tag = "groups",
    responses((status = 200, description = "All, by name", body = Page<Group>)),
)]
pub(super) async fn list(caller: May<UsersRead>) -> Result<Json<Page<Group>>, ApiError> {
    let mut tx = caller.begin().await?;
    let groups = groups::list(&mut tx).await?;
    let groups = groups.into_iter().map(Group::from).collect();
    Ok(Json(Page::whole(groups)))
}
