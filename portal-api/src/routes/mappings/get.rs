use domain::mappings;
use domain::permissions::needs::MappingsRead;
use engine::ids::MappingId;
use engine::store::mappings as store;

use super::Mapping;
use crate::caller::May;
use crate::error::ApiError;
use crate::etag::Tagged;
use crate::extract::Path;

/// One mapping with its text, problems and rows
#[utoipa::path(
    get, path = "/mappings/{id}", operation_id = "get_mapping", tag = "mappings",
    params(("id" = String, Path)),
    responses((status = 200, description = "The mapping", body = Mapping)),
)]
pub(super) async fn get(
    caller: May<MappingsRead>,
    Path(id): Path<MappingId>,
) -> Result<Tagged<Mapping>, ApiError> {
    let mut tx = caller.begin().await?;
    let row = store::get(&mut tx, id).await?;
    let tables = &caller.portal().tables;
    let review =
        mappings::review(&mut tx, tables, row.connection_id, &row.stream, &row.text).await?;
    Ok(Tagged(row.version, Mapping::new(row, review)))
}
