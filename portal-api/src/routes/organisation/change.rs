//! Changing somebody of one's organisation.

use axum::Json;
use domain::organisations;
use domain::permissions::Permissions;
use domain::permissions::needs::OrganisationManage;
use domain::users::links::Purpose;
use domain::users::{PersonWish, Role, UserState, access, people};
use engine::ids::{AccountId, GroupId, UserId};
use engine::store::audit::Entry;
use engine::{StoreError, Tx};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{groups_of, member, shown};
use crate::caller::{Fresh, May, SignedIn};
use crate::error::{ApiError, Slug};
use crate::etag::{IfMatch, Tagged};
use crate::extract::{self, Path};
use crate::routes::groups::read_permissions;
use crate::routes::users::link::issue;
use crate::routes::users::{PasswordLink, User, read_groups, read_name, read_role};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OrganisationPersonChange {
    name: Option<String>,
    /// customer_admin, customer_manager or customer_user
    role: Option<String>,
    /// All groups of the organisation they shall be in; others they are in stay.
    #[schema(value_type = Option<Vec<String>>)]
    groups: Option<Vec<GroupId>>,
    /// All permissions beyond role and groups.
    grants: Option<Vec<String>>,
}

/// Changes somebody of one's organisation
///
/// It counts from their next request on. Nobody gives more than they have or than a customer may have,
/// changes what they themselves may do, or takes the last administrator away; attempts are noted.
#[utoipa::path(
    patch, path = "/organisation/people/{id}", operation_id = "update_organisation_person",
    tag = "organisation", params(("id" = String, Path), ("If-Match" = String, Header)),
    request_body = OrganisationPersonChange,
    responses((status = 200, description = "As they are now", body = User)),
)]
pub(super) async fn update(
    caller: Fresh<OrganisationManage>,
    Path(id): Path<UserId>,
    IfMatch(version): IfMatch,
    extract::Json(body): extract::Json<OrganisationPersonChange>,
) -> Result<Tagged<User>, ApiError> {
    const ACTION: &str = "update_organisation_person";
    let mut tx = caller.begin().await?;
    let (account, person) = member(&caller, &mut tx, ACTION, id).await?;
    let mut wish = PersonWish::of(&person);
    if let Some(name) = body.name {
        wish.name = read_name(&name)?;
    }
    if let Some(role) = body.role {
        wish.role = read_role(&role)?;
    }
    if let Some(grants) = body.grants {
        wish.grants = read_permissions("/grants", &grants)?;
    }
    let mut more = Vec::new();
    if let Some(groups) = body.groups {
        // Those that the tenant's own people put them in are not seen here, and stay.
        let own = groups_of(&mut tx, account).await?;
        let mut all = groups;
        more = all.clone();
        more.retain(|group| !person.groups.contains(group));
        all.extend(person.groups.iter().filter(|group| !own.contains(group)));
        wish.groups = read_groups(all);
    }
    let by_groups = given_by(&caller, &mut tx, account, &more).await?;
    if let Err(elevation) =
        organisations::may_make(caller.editor(), Some(&person), &wish, by_groups)
    {
        drop(tx);
        let entry = Entry::refused(ACTION, "user", id).after(serde_json::json!({
            "role": wish.role,
            "groups": wish.groups,
            "grants": wish.grants.names(),
        }));
        return Err(caller.refuse(entry, &elevation.to_string()).await);
    }
    if person.user.role == Role::CustomerAdmin && wish.role != Role::CustomerAdmin {
        organisations::keep_an_administrator(&mut tx, account, id).await?;
    }
    match people::change(&mut tx, &person, version, &wish).await {
        Ok(()) => {}
        Err(StoreError::Stale(_)) => {
            let (_version, user) = shown(&mut tx, account, id).await?;
            return Err(ApiError::stale(&user));
        }
        Err(error) => return Err(error.into()),
    }
    let (version, user) = shown(&mut tx, account, id).await?;
    tx.commit().await?;
    Ok(Tagged(version, user))
}

