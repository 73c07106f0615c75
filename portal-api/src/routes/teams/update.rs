use domain::permissions::needs::TeamsManage;
use domain::teams;
use engine::StoreError;
use engine::ids::TeamId;

use super::{Team, TeamBody, of_members};
use crate::caller::May;
use crate::error::ApiError;
use crate::etag::{IfMatch, Tagged};
use crate::extract::{Json, Path};

/// Changes a team
///
/// What its members see changes with their next request.
#[utoipa::path(
    put, path = "/teams/{id}", operation_id = "update_team", tag = "teams",
    params(("id" = String, Path), ("If-Match" = String, Header)), request_body = TeamBody,
    responses((status = 200, description = "As it is now", body = Team)),
)]
pub(super) async fn update(
    caller: May<TeamsManage>,
    Path(id): Path<TeamId>,
    IfMatch(version): IfMatch,
    Json(body): Json<TeamBody>,
) -> Result<Tagged<Team>, ApiError> {
    let wish = body.read()?;
    let mut tx = caller.begin().await?;
    let current = teams::get(&mut tx, id).await?;
    match teams::change(&mut tx, id, version, &wish).await {
        Ok(()) => {}
        Err(StoreError::Stale(_)) => return Err(ApiError::stale(&Team::from(current))),
        Err(error) => return Err(of_members(error)),
    }
    let team = teams::get(&mut tx, id).await?;
    tx.commit().await?;
    Ok(Tagged(team.version, team.into()))
}
