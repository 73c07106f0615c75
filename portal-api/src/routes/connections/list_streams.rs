use axum::Json;
use domain::permissions::needs::ConnectionsRead;
use engine::ids::ConnectionId;
use engine::store::{connections, streams};

use super::ConnectionStream;
use crate::caller::May;
use crate::error::ApiError;
use crate::extract::Path;

/// The streams that are set up on a connection
#[utoipa::path(
    get, path = "/connections/{id}/streams", operation_id = "list_connection_streams",
    tag = "connections", params(("id" = String, Path)),
    responses((status = 200, description = "All of them", body = Vec<ConnectionStream>)),
)]
pub(super) async fn list_streams(
    caller: May<ConnectionsRead>,
    Path(id): Path<ConnectionId>,
) -> Result<Json<Vec<ConnectionStream>>, ApiError> {
    let mut tx = caller.begin().await?;
    connections::get(&mut tx, id).await?;
    let rows = streams::list(&mut tx, id).await?;
    Ok(Json(rows.into_iter().map(ConnectionStream::from).collect()))
}
