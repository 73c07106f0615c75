use axum::Json;
use engine::store::lanes::{self, Action};
use serde::Deserialize;
use utoipa::ToSchema;

use super::update::{check_limit, check_weight};
use super::{LaneTouched, Place};
use crate::caller::Caller;
use crate::error::ApiError;
use crate::extract::{Json as Body, Path};

/// What is to be counted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PlanLane)]
pub(crate) struct Plan {
    action: LaneAction,
    /// With `limit`; without it the limit goes.
    max_running: Option<u32>,
    /// With `weight`; without it the weight is 1.
    weight: Option<f64>,
}

#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LaneAction {
    Pause,
    Resume,
    Open,
    Limit,
    Weight,
}

/// Counts the runs that an action on a lane would touch
///
/// By the statement that does it; nothing is changed.
#[utoipa::path(
    post, path = "/lanes/{kind}/{name}/plan", operation_id = "plan_lane", tag = "lanes",
    params(("kind" = super::LaneKind, Path), ("name" = String, Path)), request_body = Plan,
    responses((status = 200, description = "As of now", body = LaneTouched)),
)]
pub(super) async fn plan(
    caller: Caller,
    Path(place): Path<Place>,
    Body(body): Body<Plan>,
) -> Result<Json<LaneTouched>, ApiError> {
    let mut tx = caller.begin().await?;
    let lane = place.find(&mut tx).await?;
    let action = match body.action {
        LaneAction::Pause => Action::Pause {
            by: caller.session.user.name.clone(),
            reason: String::new(),
        },
        LaneAction::Resume => Action::Resume,
        LaneAction::Open => Action::Open,
        LaneAction::Limit => check_limit(&lane, body.max_running)?,
        LaneAction::Weight => {
            let current = lanes::get(&mut tx, &lane).await?;
            check_weight(&lane, current.weight, body.weight)?
        }
    };
    let touched = lanes::plan(&mut tx, &lane, &action).await?;
    Ok(Json(touched.into()))
}
