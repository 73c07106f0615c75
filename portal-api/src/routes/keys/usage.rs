use axum::Json;
use chrono::{Days, NaiveDate};
use domain::keys;
use domain::permissions::needs::KeysManage;
use engine::ids::KeyId;
use serde::Serialize;
use utoipa::ToSchema;

use crate::caller::May;
use crate::error::ApiError;
use crate::extract::Path;
use crate::page::Page;

/// Days that are shown.
const DAYS: u64 = 30;

/// Calls of a key on a day.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KeyUsage {
    #[schema(value_type = String, format = Date)]
    day: NaiveDate,
    /// The operation that was called.
    operation: String,
    calls: i64,
    /// Of them over a limit.
    refused: i64,
}

/// What a key was used for
#[utoipa::path(
    get, path = "/keys/{id}/usage", operation_id = "get_key_usage", tag = "keys",
    params(("id" = String, Path)),
    responses((status = 200, description = "The last 30 days, newest first", body = Page<KeyUsage>)),
)]
pub(super) async fn usage(
    caller: May<KeysManage>,
    Path(id): Path<KeyId>,
) -> Result<Json<Page<KeyUsage>>, ApiError> {
    let mut tx = caller.begin().await?;
    let today = tx.now().date_naive();
    let since = today.checked_sub_days(Days::new(DAYS)).unwrap_or(today);
    let usage = keys::usage(&mut tx, id, since).await?;
    let usage = usage.into_iter().map(|usage| KeyUsage {
        day: usage.day,
        operation: usage.route,
        calls: usage.calls,
        refused: usage.refused,
    });
    Ok(Json(Page::whole(usage.collect())))
}
