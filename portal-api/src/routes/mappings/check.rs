use axum::Json;
use domain::mappings;
use domain::permissions::needs::MappingsRead;
use engine::ids::ConnectionId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Problem, Row};
use crate::caller::May;
use crate::error::ApiError;
use crate::extract;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MappingToCheck {
    #[schema(value_type = String)]
    connection_id: ConnectionId,
    stream: String,
    text: String,
}

/// What is to be said about a mapping's text.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CheckedMapping {
    problems: Vec<Problem>,
    rows: Vec<Row>,
}

/// Checks a mapping's text and stores nothing
#[utoipa::path(
    post, path = "/mappings/check", operation_id = "check_mapping", tag = "mappings",
    request_body = MappingToCheck,
    responses((status = 200, description = "What is to be said", body = CheckedMapping)),
)]
pub(super) async fn check(
    caller: May<MappingsRead>,
    extract::Json(body): extract::Json<MappingToCheck>,
) -> Result<Json<CheckedMapping>, ApiError> {
    let mut tx = caller.begin().await?;
    let tables = &caller.portal().tables;
    let review = mappings::review(
        &mut tx,
        tables,
        body.connection_id,
        &body.stream,
        &body.text,
    )
    .await?;
    Ok(Json(CheckedMapping {
        problems: review.problems.into_iter().map(Problem::from).collect(),
        rows: review.rows.into_iter().map(Row::from).collect(),
    }))
}
