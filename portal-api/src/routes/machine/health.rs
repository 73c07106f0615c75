use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

use crate::caller::Anyone;

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    status: &'static str,
}

/// Whether the process answers
#[utoipa::path(
    get, path = "/health", operation_id = "health", tag = "machine",
    responses((status = 200, description = "It does", body = Health)),
)]
pub(super) async fn health(_: Anyone) -> Json<Health> {
    Json(Health { status: "ok" })
}
