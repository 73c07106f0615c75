use domain::permissions::needs::UsersRead;
use domain::users::people;
use engine::ids::UserId;

use super::User;
use crate::caller::May;
use crate::error::ApiError;
use crate::etag::Tagged;
use crate::extract::Path;

/// A user
#[utoipa::path(
    get, path = "/users/{id}", operation_id = "get_user", tag = "users",
    params(("id" = String, Path)),
    responses((status = 200, description = "The user", body = User)),
)]
pub(super) async fn get(
    caller: May<UsersRead>,
    Path(id): Path<UserId>,
) -> Result<Tagged<User>, ApiError> {
    let mut tx = caller.begin().await?;
    let person = people::get(&mut tx, id).await?;
    Ok(Tagged(person.version, person.into()))
}
