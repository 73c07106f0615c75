use axum::Json;
use engine::store::lanes::Action;

use super::{LaneOutcome, Place, act};
use crate::caller::Operator;
use crate::error::ApiError;
use crate::extract::Path;

/// Ends a pause of a lane
///
/// Its runs go on at once, as far as nothing else holds them.
#[utoipa::path(
    post, path = "/lanes/{kind}/{name}/resume", operation_id = "resume_lane", tag = "lanes",
    params(("kind" = super::LaneKind, Path), ("name" = String, Path)),
    responses((status = 200, description = "Not paused", body = LaneOutcome)),
)]
pub(super) async fn resume(
    caller: Operator,
    Path(place): Path<Place>,
) -> Result<Json<LaneOutcome>, ApiError> {
    Ok(Json(act(&caller, place, Action::Resume).await?))
}
