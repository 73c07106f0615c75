use engine::store::lanes;

use super::{Lane, Place};
use crate::caller::Caller;
use crate::error::ApiError;
use crate::etag::Tagged;
use crate::extract::Path;

/// One lane
///
/// Also one that nobody has said anything about. Its ETag is of what one sets: limit and weight.
#[utoipa::path(
    get, path = "/lanes/{kind}/{name}", operation_id = "get_lane", tag = "lanes",
    params(("kind" = super::LaneKind, Path), ("name" = String, Path)),
    responses((status = 200, description = "The lane", body = Lane)),
)]
pub(super) async fn get(
    caller: Caller,
    Path(place): Path<Place>,
) -> Result<Tagged<Lane>, ApiError> {
    let mut tx = caller.begin().await?;
    let lane = place.find(&mut tx).await?;
    let row = lanes::get(&mut tx, &lane).await?;
    let lane = Lane::new(row, tx.now());
    Ok(Tagged(lane.version(), lane))
}
