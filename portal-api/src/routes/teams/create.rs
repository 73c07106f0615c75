use axum::response::IntoResponse;
use domain::permissions::needs::TeamsManage;
use domain::teams;

use super::{Team, TeamBody, of_members};
use crate::caller::May;
use crate::error::ApiError;
use crate::etag::Created;
use crate::extract::Json;

/// Makes a team
#[utoipa::path(
    post, path = "/teams", operation_id = "create_team", tag = "teams", request_body = TeamBody,
    responses((status = 201, description = "Made", body = Team)),
)]
pub(super) async fn create(
    caller: May<TeamsManage>,
    Json(body): Json<TeamBody>,
) -> Result<impl IntoResponse, ApiError> {
    let wish = body.read()?;
    let mut tx = caller.begin().await?;
    let id = teams::create(&mut tx, &wish).await.map_err(of_members)?;
    let team = teams::get(&mut tx, id).await?;
    tx.commit().await?;
    Ok(Created(team.version, Team::from(team)))
}
