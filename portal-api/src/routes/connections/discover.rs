use axum::Json;
use domain::coverage;
use domain::entities::Refusal;
use domain::permissions::needs::ConnectionsOperate;
use engine::ids::ConnectionId;
use serde::Serialize;
use utoipa::ToSchema;

use super::DiscoveredStream;
use crate::caller::May;
use crate::error::ApiError;
use crate::extract::Path;

/// What a system has.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Discovered {
    streams: Vec<DiscoveredStream>,
}

/// Asks a system for its streams and fields
#[utoipa::path(
    post, path = "/connections/{id}/discover", operation_id = "discover_connection",
    tag = "connections", params(("id" = String, Path)),
    responses((status = 200, description = "What it has", body = Discovered)),
)]
pub(super) async fn discover(
    caller: May<ConnectionsOperate>,
    Path(id): Path<ConnectionId>,
) -> Result<Json<Discovered>, ApiError> {
    let found = caller
        .portal()
        .peers
        .discover(caller.session.user.tenant, id)
        .await?;
    let mut tx = caller.begin().await?;
    let tables = &caller.portal().tables;
    let described = coverage::describe(&mut tx, tables, id, &found).await;
    described.map_err(Refusal::from)?;
    tx.commit().await?;
    let streams = found.into_iter().map(DiscoveredStream::from).collect();
    Ok(Json(Discovered { streams }))
}
