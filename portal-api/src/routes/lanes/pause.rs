use axum::Json;
use engine::store::lanes::Action;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{LaneOutcome, Place, act, reason};
use crate::caller::Operator;
use crate::error::ApiError;
use crate::extract::{Json as Body, Path};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PauseLane)]
pub(crate) struct Pause {
    /// For whoever wonders why nothing goes.
    #[serde(default)]
    reason: String,
}

/// Pauses a lane
///
/// None of its runs begins until it is resumed; those under way come to the end of their activation.
#[utoipa::path(
    post, path = "/lanes/{kind}/{name}/pause", operation_id = "pause_lane", tag = "lanes",
    params(("kind" = super::LaneKind, Path), ("name" = String, Path)), request_body = Pause,
    responses((status = 200, description = "Paused", body = LaneOutcome)),
)]
pub(super) async fn pause(
    caller: Operator,
    Path(place): Path<Place>,
    Body(body): Body<Pause>,
) -> Result<Json<LaneOutcome>, ApiError> {
    let action = Action::Pause {
        by: caller.session.user.name.clone(),
        reason: reason(body.reason)?,
    };
    Ok(Json(act(&caller, place, action).await?))
}
