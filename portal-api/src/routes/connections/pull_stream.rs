use axum::Json;
use axum::http::StatusCode;
use domain::permissions::needs::ConnectionsOperate;
use domain::pulls;
use engine::ids::ConnectionId;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::caller::May;
use crate::error::ApiError;
use crate::extract;
use crate::routes::runs::StartedRun;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pull {
    /// Read all of it again, not only what changed.
    #[serde(default)]
    full: bool,
}

/// Reads a stream now
#[utoipa::path(
    post, path = "/connections/{id}/streams/{stream}/pull", operation_id = "pull_stream",
    tag = "connections", params(("id" = String, Path), ("stream" = String, Path)),
    request_body = Pull,
    responses((status = 202, description = "A run will read it", body = StartedRun)),
)]
pub(super) async fn pull_stream(
    caller: May<ConnectionsOperate>,
    extract::Path((id, stream)): extract::Path<(ConnectionId, String)>,
    extract::Json(body): extract::Json<Pull>,
) -> Result<(StatusCode, Json<StartedRun>), ApiError> {
    let mut tx = caller.begin().await?;
    let run_id = pulls::start(&mut tx, id, &stream, body.full).await?;
    tx.commit().await?;
    Ok((StatusCode::ACCEPTED, Json(StartedRun { run_id })))
}
