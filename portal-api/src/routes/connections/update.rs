use domain::permissions::needs::ConnectionsManage;
use engine::ids::ConnectionId;
use engine::store::connections;
use serde::Deserialize;
use utoipa::ToSchema;

use super::Connection;
use engine::store::audit::Entry;

use crate::caller::May;
use crate::error::{ApiError, Slug};
use crate::etag::{IfMatch, Tagged, shown};
use crate::extract::{Json, Path};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConnectionChange {
    name: Option<String>,
    /// Replaces the configuration; a secret that is left out stays as it is.
    #[schema(value_type = Option<Object>)]
    config: Option<serde_json::Value>,
}

/// Changes a connection
#[utoipa::path(
    patch, path = "/connections/{id}", operation_id = "update_connection", tag = "connections",
    params(("id" = String, Path), ("If-Match" = String, Header)), request_body = ConnectionChange,
    responses((status = 200, description = "As it is now", body = Connection)),
)]
pub(super) async fn update(
    caller: May<ConnectionsManage>,
    Path(id): Path<ConnectionId>,
    IfMatch(version): IfMatch,
    Json(body): Json<ConnectionChange>,
) -> Result<Tagged<Connection>, ApiError> {
    let name = body
        .name
        .as_deref()
        .map(domain::connections::name)
        .transpose();
    let name = name.map_err(|error| ApiError::invalid("/name", error.to_string()))?;
    let mut tx = caller.begin().await?;
    let before = Connection::from(connections::get(&mut tx, id).await?);
    let peers = &caller.portal().peers;
    let changed = peers
        .change(&mut tx, id, version, name.as_deref(), body.config)
        .await;
    if let Err(error) = changed.map_err(ApiError::from) {
        if error.slug() != Slug::Stale {
            return Err(error);
        }
        let current = connections::get(&mut tx, id).await?;
        return Err(ApiError::stale(&Connection::from(current)));
    }
    let connection = connections::get(&mut tx, id).await?;
    let (version, connection) = (connection.version, Connection::from(connection));
    let entry = Entry::new("update_connection", "connections", id);
    tx.audit(entry.before(shown(&before)).after(shown(&connection)));
    tx.commit().await?;
    Ok(Tagged(version, connection))
}
