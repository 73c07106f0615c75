use axum::Json;
use domain::permissions::needs::ConnectionsRead;
use engine::store::connections;

use super::Connection;
use crate::caller::May;
use crate::error::ApiError;
use crate::extract::Query;
use crate::page::{self, Page, Params};

/// Lists connections by name
#[utoipa::path(
    get, path = "/connections", operation_id = "list_connections", tag = "connections",
    params(Params),
    responses((status = 200, description = "A page", body = Page<Connection>)),
)]
pub(super) async fn list(
    caller: May<ConnectionsRead>,
    Query(params): Query<Params>,
) -> Result<Json<Page<Connection>>, ApiError> {
    let limit = page::limit(params.limit)?;
    let after = page::after(params.cursor.as_deref(), "name")?;
    let mut tx = caller.begin().await?;
    let slice = connections::list(&mut tx, limit, after.as_ref()).await?;
    Ok(Json(Page::new(slice, "name", Connection::from)))
}
