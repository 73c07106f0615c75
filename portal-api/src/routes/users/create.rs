use axum::Json;
use axum::http::StatusCode;
use domain::permissions::needs::UsersManage;
use domain::users::{PersonWish, links::Purpose, people};
use engine::ids::{AccountId, GroupId, PartnerId};
use engine::store::audit::Entry;
use engine::{StoreError, Tx};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::link::issue;
use super::{PasswordLink, User, check, read_groups, read_name, read_role, read_scope};
use crate::caller::{Fresh, SignedIn};
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
    /// Which accounts they see: all, team, assigned or own; what the role says if it is left out.
    scope: Option<String>,
    /// The account of a customer's user.
    #[schema(value_type = Option<String>)]
    account_id: Option<AccountId>,
    /// The organisation of a partner's user.
    #[schema(value_type = Option<String>)]
    partner_id: Option<PartnerId>,
}

/// A user who was just invited.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Invited {
    pub(in crate::routes) user: User,
    pub(in crate::routes) invitation: PasswordLink,
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
        scope: body.scope.as_deref().map(read_scope).transpose()?,
        account: body.account_id,
        partner: body.partner_id,
    };
    let mut tx = caller.begin().await?;
    check(&mut tx, &wish).await?;
    let by_groups = match people::permissions_of(&mut tx, &wish.groups, wish.account).await {
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
    invite(&caller, tx, &email, &wish).await
}

/// Invites somebody who may be what is wished, with a link to set a first password.
pub(crate) async fn invite(
    caller: &SignedIn,
    mut tx: Tx,
    email: &str,
    wish: &PersonWish,
) -> Result<(StatusCode, Json<Invited>), ApiError> {
    let id = match people::invite(&mut tx, email, wish).await {
        Err(StoreError::Conflict(why)) => return Err(ApiError::new(Slug::Conflict, why)),
        made => made?,
    };
    let person = people::get(&mut tx, id).await?;
    let invitation = issue(caller, &mut tx, &person, Purpose::SetUp).await?;
    tx.commit().await?;
    let invited = Invited {
        user: person.into(),
        invitation,
    };
    Ok((StatusCode::CREATED, Json(invited)))
}
