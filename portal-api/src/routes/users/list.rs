use axum::Json;
use domain::permissions::needs::UsersRead;
use domain::users::UserState;
use domain::users::people::{self, PersonQuery};
use engine::ids::{AccountId, GroupId, PartnerId, TeamId};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{User, read_role};
use crate::caller::May;
use crate::error::ApiError;
use crate::extract::Query;
use crate::page::{self, Page};

const SORT: &str = "email";

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Params {
    /// Part of the name or the address.
    q: Option<String>,
    role: Option<String>,
    /// invited, active or deactivated
    state: Option<String>,
    /// Id of a group: its members.
    #[param(value_type = Option<String>)]
    group: Option<GroupId>,
    /// Id of a team: its members.
    #[param(value_type = Option<String>)]
    team: Option<TeamId>,
    /// Id of a partner organisation: who signs in for it.
    #[param(value_type = Option<String>)]
    partner: Option<PartnerId>,
    /// Id of an account: a customer's people.
    #[param(value_type = Option<String>)]
    account: Option<AccountId>,
    /// Those with a second factor, or those without.
    has_factor: Option<bool>,
    limit: Option<u32>,
    cursor: Option<String>,
}

/// Lists users
#[utoipa::path(
    get, path = "/users", operation_id = "list_users", tag = "users", params(Params),
    responses((status = 200, description = "A page, by address", body = Page<User>)),
)]
pub(super) async fn list(
    caller: May<UsersRead>,
    Query(params): Query<Params>,
) -> Result<Json<Page<User>>, ApiError> {
    let limit = page::limit(params.limit)?;
    let after = page::after(params.cursor.as_deref(), SORT)?;
    let state = match params.state.as_deref() {
        None => None,
        Some(text) => Some(UserState::of(text).ok_or_else(|| {
            ApiError::invalid("/state", "state must be invited, active or deactivated")
        })?),
    };
    let query = PersonQuery {
        q: params.q,
        role: params.role.as_deref().map(read_role).transpose()?,
        state,
        group: params.group,
        team: params.team,
        partner: params.partner,
        account: params.account,
        has_factor: params.has_factor,
    };
    let mut tx = caller.begin().await?;
    let slice = people::list(&mut tx, &query, limit, after.as_ref()).await?;
    Ok(Json(Page::new(slice, SORT, User::from)))
}
