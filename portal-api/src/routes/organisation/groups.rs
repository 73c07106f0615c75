//! The groups of one's organisation.

use axum::Json;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use domain::permissions::Permissions;
use domain::permissions::needs::OrganisationManage;
use domain::{groups, organisations};
use engine::ids::{AccountId, GroupId};
use engine::store::audit::Entry;
use engine::{StoreError, Tx};

use crate::caller::{Fresh, May, SignedIn};
use crate::error::ApiError;
use crate::etag::{Created, IfMatch, Tagged};
use crate::extract::{self, Path};
use crate::page::Page;
use crate::routes::groups::{Group, GroupBody};

/// Lists the groups of one's organisation
#[utoipa::path(
    get, path = "/organisation/groups", operation_id = "list_organisation_groups",
    tag = "organisation",
    responses((status = 200, description = "All, by name", body = Page<Group>)),
)]
pub(super) async fn list(caller: May<OrganisationManage>) -> Result<Json<Page<Group>>, ApiError> {
    let mut tx = caller.begin().await?;
    let account = organisations::own(&mut tx, caller.session.user.id).await?;
    let groups = organisations::own_groups(&mut tx, account).await?;
    Ok(Json(Page::whole(
        groups.into_iter().map(Group::from).collect(),
    )))
}

/// A group of one's organisation
#[utoipa::path(
    get, path = "/organisation/groups/{id}", operation_id = "get_organisation_group",
    tag = "organisation", params(("id" = String, Path)),
    responses((status = 200, description = "As it is", body = Group)),
)]
pub(super) async fn get(
    caller: May<OrganisationManage>,
    Path(id): Path<GroupId>,
) -> Result<Tagged<Group>, ApiError> {
    let mut tx = caller.begin().await?;
    let account = organisations::own(&mut tx, caller.session.user.id).await?;
    let group = organisations::own_group(&mut tx, account, id).await?;
    Ok(Tagged(group.version, group.into()))
}

/// Makes a group in one's organisation
#[utoipa::path(
    post, path = "/organisation/groups", operation_id = "create_organisation_group",
    tag = "organisation", request_body = GroupBody,
    responses((status = 201, description = "Made", body = Group)),
)]
pub(super) async fn create(
    caller: Fresh<OrganisationManage>,
    extract::Json(body): extract::Json<GroupBody>,
) -> Result<impl IntoResponse, ApiError> {
    let wish = body.read()?;
    let mut tx = caller.begin().await?;
    let account = organisations::own(&mut tx, caller.session.user.id).await?;
    permit(&caller, "create_organisation_group", None, wish.permissions).await?;
    let id = groups::create(&mut tx, Some(account), &wish).await?;
    let group = organisations::own_group(&mut tx, account, id).await?;
    tx.commit().await?;
    Ok(Created(group.version, Group::from(group)))
}

/// Changes a group of one's organisation
///
/// What its members may do changes with their next request.
#[utoipa::path(
    put, path = "/organisation/groups/{id}", operation_id = "update_organisation_group",
    tag = "organisation", params(("id" = String, Path), ("If-Match" = String, Header)),
    request_body = GroupBody,
    responses((status = 200, description = "As it is now", body = Group)),
)]
pub(super) async fn update(
    caller: Fresh<OrganisationManage>,
    Path(id): Path<GroupId>,
    IfMatch(version): IfMatch,
    extract::Json(body): extract::Json<GroupBody>,
) -> Result<Tagged<Group>, ApiError> {
    const ACTION: &str = "update_organisation_group";
    let wish = body.read()?;
    let mut tx = caller.begin().await?;
    let (account, current) = own(&caller, &mut tx, ACTION, id).await?;
    // Neither what it gives now nor what it shall give may be more than the caller can give. Who is in
    // it cannot give themselves anything by it.
    let both = wish.permissions.and(current.permissions);
    permit(&caller, ACTION, Some(id), both).await?;
    match groups::change(&mut tx, id, version, &wish).await {
        Ok(()) => {}
        Err(StoreError::Stale(_)) => return Err(ApiError::stale(&Group::from(current))),
        Err(error) => return Err(error.into()),
    }
    let group = organisations::own_group(&mut tx, account, id).await?;
    tx.commit().await?;
    Ok(Tagged(group.version, group.into()))
}

/// Removes a group of one's organisation
///
/// Its members keep what they have by role and grant.
#[utoipa::path(
    delete, path = "/organisation/groups/{id}", operation_id = "delete_organisation_group",
    tag = "organisation", params(("id" = String, Path), ("If-Match" = String, Header)),
    responses((status = 204, description = "Removed")),
)]
pub(super) async fn delete(
    caller: Fresh<OrganisationManage>,
    Path(id): Path<GroupId>,
    IfMatch(version): IfMatch,
) -> Result<StatusCode, ApiError> {
    const ACTION: &str = "delete_organisation_group";
    let mut tx = caller.begin().await?;
    let (_account, current) = own(&caller, &mut tx, ACTION, id).await?;
    permit(&caller, ACTION, Some(id), current.permissions).await?;
    match groups::delete(&mut tx, id, version).await {
        Ok(()) => {}
        Err(StoreError::Stale(_)) => return Err(ApiError::stale(&Group::from(current))),
        Err(error) => return Err(error.into()),
    }
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A group of the caller's organisation. That another one was tried is noted.
async fn own(
    caller: &SignedIn,
    tx: &mut Tx,
    action: &str,
    id: GroupId,
) -> Result<(AccountId, domain::groups::Group), ApiError> {
    let account = organisations::own(tx, caller.session.user.id).await?;
    match organisations::own_group(tx, account, id).await {
        Ok(group) => Ok((account, group)),
        Err(StoreError::NotFound(what)) => {
            caller
                .note_attempt(Entry::refused(action, "group", id))
                .await?;
            Err(ApiError::not_found(what))
        }
        Err(error) => Err(error.into()),
    }
}

async fn permit(
    caller: &SignedIn,
    action: &str,
    id: Option<GroupId>,
    permissions: Permissions,
) -> Result<(), ApiError> {
    let Err(elevation) = organisations::may_give(caller.editor(), permissions) else {
        return Ok(());
    };
    let subject = id.map(|id| id.to_string()).unwrap_or_default();
    let wished = serde_json::json!({"permissions": permissions.names()});
    let entry = Entry::refused(action, "group", subject).after(wished);
    Err(caller.refuse(entry, &elevation.to_string()).await)
}
