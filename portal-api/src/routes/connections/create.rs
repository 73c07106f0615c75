use axum::response::IntoResponse;
use domain::permissions::needs::ConnectionsManage;
use engine::store::connections;
use serde::Deserialize;
use utoipa::ToSchema;

use super::Connection;
use engine::store::audit::Entry;

use crate::caller::May;
use crate::error::ApiError;
use crate::etag::{Created, shown};
use crate::extract::Json;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewConnection {
    /// Id of a system.
    system: String,
    /// Unique among the tenant's connections.
    name: String,
    /// As the system's `config_schema` says, secrets included.
    #[schema(value_type = Object)]
    config: serde_json::Value,
}

/// Connects a system
///
/// The system is not asked yet: check the connection next.
#[utoipa::path(
    post, path = "/connections", operation_id = "create_connection", tag = "connections",
    request_body = NewConnection,
    responses((status = 201, description = "Connected", body = Connection)),
)]
pub(super) async fn create(
    caller: May<ConnectionsManage>,
    Json(body): Json<NewConnection>,
) -> Result<impl IntoResponse, ApiError> {
    let name = domain::connections::name(&body.name)
        .map_err(|error| ApiError::invalid("/name", error.to_string()))?;
    let mut tx = caller.begin().await?;
    let id = caller
        .portal()
        .peers
        .create(&mut tx, &body.system, &name, body.config)
        .await?;
    let connection = connections::get(&mut tx, id).await?;
    let (version, connection) = (connection.version, Connection::from(connection));
    tx.audit(Entry::new("create_connection", "connections", id).after(shown(&connection)));
    tx.commit().await?;
    Ok(Created(version, connection))
}
