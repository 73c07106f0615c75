use engine::store::lanes::{self, Action};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{Lane, Place, note};
use crate::caller::Operator;
use crate::error::ApiError;
use crate::etag::{self, IfMatch, Tagged};
use crate::extract::{Json, Path, given};

/// What is left out stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LaneChange {
    /// From 1; null takes the limit off.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u32>)]
    max_running: Option<Option<u32>>,
    /// Of the tenant's lane: over 0 and at most 1, or less than whoever runs the hub has given; null
    /// is 1.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<f64>)]
    weight: Option<Option<f64>>,
}

/// Sets a lane's limit, or the tenant's weight
///
/// A limit below what runs now stops none of it.
#[utoipa::path(
    patch, path = "/lanes/{kind}/{name}", operation_id = "update_lane", tag = "lanes",
    params(
        ("kind" = super::LaneKind, Path), ("name" = String, Path), ("If-Match" = String, Header),
    ),
    request_body = LaneChange,
    responses((status = 200, description = "As it is now", body = Lane)),
)]
pub(super) async fn update(
    caller: Operator,
    Path(place): Path<Place>,
    IfMatch(version): IfMatch,
    Json(body): Json<LaneChange>,
) -> Result<Tagged<Lane>, ApiError> {
    let mut tx = caller.begin().await?;
    let lane = place.find(&mut tx).await?;
    let current = lanes::lock(&mut tx, &lane).await?;
    let mut actions = Vec::new();
    if let Some(most) = body.max_running {
        actions.push(check_limit(&lane, most)?);
    }
    if let Some(weight) = body.weight {
        actions.push(check_weight(&lane, current.weight, weight)?);
    }
    let current = Lane::new(current, tx.now());
    if current.version() != version {
        return Err(ApiError::stale(&current));
    }
    if actions.is_empty() {
        return Ok(Tagged(version, current));
    }
    let mut noted = Vec::new();
    for action in actions {
        let touched = lanes::act(&mut tx, &lane, &action).await?;
        noted.push((action, touched));
    }
    let row = lanes::get(&mut tx, &lane).await?;
    let now = tx.now();
    tx.was(etag::shown(&current));
    tx.commit().await?;
    for (action, touched) in noted {
        note(&caller, &lane, &action, touched);
    }
    let shown = Lane::new(row, now);
    Ok(Tagged(shown.version(), shown))
}

pub(super) fn check_limit(lane: &lanes::Lane, most: Option<u32>) -> Result<Action, ApiError> {
    let refuse = |message| Err(ApiError::invalid("/max_running", message));
    if matches!(lane, lanes::Lane::Connection(_)) {
        return refuse("a connection has no limit: limit the key of its runs");
    }
    if most.is_some_and(|most| most == 0 || i32::try_from(most).is_err()) {
        return refuse("a limit is from 1 to 2147483647");
    }
    Ok(Action::Limit(most))
}

/// Nobody gives oneself more than others have; less is everybody's own business.
pub(super) fn check_weight(
    lane: &lanes::Lane,
    current: Option<f64>,
    weight: Option<f64>,
) -> Result<Action, ApiError> {
    let refuse = |message| Err(ApiError::invalid("/weight", message));
    if *lane != lanes::Lane::Tenant {
        return refuse("only the tenant's lane has a weight");
    }
    let most = current.unwrap_or(1.0).max(1.0);
    if weight.is_some_and(|weight| !(weight > 0.0 && weight <= most)) {
        return refuse("a weight is over 0; one over 1 is given by whoever runs the hub");
    }
    Ok(Action::Weight(weight))
}
