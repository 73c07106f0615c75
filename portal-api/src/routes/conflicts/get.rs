use domain::conflicts;
use domain::permissions::needs::ConflictsRead;
use engine::ids::ConflictId;

use super::Conflict;
use crate::caller::May;
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
    caller: May<ConflictsRead>,
    Path(id): Path<ConflictId>,
) -> Result<Tagged<Conflict>, ApiError> {
    let mut tx = caller.begin().await?;
    let view = conflicts::get(&mut tx, &caller.portal().tables, id).await?;
    Ok(Tagged(view.version, view.into()))
}
