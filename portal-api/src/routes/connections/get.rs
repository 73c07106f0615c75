use domain::permissions::needs::ConnectionsRead;
use engine::ids::ConnectionId;
use engine::store::connections;

use super::Connection;
use crate::caller::May;
use crate::error::ApiError;
use crate::etag::Tagged;
use crate::extract::Path;

/// One connection
#[utoipa::path(
    get, path = "/connections/{id}", operation_id = "get_connection", tag = "connections",
    params(("id" = String, Path)),
    responses((status = 200, description = "The connection", body = Connection)),
)]
pub(super) async fn get(
    caller: May<ConnectionsRead>,
    Path(id): Path<ConnectionId>,
) -> Result<Tagged<Connection>, ApiError> {
    let mut tx = caller.begin().await?;
    let connection = connections::get(&mut tx, id).await?;
    Ok(Tagged(connection.version, connection.into()))
}
