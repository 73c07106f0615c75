use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

use crate::caller::Caller;
use crate::error::ApiError;

/// A system that can be connected.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct System {
    id: &'static str,
    title: &'static str,
    /// How a connection proves who it is: none, api_key, password or o_auth2.
    #[schema(value_type = String)]
    auth: serde_json::Value,
    /// JSON Schema of a connection's configuration; secrets are `writeOnly`.
    #[schema(value_type = Object)]
    config_schema: serde_json::Value,
    /// Most rows of one write; 0 for a system that is only read.
    write_batch: usize,
}

/// Lists systems
#[utoipa::path(
    get, path = "/systems", operation_id = "list_systems", tag = "systems",
    responses((status = 200, description = "All systems", body = Vec<System>)),
)]
pub(super) async fn list(caller: Caller) -> Result<Json<Vec<System>>, ApiError> {
    let show = |entry: &engine::sdk::SystemEntry| {
        Ok(System {
            id: entry.spec.id,
            title: entry.spec.title,
            auth: serde_json::to_value(entry.spec.auth)
                .map_err(|error| ApiError::internal("the system cannot be described", error))?,
            config_schema: entry.config_schema.clone(),
            write_batch: entry.write_batch,
        })
    };
    caller
        .portal()
        .peers
        .systems()
        .map(show)
        .collect::<Result<_, _>>()
        .map(Json)
}
