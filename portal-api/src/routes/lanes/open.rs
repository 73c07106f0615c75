use axum::Json;
use engine::store::lanes::Action;

use super::{LaneOutcome, Place, act};
use crate::caller::Operator;
use crate::error::ApiError;
use crate::extract::Path;

/// Opens a closed lane before its time
///
/// For when the other system is known to be well again; if it is not, it closes the lane anew.
#[utoipa::path(
    post, path = "/lanes/{kind}/{name}/open", operation_id = "open_lane", tag = "lanes",
    params(("kind" = super::LaneKind, Path), ("name" = String, Path)),
    responses((status = 200, description = "Not closed", body = LaneOutcome)),
)]
pub(super) async fn open(
    caller: Operator,
    Path(place): Path<Place>,
) -> Result<Json<LaneOutcome>, ApiError> {
    Ok(Json(act(&caller, place, Action::Open).await?))
}
