use axum::Json;
use chrono::{DateTime, Utc};
use domain::permissions::needs::MappingsRead;
use engine::ids::{ConnectionId, MappingId};
use engine::store::mappings::{self, MappingRow};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::caller::May;
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

/// A mapping in a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MappingSummary {
    #[schema(value_type = String)]
    id: MappingId,
    #[schema(value_type = String)]
    connection_id: ConnectionId,
    stream: String,
    entity: String,
    /// The published version.
    version: Option<i32>,
    draft: bool,
    updated_at: DateTime<Utc>,
    updated_by: String,
    /// How many fields it maps.
    fields: usize,
}

impl From<MappingRow> for MappingSummary {
    fn from(row: MappingRow) -> Self {
        Self {
            draft: row.has_draft(),
            fields: domain::mappings::count_fields(&row.text),
            id: row.id,
            connection_id: row.connection_id,
            stream: row.stream,
            entity: row.entity,
            version: row.published_version,
            updated_at: row.updated_at,
            updated_by: row.updated_by,
        }
    }
}

/// Lists mappings by stream
#[utoipa::path(
    get, path = "/mappings", operation_id = "list_mappings", tag = "mappings", params(Params),
    responses((status = 200, description = "A page", body = Page<MappingSummary>)),
)]
pub(super) async fn list(
    caller: May<MappingsRead>,
    Query(params): Query<Params>,
) -> Result<Json<Page<MappingSummary>>, ApiError> {
    let limit = page::limit(params.limit)?;
    let after = page::after(params.cursor.as_deref(), "stream")?;
    let mut tx = caller.begin().await?;
    let slice = mappings::list(&mut tx, params.connection_id, limit, after.as_ref()).await?;
    Ok(Json(Page::new(slice, "stream", MappingSummary::from)))
}
