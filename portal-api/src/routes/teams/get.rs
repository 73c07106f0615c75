use domain::permissions::needs::TeamsRead;
use domain::teams;
use engine::ids::TeamId;

use super::Team;
use crate::caller::May;
use crate::error::ApiError;
use crate::etag::Tagged;
use crate::extract::Path;

/// A team
#[utoipa::path(
    get, path = "/teams/{id}", operation_id = "get_team", tag = "teams",
    params(("id" = String, Path)),
    responses((status = 200, description = "The team", body = Team)),
)]
pub(super) async fn get(
    caller: May<TeamsRead>,
    Path(id): Path<TeamId>,
) -> Result<Tagged<Team>, ApiError> {
    let mut tx = caller.begin().await?;
    let team = teams::get(&mut tx, id).await?;
    Ok(Tagged(team.version, team.into()))
}
