use axum::Json;
use engine::store::keyset::{After, Slice};
use engine::store::lanes;
use uuid::Uuid;

use super::Lane;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::extract::Query;
use crate::page::{self, Page, Params};

/// Lists lanes by kind and name
///
/// Those that are limited, paused or closed, and those that runs wait behind.
#[utoipa::path(
    get, path = "/lanes", operation_id = "list_lanes", tag = "lanes", params(Params),
    responses((status = 200, description = "A page", body = Page<Lane>)),
)]
pub(super) async fn list(
    caller: Caller,
    Query(params): Query<Params>,
) -> Result<Json<Page<Lane>>, ApiError> {
    let limit = page::limit(params.limit)?;
    let after = page::after(params.cursor.as_deref(), "lane")?;
    let after = after.as_ref().map(|after| after.value.as_str());
    let mut tx = caller.begin().await?;
    let limit_and_one = u16::try_from(limit + 1).unwrap_or(u16::MAX);
    let rows = lanes::list(&mut tx, after, limit_and_one).await?;
    let slice = Slice::cut(rows, limit, |last| After {
        value: last.lane.to_string(),
        id: Uuid::nil(),
    });
    let now = tx.now();
    Ok(Json(Page::new(slice, "lane", |row| Lane::new(row, now))))
}