/// What groups of the organisation give together. That another one was tried is noted.
pub(super) async fn given_by(
    caller: &SignedIn,
    tx: &mut Tx,
    account: AccountId,
    ids: &[GroupId],
) -> Result<Permissions, ApiError> {
    let own = organisations::own_groups(tx, account).await?;
    let mut sum = Permissions::NONE;
    for id in ids {
        let Some(group) = own.iter().find(|group| group.id == *id) else {
            caller
                .note_attempt(Entry::refused("join_group", "group", id))
                .await?;
            return Err(ApiError::invalid(
                "/groups",
                format!("group {id} not found"),
            ));
        };
        sum = sum.and(group.permissions);
    }
    Ok(sum)
}

/// Refuses to touch somebody who may do more than the caller, and notes the attempt.
async fn permit_touch(
    caller: &SignedIn,
    action: &str,
    person: &domain::users::Person,
) -> Result<(), ApiError> {
    let Err(elevation) = caller.editor().may_change(person) else {
        return Ok(());
    };
    let entry = Entry::refused(action, "user", person.user.id);
    Err(caller.refuse(entry, &elevation.to_string()).await)
}

/// Deactivates somebody of one's organisation
///
/// Sessions, keys and links stop working at once; what they did stays theirs.
#[utoipa::path(
    post, path = "/organisation/people/{id}/deactivate",
    operation_id = "deactivate_organisation_person", tag = "organisation",
    params(("id" = String, Path)),
    responses((status = 200, description = "As they are now", body = User)),
)]
pub(super) async fn deactivate(
    caller: May<OrganisationManage>,
    Path(id): Path<UserId>,
) -> Result<Json<User>, ApiError> {
    const ACTION: &str = "deactivate_organisation_person";
    let mut tx = caller.begin().await?;
    let (account, person) = member(&caller, &mut tx, ACTION, id).await?;
    permit_touch(&caller, ACTION, &person).await?;
    if person.state != UserState::Deactivated {
        if person.user.role == Role::CustomerAdmin {
            organisations::keep_an_administrator(&mut tx, account, id).await?;
        }
        access::deactivate(&mut tx, &person).await?;
    }
    answer(tx, account, id).await
}

/// Lets somebody of one's organisation in again
///
/// With the password and the permissions they had.
#[utoipa::path(
    post, path = "/organisation/people/{id}/reactivate",
    operation_id = "reactivate_organisation_person", tag = "organisation",
    params(("id" = String, Path)),
    responses((status = 200, description = "As they are now", body = User)),
)]
pub(super) async fn reactivate(
    caller: Fresh<OrganisationManage>,
    Path(id): Path<UserId>,
) -> Result<Json<User>, ApiError> {
    const ACTION: &str = "reactivate_organisation_person";
    let mut tx = caller.begin().await?;
    let (account, person) = member(&caller, &mut tx, ACTION, id).await?;
    permit_touch(&caller, ACTION, &person).await?;
    if person.state == UserState::Deactivated {
        access::reactivate(&mut tx, &person).await?;
    }
    answer(tx, account, id).await
}

async fn answer(mut tx: Tx, account: AccountId, id: UserId) -> Result<Json<User>, ApiError> {
    let (_version, user) = shown(&mut tx, account, id).await?;
    tx.commit().await?;
    Ok(Json(user))
}

/// Makes a link to set a first password
///
/// For somebody of one's organisation who lost the invitation. Who has a password asks for a link
/// themselves.
#[utoipa::path(
    post, path = "/organisation/people/{id}/link", operation_id = "create_organisation_link",
    tag = "organisation", params(("id" = String, Path)),
    responses((status = 200, description = "Sent, or to be handed over", body = PasswordLink)),
)]
pub(super) async fn link(
    caller: Fresh<OrganisationManage>,
    Path(id): Path<UserId>,
) -> Result<Json<PasswordLink>, ApiError> {
    const ACTION: &str = "create_organisation_link";
    let mut tx = caller.begin().await?;
    let (_account, person) = member(&caller, &mut tx, ACTION, id).await?;
    permit_touch(&caller, ACTION, &person).await?;
    if person.state != UserState::Invited {
        let why = "only somebody who was invited and has no password yet gets this link";
        return Err(ApiError::new(Slug::Conflict, why));
    }
    let person = people::get(&mut tx, id).await?;
    let link = issue(&caller, &mut tx, &person, Purpose::SetUp).await?;
    tx.commit().await?;
    Ok(Json(link))
}
