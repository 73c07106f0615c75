//! Where a user is signed in, for those who manage users.

use axum::Json;
use axum::http::StatusCode;
use domain::permissions::needs::UsersManage;
use domain::users::people;
use domain::{security, sessions};
use engine::ids::{SessionId, UserId};

use super::permit_touch;
use crate::caller::May;
use crate::error::ApiError;
use crate::extract::Path;
use crate::page::Page;
use crate::routes::session::OpenSession;

/// Lists a user's sessions
#[utoipa::path(
    get, path = "/users/{id}/sessions", operation_id = "list_user_sessions", tag = "users",
    params(("id" = String, Path)),
    responses((status = 200, description = "All, last used first", body = Page<OpenSession>)),
)]
pub(super) async fn list(
    caller: May<UsersManage>,
    Path(id): Path<UserId>,
) -> Result<Json<Page<OpenSession>>, ApiError> {
    let mut tx = caller.begin().await?;
    let person = people::get(&mut tx, id).await?;
    let policy = security::current(&mut tx).await?.policy;
    let rows = sessions::list(&mut tx, person.user.id, &policy).await?;
    let own = caller.session.id;
    let open = rows.into_iter().map(|row| OpenSession::of(row, own));
    Ok(Json(Page::whole(open.collect())))
}

/// Ends a session of a user
///
/// Their browser is signed out with its next request.
#[utoipa::path(
    delete, path = "/users/{id}/sessions/{session}", operation_id = "end_user_session",
    tag = "users", params(("id" = String, Path), ("session" = String, Path)),
    responses((status = 204, description = "Ended")),
)]
pub(super) async fn end(
    caller: May<UsersManage>,
    Path((id, session)): Path<(UserId, SessionId)>,
) -> Result<StatusCode, ApiError> {
    let mut tx = caller.begin().await?;
    let person = people::get(&mut tx, id).await?;
    permit_touch(&caller, "end_user_session", &person).await?;
    sessions::close(&mut tx, id, session).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends all sessions of a user
#[utoipa::path(
    delete, path = "/users/{id}/sessions", operation_id = "end_user_sessions", tag = "users",
    params(("id" = String, Path)),
    responses((status = 204, description = "Ended")),
)]
pub(super) async fn end_all(
    caller: May<UsersManage>,
    Path(id): Path<UserId>,
) -> Result<StatusCode, ApiError> {
    let mut tx = caller.begin().await?;
    let person = people::get(&mut tx, id).await?;
    permit_touch(&caller, "end_user_sessions", &person).await?;
    sessions::end_all(&mut tx, id).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
