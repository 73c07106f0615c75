use axum::Json;
use chrono::{DateTime, Utc};
use domain::mappings::text_hash;
use domain::permissions::needs::MappingsRead;
use engine::ids::MappingId;
use engine::store::mappings;
use serde::Serialize;
use utoipa::ToSchema;

use crate::caller::May;
use crate::error::ApiError;
use crate::extract::Path;

/// A version of a mapping.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MappingVersion {
    version: i32,
    /// draft, published, superseded or rolled_back
    state: String,
    /// The earlier version whose text it brought back.
    restores: Option<i32>,
    created_at: DateTime<Utc>,
    created_by: String,
    text: String,
    /// SHA-256 of the text, in hexadecimal digits: an approval names it.
    text_hash: String,
}

/// One version of a mapping
#[utoipa::path(
    get, path = "/mappings/{id}/versions/{version}", operation_id = "get_mapping_version",
    tag = "mappings", params(("id" = String, Path), ("version" = i32, Path)),
    responses((status = 200, description = "The version", body = MappingVersion)),
)]
pub(super) async fn version(
    caller: May<MappingsRead>,
    Path((id, version)): Path<(MappingId, i32)>,
) -> Result<Json<MappingVersion>, ApiError> {
    let mut tx = caller.begin().await?;
    let row = mappings::version(&mut tx, id, version).await?;
    Ok(Json(MappingVersion {
        version: row.version,
        state: row.state,
        restores: row.restores,
        created_at: row.created_at,
        created_by: row.created_by,
        text_hash: text_hash(&row.body),
        text: row.body,
    }))
}
