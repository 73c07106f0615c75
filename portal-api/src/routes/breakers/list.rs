use axum::Json;
use domain::breakers;
use engine::ids::ConnectionId;
use serde::Deserialize;
use utoipa::IntoParams;

use super::Breaker;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::extract::Query;
use crate::page::{self, Page};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Params {
    #[param(value_type = Option<String>)]
    connection_id: Option<ConnectionId>,
    limit: Option<u32>,
    cursor: Option<String>,
}

/// Lists frozen fields, those frozen last first
#[utoipa::path(
    get, path = "/breakers", operation_id = "list_breakers", tag = "breakers", params(Params),
    responses((status = 200, description = "A page", body = Page<Breaker>)),
)]
pub(super) async fn list(
    caller: Caller,
    Query(params): Query<Params>,
) -> Result<Json<Page<Breaker>>, ApiError> {
    let limit = page::limit(params.limit)?;
    let after = page::after(params.cursor.as_deref(), "-frozen_at")?;
    let tables = &caller.portal().tables;
    let mut tx = caller.begin().await?;
    let connection = params.connection_id;
    let slice = breakers::list(&mut tx, tables, connection, limit, after.as_ref()).await?;
    Ok(Json(Page::new(slice, "-frozen_at", Breaker::from)))
}
