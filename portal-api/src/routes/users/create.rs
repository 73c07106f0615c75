use axum::Json;
use axum::http::StatusCode;
use domain::permissions::needs::UsersManage;
use domain::users::{PersonWish, links::Purpose, people};
use engine::StoreError;
use engine::ids::GroupId;
use engine::store::audit::Entry;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::link::issue;
use super::{PasswordLink, User, read_groups, read_name, read_role};
use crate::caller::Fresh;
use crate::error::{ApiError, Slug};
use crate::extract;
use crate::routes::groups::read_permissions;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewUser {
    email: String,
    name: String,
    /// As `permissions.md` lists them.
    role: String,
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    groups: Vec<GroupId>,
    /// Permissions beyond role and groups.
    #[serde(default)]
    grants: Vec<String>,
}

/// A user who was just invited.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Invited {
    user: User,
    invitation: PasswordLink,
}

/// Invites a user
///
/// They set their password with a link that works once, for as long as the security policy says. It is
/// sent by e-mail where the hub can send, and else answered, to be handed over.
#[utoipa::path(
    post, path = "/users", operation_id = "create_user", tag = "users", request_body = NewUser,
    responses((status = 201, description = "Invited", body = Invited)),
)]
pub(super) async fn create(
    caller: Fresh<UsersManage>,
    extract::Json(body): extract::Json<NewUser>,
) -> Result<(StatusCode, Json<Invited>), ApiError> {
    let email = domain::users::email(&body.email)
        .map_err(|error| ApiError::invalid("/email", error.to_string()))?;
    let wish = PersonWish {
        name: read_name(&body.name)?,
        role: read_role(&body.role)?,
        groups: read_groups(body.groups),
        grants: read_permissions("/grants", &body.grants)?,
    };
    let mut tx = caller.begin().await?;
    let by_groups = match people::permissions_of(&mut tx, &wish.groups).await {
        Err(StoreError::NotFound(what)) => {
            return Err(ApiError::invalid("/groups", format!("{what} not found")));
        }
        found => found?,
    };
    let given = wish.role.permissions().and(wish.grants).and(by_groups);
    if let Err(elevation) = caller.editor().may_give(given) {
        drop(tx);
        let wished = serde_json::json!({"email": email, "permissions": given.names()});
        let entry = Entry::refused("create_user", "user", "").after(wished);
        return Err(caller.refuse(entry, &elevation.to_string()).await);
    }
    let id = match people::invite(&mut tx, &email, &wish).await {
        Err(StoreError::Conflict(why)) => return Err(ApiError::new(Slug::Conflict, why)),
        made => made?,
    };
    let person = people::get(&mut tx, id).await?;
    let invitation = issue(&caller, &mut tx, &person, Purpose::SetUp).await?;
    tx.commit().await?;
    let invited = Invited {
        user: person.into(),
        invitation,
    };
    Ok((StatusCode::CREATED, Json(invited)))
}
