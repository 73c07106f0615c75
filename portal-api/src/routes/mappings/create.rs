use axum::response::IntoResponse;
use domain::mappings::{self, Order};
use domain::permissions::needs::MappingsManage;
use engine::ids::ConnectionId;
use engine::store::mappings as store;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{Mapping, author, refuse};
use crate::caller::May;
use crate::error::ApiError;
use crate::etag::Created;
use crate::extract::Json;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewMapping {
    #[schema(value_type = String)]
    connection_id: ConnectionId,
    /// A stream that is set up on the connection and has no mapping.
    stream: String,
    text: String,
    #[serde(default)]
    publish: bool,
}

/// Makes the mapping of a stream
#[utoipa::path(
    post, path = "/mappings", operation_id = "create_mapping", tag = "mappings",
    request_body = NewMapping,
    responses((status = 201, description = "Made", body = Mapping)),
)]
pub(super) async fn create(
    caller: May<MappingsManage>,
    Json(body): Json<NewMapping>,
) -> Result<impl IntoResponse, ApiError> {
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
    let review = review.accepted(body.publish).map_err(refuse)?;
    let author = author(&caller);
    let (connection, stream) = (body.connection_id, &body.stream);
    let mut row = mappings::create(&mut tx, connection, stream, &body.text, author).await?;
    if body.publish {
        let order = Order {
            mapping: &row,
            version: row.newest_version,
            preview: None,
            by: caller.session.user.id,
        };
        mappings::publish(&mut tx, tables, order).await?;
        row = store::get(&mut tx, row.id).await?;
    }
    tx.commit().await?;
    Ok(Created(row.version, Mapping::new(row, review)))
}
