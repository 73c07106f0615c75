use axum::Json;
use chrono::{DateTime, Utc};
use domain::permissions::needs::MappingsRead;
use engine::ids::MappingId;
use engine::store::mappings;
use serde::Serialize;
use utoipa::ToSchema;

use crate::caller::May;
use crate::error::ApiError;
use crate::extract::Path;
use crate::page::Page;

/// A version of a mapping in a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MappingVersionSummary {
    version: i32,
    /// draft, published, superseded or rolled_back
    state: String,
    /// The earlier version whose text it brought back.
    restores: Option<i32>,
    created_at: DateTime<Utc>,
    created_by: String,
    /// How many fields it maps.
    fields: usize,
}

/// A mapping's versions, newest first
#[utoipa::path(
    get, path = "/mappings/{id}/versions", operation_id = "list_mapping_versions",
    tag = "mappings", params(("id" = String, Path)),
    responses((status = 200, description = "All of them", body = Page<MappingVersionSummary>)),
)]
pub(super) async fn versions(
    caller: May<MappingsRead>,
    Path(id): Path<MappingId>,
) -> Result<Json<Page<MappingVersionSummary>>, ApiError> {
    let mut tx = caller.begin().await?;
    let rows = mappings::versions(&mut tx, id).await?;
    let show = |row: mappings::MappingVersion| MappingVersionSummary {
        fields: domain::mappings::count_fields(&row.body),
        version: row.version,
        state: row.state,
        restores: row.restores,
        created_at: row.created_at,
        created_by: row.created_by,
    };
    Ok(Json(Page::whole(rows.into_iter().map(show).collect())))
}
