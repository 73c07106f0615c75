use axum::Json;
use domain::permissions::needs::TeamsRead;
use domain::teams;

use super::Team;
use crate::caller::May;
use crate::error::ApiError;
use crate::page::Page;

/// Lists teams
#[utoipa::path(
    get, path = "/teams", operation_id = "list_teams", tag = "teams",
    responses((status = 200, description = "All, by name", body = Page<Team>)),
)]
pub(super) async fn list(caller: May<TeamsRead>) -> Result<Json<Page<Team>>, ApiError> {
    let mut tx = caller.begin().await?;
    let teams = teams::list(&mut tx).await?;
    Ok(Json(Page::whole(
        teams.into_iter().map(Team::from).collect(),
    )))
}
