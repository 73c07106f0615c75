use axum::Json;
use domain::permissions::needs::RecordsRead;
use engine::store::plans;

use super::FieldView;
use crate::caller::May;
use crate::error::ApiError;
use crate::extract::Path;

/// The fields of a kind of entity
#[utoipa::path(
    get, path = "/fields/{entity}", operation_id = "list_fields", tag = "fields",
    params(("entity" = String, Path, description = "`account` or `contact`")),
    responses((status = 200, description = "All of them", body = Vec<FieldView>)),
)]
pub(super) async fn list(
    caller: May<RecordsRead>,
    Path(entity): Path<String>,
) -> Result<Json<Vec<FieldView>>, ApiError> {
    let kind = caller.portal().tables.kind(&entity)?;
    let mut tx = caller.begin().await?;
    let catalogue = plans::catalogue(&mut tx, &kind).await?;
    Ok(Json(
        catalogue.fields().iter().map(FieldView::from).collect(),
    ))
}
