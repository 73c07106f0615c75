use domain::organisations;
use domain::permissions::needs::UsersManage;
use domain::users::{PersonWish, people};
use engine::StoreError;
use engine::ids::{AccountId, GroupId, PartnerId, UserId};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{User, check, permit, read_groups, read_name, read_role, read_scope};
use crate::caller::Fresh;
use crate::error::ApiError;
use crate::etag::{IfMatch, Tagged};
use crate::extract::{Json, Path, given};
use crate::routes::groups::read_permissions;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserChange {
    name: Option<String>,
    role: Option<String>,
    /// All of them; none of the caller's own can be changed.
    #[schema(value_type = Option<Vec<String>>)]
    groups: Option<Vec<GroupId>>,
    /// All permissions beyond role and groups.
    grants: Option<Vec<String>>,
    /// all, team, assigned or own; null leaves it to the role again.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    scope: Option<Option<String>>,
    /// The account of a customer's user; null takes it away.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    account_id: Option<Option<AccountId>>,
    /// The organisation of a partner's user; null takes it away.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    partner_id: Option<Option<PartnerId>>,
}

/// Changes a user
///
/// It counts from their next request on. Nobody can give more than they have, change somebody who may
/// do more, or change their own role, groups and permissions; attempts are noted.
#[utoipa::path(
    patch, path = "/users/{id}", operation_id = "update_user", tag = "users",
    params(("id" = String, Path), ("If-Match" = String, Header)), request_body = UserChange,
    responses((status = 200, description = "As it is now", body = User)),
)]
pub(super) async fn update(
    caller: Fresh<UsersManage>,
    Path(id): Path<UserId>,
    IfMatch(version): IfMatch,
    Json(body): Json<UserChange>,
) -> Result<Tagged<User>, ApiError> {
    let mut tx = caller.begin().await?;
    let person = people::get(&mut tx, id).await?;
    let grants = body.grants.map(|names| read_permissions("/grants", &names));
    let groups_are_given = body.groups.is_some();
    let mut wish = PersonWish {
        name: match body.name {
            Some(name) => read_name(&name)?,
            None => person.user.name.clone(),
        },
        role: match body.role {
            Some(role) => read_role(&role)?,
            None => person.user.role,
        },
        groups: body
            .groups
            .map_or_else(|| person.groups.clone(), read_groups),
        grants: grants.transpose()?.unwrap_or(person.grants),
        scope: match body.scope {
            Some(scope) => scope.as_deref().map(read_scope).transpose()?,
            None => person.scope_set,
        },
        account: body.account_id.unwrap_or(person.account),
        partner: body.partner_id.unwrap_or(person.partner),
    };
    check(&mut tx, &wish).await?;
    if wish.account != person.account && !groups_are_given {
        organisations::leave_groups(&mut tx, &mut wish.groups).await?;
    }
    let by_groups = match people::permissions_of(&mut tx, &wish.groups, wish.account).await {
        Err(StoreError::NotFound(what)) => {
            return Err(ApiError::invalid("/groups", format!("{what} not found")));
        }
        found => found?,
    };
    permit(&caller, "update_user", &person, &wish, by_groups).await?;
    match people::change(&mut tx, &person, version, &wish).await {
        Ok(()) => {}
        Err(StoreError::Stale(_)) => return Err(ApiError::stale(&User::from(person))),
        Err(error) => return Err(error.into()),
    }
    let person = people::get(&mut tx, id).await?;
    tx.commit().await?;
    Ok(Tagged(person.version, person.into()))
}
