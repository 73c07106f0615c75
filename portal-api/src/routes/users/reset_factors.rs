use axum::http::StatusCode;
use domain::factors;
use domain::mails::SignInNotice;
use domain::permissions::needs::UsersManage;
use domain::users::people;
use engine::ids::UserId;

use super::permit_touch;
use crate::caller::Fresh;
use crate::error::ApiError;
use crate::extract::Path;
use crate::routes::factors::tell;

/// Removes all second factors of a user
///
/// For somebody who lost them. Sessions and remembered browsers end; the next sign-in asks for the
/// password alone.
#[utoipa::path(
    post, path = "/users/{id}/reset-factors", operation_id = "reset_factors", tag = "users",
    params(("id" = String, Path)),
    responses((status = 204, description = "Removed; the user is told")),
)]
pub(super) async fn reset(
    caller: Fresh<UsersManage>,
    Path(id): Path<UserId>,
) -> Result<StatusCode, ApiError> {
    let mut tx = caller.begin().await?;
    let person = people::get(&mut tx, id).await?;
    permit_touch(&caller, "reset_factors", &person).await?;
    factors::reset(&mut tx, id).await?;
    tell(
        caller.portal(),
        &mut tx,
        &person.user,
        SignInNotice::FactorsReset,
    )
    .await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
