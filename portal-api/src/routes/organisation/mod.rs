//! A customer's organisation, for those of its people who look after the others. Nobody else is there for
//! them: neither the tenant's own people nor another customer's.

mod change;
mod groups;
mod people;

use axum::Json;
use domain::organisations;
use domain::permissions::needs::OrganisationManage;
use domain::users::{Person, Role, Side};
use engine::ids::{AccountId, GroupId, UserId};
use engine::store::audit::Entry;
use engine::{StoreError, Tx};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::caller::{May, SignedIn};
use crate::error::ApiError;
use crate::permit::routes;
use crate::portal::Portal;
use crate::routes::users::User;

pub(super) fn router() -> OpenApiRouter<Portal> {
    OpenApiRouter::new()
        .routes(routes!(get))
        .routes(routes!(people::list, people::invite))
        .routes(routes!(people::get, change::update))
        .routes(routes!(change::deactivate))
        .routes(routes!(change::reactivate))
        .routes(routes!(change::link))
        .routes(routes!(groups::list, groups::create))
        .routes(routes!(groups::get, groups::update, groups::delete))
}

/// The organisation that the caller looks after.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Organisation {
    #[schema(value_type = String)]
    account_id: AccountId,
    name: String,
    /// Roles the caller can give in it.
    roles: Vec<&'static str>,
    /// Permissions the caller can give in it, by group or to one person.
    permissions: Vec<String>,
}

/// The organisation one looks after
#[utoipa::path(
    get, path = "/organisation", operation_id = "get_organisation", tag = "organisation",
    responses((status = 200, description = "With what can be given in it", body = Organisation)),
)]
pub(super) async fn get(caller: May<OrganisationManage>) -> Result<Json<Organisation>, ApiError> {
    let mut tx = caller.begin().await?;
    let account = organisations::own(&mut tx, caller.session.user.id).await?;
    let stored = domain::entities::stored(&mut tx, "account", account.into()).await?;
    let name = match stored.values.get("name") {
        Some(engine::sdk::Value::Text(name)) => name.clone(),
        _ => String::new(),
    };
    let roles = Role::ALL.into_iter().filter(|role| {
        role.side() == Side::Customer && caller.editor().may_give(role.permissions()).is_ok()
    });
    Ok(Json(Organisation {
        account_id: account,
        name,
        roles: roles.map(Role::as_str).collect(),
        permissions: organisations::givable(caller.editor()).names(),
    }))
}

/// Somebody of the caller's organisation. That somebody else was tried is noted.
async fn member(
    caller: &SignedIn,
    tx: &mut Tx,
    action: &str,
    id: UserId,
) -> Result<(AccountId, Person), ApiError> {
    let account = organisations::own(tx, caller.session.user.id).await?;
    match organisations::member(tx, account, id).await {
        Ok(person) => Ok((account, person)),
        Err(StoreError::NotFound(what)) => {
            caller
                .note_attempt(Entry::refused(action, "user", id))
                .await?;
            Err(ApiError::not_found(what))
        }
        Err(error) => Err(error.into()),
    }
}

/// A person as whoever looks after the organisation sees them: with its groups only.
async fn shown(tx: &mut Tx, account: AccountId, id: UserId) -> Result<(i64, User), ApiError> {
    let person = organisations::member(tx, account, id).await?;
    let own = groups_of(tx, account).await?;
    Ok((person.version, narrowed(person, &own)))
}

async fn groups_of(tx: &mut Tx, account: AccountId) -> Result<Vec<GroupId>, StoreError> {
    let groups = organisations::own_groups(tx, account).await?;
    Ok(groups.into_iter().map(|group| group.id).collect())
}

fn narrowed(person: Person, own: &[GroupId]) -> User {
    let mut user = User::from(person);
    user.groups.retain(|group| own.contains(group));
    user
}
