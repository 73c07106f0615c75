use axum::http::StatusCode;
use domain::permissions::needs::ConnectionsManage;
use engine::ids::ConnectionId;
use engine::store::connections;

use super::Connection;
use engine::store::audit::Entry;

use crate::caller::May;
use crate::error::{ApiError, Slug};
use crate::etag::{IfMatch, shown};
use crate::extract::Path;

/// Removes a connection
///
/// Its streams, mappings, schedules, links and waiting writes go with it; accounts and contacts
/// stay.
#[utoipa::path(
    delete, path = "/connections/{id}", operation_id = "delete_connection", tag = "connections",
    params(("id" = String, Path), ("If-Match" = String, Header)),
    responses((status = 204, description = "Removed")),
)]
pub(super) async fn delete(
    caller: May<ConnectionsManage>,
    Path(id): Path<ConnectionId>,
    IfMatch(version): IfMatch,
) -> Result<StatusCode, ApiError> {
    let mut tx = caller.begin().await?;
    let before = Connection::from(connections::get(&mut tx, id).await?);
    if let Err(error) = connections::delete(&mut tx, id, version)
        .await
        .map_err(ApiError::from)
    {
        if error.slug() != Slug::Stale {
            return Err(error);
        }
        let current = connections::get(&mut tx, id).await?;
        return Err(ApiError::stale(&Connection::from(current)));
    }
    tx.audit(Entry::new("delete_connection", "connections", id).before(shown(&before)));
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
