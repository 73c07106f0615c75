use axum::http::StatusCode;
use domain::permissions::needs::TeamsManage;
use domain::teams;
use engine::StoreError;
use engine::ids::TeamId;

use super::Team;
use crate::caller::May;
use crate::error::ApiError;
use crate::etag::IfMatch;
use crate::extract::Path;

/// Removes a team
///
/// Only one that no account is assigned to.
#[utoipa::path(
    delete, path = "/teams/{id}", operation_id = "delete_team", tag = "teams",
    params(("id" = String, Path), ("If-Match" = String, Header)),
    responses((status = 204, description = "Removed")),
)]
pub(super) async fn delete(
    caller: May<TeamsManage>,
    Path(id): Path<TeamId>,
    IfMatch(version): IfMatch,
) -> Result<StatusCode, ApiError> {
    let mut tx = caller.begin().await?;
    let current = teams::get(&mut tx, id).await?;
    match teams::delete(&mut tx, id, version).await {
        Ok(()) => {}
        Err(StoreError::Stale(_)) => return Err(ApiError::stale(&Team::from(current))),
        Err(error) => return Err(error.into()),
    }
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
