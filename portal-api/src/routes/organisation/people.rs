use axum::Json;
use axum::http::StatusCode;
use domain::organisations;
use domain::permissions::needs::OrganisationManage;
use domain::users::people::{self, PersonQuery};
use domain::users::{PersonWish, UserState};
use engine::ids::{GroupId, UserId};
use engine::store::audit::Entry;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::{groups_of, narrowed, shown};
use crate::caller::{Fresh, May};
use crate::error::ApiError;
use crate::etag::Tagged;
use crate::extract::{self, Path, Query};
use crate::page::{self, Page};
use crate::routes::groups::read_permissions;
use crate::routes::users::create::{self, Invited};
use crate::routes::users::{User, read_groups, read_name, read_role};

const SORT: &str = "email";

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Params {
    /// Part of the name or the address.
    q: Option<String>,
    /// invited, active or deactivated
    state: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

/// Lists the people of one's organisation
#[utoipa::path(
    get, path = "/organisation/people", operation_id = "list_organisation_people",
    tag = "organisation", params(Params),
    responses((status = 200, description = "A page, by address", body = Page<User>)),
)]
pub(super) async fn list(
    caller: May<OrganisationManage>,
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
    let mut tx = caller.begin().await?;
    let account = organisations::own(&mut tx, caller.session.user.id).await?;
    let query = PersonQuery {
        q: params.q,
        state,
        account: Some(account),
        ..PersonQuery::default()
    };
    let slice = people::list(&mut tx, &query, limit, after.as_ref()).await?;
    let own = groups_of(&mut tx, account).await?;
    let show = |person| narrowed(person, &own);
    Ok(Json(Page::new(slice, SORT, show)))
}

/// Somebody of one's organisation
#[utoipa::path(
    get, path = "/organisation/people/{id}", operation_id = "get_organisation_person",
    tag = "organisation", params(("id" = String, Path)),
    responses((status = 200, description = "As they are", body = User)),
)]
pub(super) async fn get(
    caller: May<OrganisationManage>,
    Path(id): Path<UserId>,
) -> Result<Tagged<User>, ApiError> {
    let mut tx = caller.begin().await?;
    let account = organisations::own(&mut tx, caller.session.user.id).await?;
    let (version, user) = shown(&mut tx, account, id).await?;
    Ok(Tagged(version, user))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewOrganisationPerson {
    email: String,
    name: String,
    /// customer_admin, customer_manager or customer_user
    role: String,
    /// Groups of the organisation.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    groups: Vec<GroupId>,
    /// Permissions beyond role and groups.
    #[serde(default)]
    grants: Vec<String>,
}

/// Invites somebody into one's organisation
///
/// They belong to it and see its account alone. As with every invitation the link is sent by e-mail
/// where the hub can send, and else answered.
#[utoipa::path(
    post, path = "/organisation/people", operation_id = "invite_organisation_person",
    tag = "organisation", request_body = NewOrganisationPerson,
    responses((status = 201, description = "Invited", body = Invited)),
)]
pub(super) async fn invite(
    caller: Fresh<OrganisationManage>,
    extract::Json(body): extract::Json<NewOrganisationPerson>,
) -> Result<(StatusCode, Json<Invited>), ApiError> {
    let email = domain::users::email(&body.email)
        .map_err(|error| ApiError::invalid("/email", error.to_string()))?;
    let mut tx = caller.begin().await?;
    let account = organisations::own(&mut tx, caller.session.user.id).await?;
    let wish = PersonWish {
        name: read_name(&body.name)?,
        role: read_role(&body.role)?,
        groups: read_groups(body.groups),
        grants: read_permissions("/grants", &body.grants)?,
        scope: None,
        account: Some(account),
        partner: None,
    };
    let by_groups = super::change::given_by(&caller, &mut tx, account, &wish.groups).await?;
    if let Err(elevation) = organisations::may_make(caller.editor(), None, &wish, by_groups) {
        drop(tx);
        let wished = serde_json::json!({"role": wish.role, "grants": wish.grants.names()});
        let entry = Entry::refused("invite_organisation_person", "user", "").after(wished);
        return Err(caller.refuse(entry, &elevation.to_string()).await);
    }
    create::invite(&caller, tx, &email, &wish).await
}
