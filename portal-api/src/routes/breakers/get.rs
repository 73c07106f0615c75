use axum::Json;
use domain::breakers;
use engine::ids::BreakerId;

use super::Breaker;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::extract::Path;

/// One frozen field
#[utoipa::path(
    get, path = "/breakers/{id}", operation_id = "get_breaker", tag = "breakers",
    params(("id" = String, Path)),
    responses((status = 200, description = "The field", body = Breaker)),
)]
pub(super) async fn get(
    caller: Caller,
    Path(id): Path<BreakerId>,
) -> Result<Json<Breaker>, ApiError> {
    let tables = &caller.portal().tables;
    let mut tx = caller.begin().await?;
    let breaker = breakers::get(&mut tx, tables, id).await?;
    Ok(Json(breaker.into()))
}
