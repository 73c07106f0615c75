use axum::Json;
use domain::permissions::needs::UsersManage;
use domain::users::{UserState, access, people};
use engine::ids::UserId;

use super::{User, permit_touch};
use crate::caller::{Fresh, May};
use crate::error::ApiError;
use crate::extract::Path;

/// Deactivates a user
///
/// Sessions, keys and links of the user stop working at once; what they did stays theirs.
#[utoipa::path(
    post, path = "/users/{id}/deactivate", operation_id = "deactivate_user", tag = "users",
    params(("id" = String, Path)),
    responses((status = 200, description = "As it is now", body = User)),
)]
pub(super) async fn deactivate(
    caller: May<UsersManage>,
    Path(id): Path<UserId>,
) -> Result<Json<User>, ApiError> {
    let mut tx = caller.begin().await?;
    let person = people::get(&mut tx, id).await?;
    permit_touch(&caller, "deactivate_user", &person).await?;
    if person.state != UserState::Deactivated {
        access::deactivate(&mut tx, &person).await?;
    }
    let person = people::get(&mut tx, id).await?;
    tx.commit().await?;
    Ok(Json(person.into()))
}

/// Lets a user in again
///
/// With the password and the permissions they had.
#[utoipa::path(
    post, path = "/users/{id}/reactivate", operation_id = "reactivate_user", tag = "users",
    params(("id" = String, Path)),
    responses((status = 200, description = "As it is now", body = User)),
)]
pub(super) async fn reactivate(
    caller: Fresh<UsersManage>,
    Path(id): Path<UserId>,
) -> Result<Json<User>, ApiError> {
    let mut tx = caller.begin().await?;
    let person = people::get(&mut tx, id).await?;
    permit_touch(&caller, "reactivate_user", &person).await?;
    if person.state == UserState::Deactivated {
        access::reactivate(&mut tx, &person).await?;
    }
    let person = people::get(&mut tx, id).await?;
    tx.commit().await?;
    Ok(Json(person.into()))
}

/// Lets a user try to sign in again
///
/// After too many wrong passwords or codes an account is locked for a while; this ends it at once.
#[utoipa::path(
    post, path = "/users/{id}/unlock", operation_id = "unlock_user", tag = "users",
    params(("id" = String, Path)),
    responses((status = 200, description = "As it is now", body = User)),
)]
pub(super) async fn unlock(
    caller: Fresh<UsersManage>,
    Path(id): Path<UserId>,
) -> Result<Json<User>, ApiError> {
    let mut tx = caller.begin().await?;
    let person = people::get(&mut tx, id).await?;
    permit_touch(&caller, "unlock_user", &person).await?;
    if person.locked_until.is_some() {
        access::unlock(&mut tx, &person).await?;
    }
    let person = people::get(&mut tx, id).await?;
    tx.commit().await?;
    Ok(Json(person.into()))
}
