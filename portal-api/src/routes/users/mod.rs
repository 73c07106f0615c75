//! Users, as those who manage them see them.

mod change_state;
pub(in crate::routes) mod create;
mod get;
pub(in crate::routes) mod link;
mod list;
mod reset_factors;
mod sessions;
mod update;

use chrono::{DateTime, Utc};
use domain::permissions::Permissions;
use domain::users::links::Purpose;
use domain::users::{Person, PersonWish, Role, Scope};
use engine::StoreError;
use engine::ids::{AccountId, GroupId, PartnerId, UserId};
use engine::store::audit::Entry;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::caller::SignedIn;
use crate::error::ApiError;
use crate::permit::routes;
use crate::portal::Portal;
use crate::routes::session::RoleName;

pub(super) fn router() -> OpenApiRouter<Portal> {
    OpenApiRouter::new()
        .routes(routes!(list::list, create::create))
        .routes(routes!(get::get, update::update))
        .routes(routes!(change_state::deactivate))
        .routes(routes!(change_state::reactivate))
        .routes(routes!(change_state::unlock))
        .routes(routes!(sessions::list, sessions::end_all))
        .routes(routes!(sessions::end))
        .routes(routes!(link::link))
        .routes(routes!(reset_factors::reset))
}

/// Somebody who signs in.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct User {
    #[schema(value_type = String)]
    id: UserId,
    email: String,
    name: String,
    #[schema(value_type = RoleName)]
    role: Role,
    /// invited, active or deactivated
    state: &'static str,
    #[schema(value_type = Vec<String>)]
    pub(in crate::routes) groups: Vec<GroupId>,
    /// Permissions given to this user alone.
    grants: Vec<String>,
    /// All in all: by role, groups and grants, as far as the scope lets them be.
    permissions: Vec<String>,
    /// Which accounts the user sees: all, team, assigned or own.
    scope: &'static str,
    /// Whether that was set; else the role says it.
    scope_is_set: bool,
    /// The account of a customer's user.
    #[schema(value_type = Option<String>)]
    account_id: Option<AccountId>,
    /// The organisation of a partner's user.
    #[schema(value_type = Option<String>)]
    partner_id: Option<PartnerId>,
    /// Looks after all tenants; given from the command line only.
    is_operator: bool,
    /// A second factor is set up.
    has_factor: bool,
    /// Too many wrong passwords.
    locked_until: Option<DateTime<Utc>>,
    last_sign_in_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    version: i64,
}

impl From<Person> for User {
    fn from(person: Person) -> Self {
        Self {
            id: person.user.id,
            email: person.user.email,
            name: person.user.name,
            role: person.user.role,
            state: person.state.as_str(),
            groups: person.groups,
            grants: person.grants.names(),
            permissions: person.permissions.names(),
            scope: person.scope.as_str(),
            scope_is_set: person.scope_set.is_some(),
            account_id: person.account,
            partner_id: person.partner,
            is_operator: person.is_operator,
            has_factor: person.has_factor,
            locked_until: person.locked_until,
            last_sign_in_at: person.last_sign_in_at,
            created_at: person.created_at,
            version: person.version,
        }
    }
}

/// A link with which somebody sets a password, once.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PasswordLink {
    /// set_up or reset
    purpose: &'static str,
    /// To hand over; null where it was sent by e-mail.
    link: Option<String>,
    expires_at: DateTime<Utc>,
}

impl PasswordLink {
    fn new(purpose: Purpose, link: Option<String>, expires_at: DateTime<Utc>) -> Self {
        Self {
            purpose: purpose.as_str(),
            link,
            expires_at,
        }
    }
}

/// A name as it is stored.
pub(in crate::routes) fn read_name(text: &str) -> Result<String, ApiError> {
    let name = text.trim();
    match name.chars().count() {
        1..=120 => Ok(name.to_owned()),
        0 => Err(ApiError::invalid("/name", "name must not be empty")),
        _ => Err(ApiError::invalid(
            "/name",
            "name must not have more than 120 characters",
        )),
    }
}

pub(in crate::routes) fn read_role(text: &str) -> Result<Role, ApiError> {
    text.parse()
        .map_err(|error: domain::users::BadRole| ApiError::invalid("/role", error.to_string()))
}

fn read_scope(text: &str) -> Result<Scope, ApiError> {
    text.parse()
        .map_err(|error: domain::users::BadScope| ApiError::invalid("/scope", error.to_string()))
}

/// Refuses what does not go together, and an account or a partner that is not there.
async fn check(tx: &mut engine::Tx, wish: &PersonWish) -> Result<(), ApiError> {
    if let Some((field, why)) = wish.problem() {
        return Err(ApiError::invalid(format!("/{field}"), why));
    }
    let nowhere = |pointer: &str, error: StoreError| match error {
        StoreError::NotFound(what) => ApiError::invalid(pointer, format!("{what} not found")),
        error => error.into(),
    };
    if let Some(account) = wish.account {
        domain::entities::stored(tx, "account", account.into())
            .await
            .map_err(|error| nowhere("/account_id", error))?;
    }
    if let Some(partner) = wish.partner {
        domain::teams::partner(tx, partner)
            .await
            .map_err(|error| nowhere("/partner_id", error))?;
    }
    Ok(())
}

/// Ids in order, each once.
pub(in crate::routes) fn read_groups(mut ids: Vec<GroupId>) -> Vec<GroupId> {
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// Refuses what would give or take more than the caller has, and notes the attempt.
async fn permit(
    caller: &SignedIn,
    action: &str,
    person: &Person,
    wish: &PersonWish,
    groups: Permissions,
) -> Result<(), ApiError> {
    let Err(elevation) = caller.editor().may_make(person, wish, groups) else {
        return Ok(());
    };
    let entry = Entry::refused(action, "user", person.user.id).after(serde_json::json!({
        "role": wish.role,
        "groups": wish.groups,
        "grants": wish.grants.names(),
        "scope": wish.scope,
        "account_id": wish.account,
        "partner_id": wish.partner,
    }));
    Err(caller.refuse(entry, &elevation.to_string()).await)
}

/// Refuses to touch somebody who may do more than the caller, and notes the attempt.
async fn permit_touch(caller: &SignedIn, action: &str, person: &Person) -> Result<(), ApiError> {
    let Err(elevation) = caller.editor().may_change(person) else {
        return Ok(());
    };
    let entry = Entry::refused(action, "user", person.user.id);
    Err(caller.refuse(entry, &elevation.to_string()).await)
}
