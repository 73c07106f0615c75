use domain::failures;
use engine::ids::FailureClassId;

use super::FailureClass;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::etag::Tagged;
use crate::extract::Path;

/// What fails for one cause, counted now
#[utoipa::path(
    get, path = "/failure-classes/{id}", operation_id = "get_failure_class",
    tag = "failure-classes", params(("id" = String, Path)),
    responses((status = 200, description = "The class", body = FailureClass)),
)]
pub(super) async fn get(
    caller: Caller,
    Path(id): Path<FailureClassId>,
) -> Result<Tagged<FailureClass>, ApiError> {
    let mut tx = caller.begin().await?;
    let class = failures::get(&mut tx, id).await?;
    tx.commit().await?;
    Ok(Tagged(class.row.version, class.into()))
}
