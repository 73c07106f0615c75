use domain::conflicts;
use engine::ids::ConflictId;

use super::Conflict;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::etag::Tagged;
use crate::extract::Path;

/// One conflict
#[utoipa::path(
    get, path = "/conflicts/{id}", operation_id = "get_conflict", tag = "conflicts",
    params(("id" = String, Path)),
    responses((status = 200, description = "The conflict", body = Conflict)),
)]
pub(super) async fn get(
    caller: Caller,
    Path(id): Path<ConflictId>,
) -> Result<Tagged<Conflict>, ApiError> {
    let mut tx = caller.begin().await?;
    let view = conflicts::get(&mut tx, &caller.portal().tables, id).await?;
    Ok(Tagged(view.version, view.into()))
}
