use axum::Json;
use chrono::{DateTime, Utc};
use domain::breakers;
use engine::ids::ConnectionId;
use serde::Serialize;
use utoipa::ToSchema;

use crate::caller::Caller;
use crate::error::ApiError;
use crate::extract::Path;

/// Values of a field that the system stored in another form than it was given.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NearMiss {
    field: String,
    count: i64,
    first_at: DateTime<Utc>,
    last_at: DateTime<Utc>,
}

/// Near misses by field.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NearMisses {
    items: Vec<NearMiss>,
}

/// How often the system stored values in another form than it was given
#[utoipa::path(
    get, path = "/connections/{id}/streams/{stream}/near-misses", operation_id = "list_near_misses",
    tag = "connections", params(("id" = String, Path), ("stream" = String, Path)),
    responses((status = 200, description = "By field", body = NearMisses)),
)]
pub(super) async fn near_misses(
    caller: Caller,
    Path((id, stream)): Path<(ConnectionId, String)>,
) -> Result<Json<NearMisses>, ApiError> {
    let mut tx = caller.begin().await?;
    let misses = breakers::near_misses(&mut tx, id, &stream).await?;
    let items = misses.into_iter().map(|miss| NearMiss {
        field: miss.field,
        count: miss.count,
        first_at: miss.first_at,
        last_at: miss.last_at,
    });
    Ok(Json(NearMisses {
        items: items.collect(),
    }))
}
